//! A small shop that is backed up into two storages, and what must hold of it after each fault.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_failpoints::Place;
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version, quoted_name};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, System};

/// Enough for streams of several lists, and little enough for a second.
const ORDERS: u64 = 3_000;
/// The databases that are backed up. Restores replace both, so that there is a moment between two swaps.
const DATABASES: [&str; 2] = ["shop", "till"];

/// A small shop.
pub(crate) struct Scene {
    pub(crate) server: Postgres,
    pub(crate) system: System,
    /// Executions that ended well so far, each with one manifest in each storage.
    pub(crate) backups: usize,
    /// How often everything was changed.
    generation: u32,
}

impl Scene {
    pub(crate) fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "pristine", ORDERS)?;
        for database in DATABASES {
            server.psql(
                "postgres",
                &format!("CREATE DATABASE {database} TEMPLATE pristine"),
            )?;
        }
        let system = System::start()?;
        system.add_storage("attic", &system.folder().join("attic"))?;
        system.add_datasource("main", &server, &DATABASES)?;
        system.add_job("main", &["--storage", "attic"])?;
        let mut scene = Self {
            server,
            system,
            backups: 0,
            generation: 0,
        };
        scene.back_up()?;
        Ok(scene)
    }

    /// A file that a held program makes, and waits on.
    pub(crate) fn hold(&self) -> PathBuf {
        self.system.folder().join("held")
    }

    /// Starts the program again with failpoints armed.
    pub(crate) fn arm(&mut self, place: Place, failpoints: &str) -> Result<()> {
        self.kill(place)?;
        match place {
            Place::Agent => self.system.agent.start_armed(failpoints)?,
            Place::ControlPlane => self.system.control_plane.start_armed(failpoints)?,
        }
        self.system.wait_for_agent(AGENT)
    }

    pub(crate) fn kill(&mut self, place: Place) -> Result<()> {
        match place {
            Place::Agent => self.system.agent.program().kill9(),
            Place::ControlPlane => self.system.control_plane.program().kill9(),
        }
    }

    /// Changes every row, in the same way in all databases: of what did not change a backup stores nothing, and would never come
    /// to where it is to be killed.
    pub(crate) fn change_everything(&mut self) -> Result<()> {
        self.generation += 1;
        let generation = self.generation;
        let change = format!(
            "SET search_path = shop;
            UPDATE customer SET city = 'generation {generation}';
            UPDATE purchase SET note = 'generation {generation}';
            UPDATE line SET quantity = {generation};
            UPDATE event SET kind = 'generation {generation}';
            UPDATE attachment SET name = 'generation {generation}'"
        );
        for database in ["pristine"].into_iter().chain(DATABASES) {
            self.server.psql(database, &change)?;
        }
        Ok(())
    }

    pub(crate) fn back_up(&mut self) -> Result<()> {
        self.system.run_job("main").succeed()?;
        self.backups += 1;
        Ok(())
    }

    /// Nothing of what was hit is left, and no invariant is violated.
    pub(crate) fn is_quiet(&self) -> Result<()> {
        self.system.nothing_is_left(&self.server)?;
        let manifests = self.system.manifests()?.len();
        ensure!(
            manifests == self.backups,
            "{manifests} manifests, and {} backups",
            self.backups
        );
        self.system.check_invariants()
    }

    /// Backs up and restores under other names, and compares with what was loaded at first.
    pub(crate) async fn next_run_is_equal(&mut self) -> Result<()> {
        self.back_up()?;
        let words = ["restore", "--backup", "latest", "--datasource", "main", "--wait"];
        let names = DATABASES.map(|name| format!("{name}={name}_restored"));
        let mapped = names
            .iter()
            .flat_map(|name| ["--database", name])
            .collect::<Vec<_>>();
        self.system.dgctl(&[&words[..], &mapped].concat()).succeed()?;
        for database in DATABASES {
            let restored = format!("{database}_restored");
            self.is_pristine(&restored).await?;
            self.server
                .psql("postgres", &format!("DROP DATABASE {}", quoted_name(&restored)))?;
        }
        self.is_quiet()
    }

    /// Replaces both databases by the newest backup.
    pub(crate) fn start_replacing(&self) -> Result<String> {
        let words = [
            "restore",
            "--backup",
            "latest",
            "--datasource",
            "main",
            "--replace",
            "--yes",
        ];
        let started = self.system.json(&words)?;
        let id = started["execution"]["id"].as_str().context("an execution's id")?;
        Ok(id.to_owned())
    }

    /// Looks into the newest backup.
    pub(crate) fn start_verifying(&self) -> Result<String> {
        let started = self
            .system
            .json(&["backup", "verify", "latest", "--datasource", "main"])?;
        let id = started["execution"]["id"].as_str().context("an execution's id")?;
        Ok(id.to_owned())
    }

    /// Both databases are there and as they were loaded. Beside them is nothing unfinished; ones that were replaced may be there,
    /// which a person has been told of in the restore's warnings, and drops.
    pub(crate) async fn databases_are_whole(&self, told: &str) -> Result<()> {
        for database in DATABASES {
            self.is_pristine(database).await?;
        }
        let others = "select datname || ': ' || coalesce(shobj_description(oid, 'pg_database'), '') from pg_database
            where datname not in ('template0', 'template1', 'postgres', 'pristine', 'shop', 'till') order by 1";
        for other in self.server.psql("postgres", others)?.lines() {
            let (name, mark) = other.split_once(": ").unwrap_or((other, ""));
            ensure!(
                mark.contains("replaced by a restore") && told.contains(name),
                "{other} was left, and was not told of: {told}"
            );
            self.server
                .psql("postgres", &format!("DROP DATABASE {}", quoted_name(name)))?;
        }
        Ok(())
    }

    async fn is_pristine(&self, database: &str) -> Result<()> {
        let (loaded, found) = (
            Database::of(&self.server, "pristine"),
            Database::of(&self.server, database),
        );
        let report = Comparison::new(loaded, found).run().await?;
        report
            .equal()
            .map(|_| ())
            .with_context(|| format!("{database} is not as it was loaded"))
    }
}
