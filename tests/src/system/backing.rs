//! What a control plane stands on: nothing but itself, or servers that several replicas could share.

use anyhow::{Result, bail};

use super::{Metadata, Setup};
use crate::postgres::{Postgres, Version};
use crate::redis::RedisServer;

/// What a control plane stands on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backing {
    /// SQLite, and the queue in the process.
    Embedded,
    /// PostgreSQL and Redis.
    Servers,
}

impl Backing {
    /// What `DATAGUARDIAN_TEST_BACKING` says: see [`crate::setting`].
    ///
    /// # Errors
    /// If it says something else.
    pub fn from_environment() -> Result<Self> {
        match std::env::var("DATAGUARDIAN_TEST_BACKING").as_deref() {
            Err(_) | Ok("" | "embedded") => Ok(Self::Embedded),
            Ok("servers") => Ok(Self::Servers),
            Ok(other) => bail!("DATAGUARDIAN_TEST_BACKING={other:?} is neither embedded nor servers"),
        }
    }
}

/// The servers, which live as long as this.
#[derive(Debug)]
pub struct Servers {
    /// With the metadata.
    pub postgres: Postgres,
    /// With the queue.
    pub redis: RedisServer,
}

/// The metadata database's name.
const METADATA: &str = "metadata";

impl Servers {
    /// Starts both, empty.
    ///
    /// # Errors
    /// If a part is not installed or does not come up.
    pub fn start() -> Result<Self> {
        let postgres = Postgres::start(Version::V15)?;
        postgres.create_database(METADATA)?;
        let redis = RedisServer::start()?;
        Ok(Self { postgres, redis })
    }

    /// What the metadata database answers to a query, as `psql` tells it.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn metadata(&self, query: &str) -> Result<String> {
        self.postgres.psql(METADATA, query)
    }

    /// A control plane on these, on free ports.
    ///
    /// # Errors
    /// If there are no free ports.
    pub fn setup(&self) -> Result<Setup> {
        Ok(Setup {
            metadata: Metadata::Postgres(self.postgres.connection().url(METADATA)),
            redis: Some(self.redis.url()),
            ..Setup::usual()?
        })
    }
}
