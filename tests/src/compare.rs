//! Compares two PostgreSQL databases: a restore is compared, not believed.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use dataguardian_tests::{compare::{Comparison, Database}, postgres::{Postgres, Version}};
//!
//! let server = Postgres::start(Version::V15)?;
//! let report = Comparison::new(Database::of(&server, "shop"), Database::of(&server, "restored")).run().await?;
//! report.equal()?;
//! # Ok(())
//! # }
//! ```
//!
//! What is compared ([`Aspect`]): the schema as `pg_dump` writes it, the rows of every table and materialised view, the
//! state of sequences, large objects, and what belongs to the database itself. Rows are hashed one by one as COPY's text
//! form writes them, and the hashes are added up (see [`digest`]): no order is needed, and equal rows count. Only what a
//! dump can't keep is overlooked: the order of columns in a child of another table, the order of entries in the dump, and
//! in which partition a row lies if that depends on the hash of an enum.
//!
//! Every session here sets what the database's own settings may change about how values are written. Give it an account
//! that sees everything: a superuser, or one that bypasses row-level security.

mod address;
mod database;
mod difference;
pub mod digest;
mod facts;
mod large_objects;
mod pg_dump;
mod properties;
mod rows;
mod schema;
mod sequences;
mod session;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

pub use database::Database;
pub use difference::{Difference, Report, Summary};

use facts::Facts;
use session::Session;

/// One side of a database that is compared.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Aspect {
    /// Encoding, locale, owner, grants, comment and settings of the database itself.
    Database,
    /// What `pg_dump --schema-only` writes.
    Schema,
    /// `last_value` and `is_called` of each sequence.
    Sequences,
    /// Number, owner, grants, comment and content of each large object.
    LargeObjects,
    /// The rows of each table and materialised view, and whether the latter is filled.
    Rows,
}

impl Aspect {
    const ALL: [Self; 5] = [
        Self::Database,
        Self::Schema,
        Self::Sequences,
        Self::LargeObjects,
        Self::Rows,
    ];
}

/// A comparison about to be made.
#[derive(Clone, Debug)]
pub struct Comparison {
    left: Database,
    right: Database,
    aspects: BTreeSet<Aspect>,
}

impl Comparison {
    /// Compares all aspects.
    #[must_use]
    pub fn new(left: Database, right: Database) -> Self {
        Self {
            left,
            right,
            aspects: Aspect::ALL.into(),
        }
    }

    /// Leaves an aspect out, such as [`Aspect::Database`] for a copy into a database that somebody else created.
    #[must_use]
    pub fn without(mut self, aspect: Aspect) -> Self {
        self.aspects.remove(&aspect);
        self
    }

    /// Reads both databases, each in one snapshot, and gives what differs.
    ///
    /// # Errors
    /// If one can't be read; never because they differ.
    pub async fn run(self) -> Result<Report> {
        let (left, right) = tokio::try_join!(self.read(&self.left), self.read(&self.right))?;
        let mut report = difference::report(&left, &right);
        if self.aspects.contains(&Aspect::Schema) {
            report.add(schema::differences(&self.left, &self.right).await?);
        }
        let mut sessions = (
            Session::open(&self.left).await?,
            Session::open(&self.right).await?,
        );
        for difference in report
            .differences_mut()
            .iter_mut()
            .filter(|difference| difference.concerns_rows())
        {
            let example = rows::example(&mut sessions.0, &mut sessions.1, difference.name()).await?;
            difference.explain(example);
        }
        Ok(report)
    }

    async fn read(&self, database: &Database) -> Result<Facts> {
        let mut session = Session::open(database).await?;
        let mut facts = Facts::default();
        for aspect in &self.aspects {
            match aspect {
                Aspect::Database => properties::read(&mut session, &mut facts).await,
                Aspect::Sequences => sequences::read(&mut session, &mut facts).await,
                Aspect::LargeObjects => large_objects::read(&mut session, &mut facts).await,
                Aspect::Rows => rows::read(&mut session, &mut facts).await,
                // Its text comes from another program, once for both.
                Aspect::Schema => Ok(()),
            }
            .with_context(|| format!("reading {aspect:?} of {database}"))?;
        }
        Ok(facts)
    }
}
