//! Sample databases, loaded from `tests/sql`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::postgres::Postgres;

/// The awkward sample (`tests/sql/awkward.sql`): about 340 tables of every kind.
#[derive(Clone, Copy, Debug)]
pub struct Awkward {
    /// The size of the largest values, in MB.
    pub largest_value_mb: u32,
}

/// Loads in a second. [`Self::FULL`] has values of the size that a backup must be able to take.
impl Default for Awkward {
    fn default() -> Self {
        Self { largest_value_mb: 1 }
    }
}

impl Awkward {
    /// With values of 50 MB.
    pub const FULL: Self = Self { largest_value_mb: 50 };

    /// Creates the database and loads the sample, with the roles that it needs.
    ///
    /// # Errors
    /// With what psql said.
    pub fn load(self, server: &Postgres, database: &str) -> Result<()> {
        server.psql_file("postgres", &script("awkward-cluster.sql"), &[])?;
        server.create_database(database)?;
        let megabytes = self.largest_value_mb.to_string();
        server.psql_file(database, &script("awkward.sql"), &[("big_mb", &megabytes)])?;
        Ok(())
    }
}

/// Creates the database and fills it with about `rows` orders of a shop (`tests/sql/bulk.sql`): 1,500,000 are
/// 1 GB.
///
/// # Errors
/// With what psql said.
pub fn load_bulk(server: &Postgres, database: &str, rows: u64) -> Result<()> {
    server.create_database(database)?;
    server.psql_file(database, &script("bulk.sql"), &[("rows", &rows.to_string())])?;
    Ok(())
}

/// The path of a script in `tests/sql`.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sql").join(name)
}
