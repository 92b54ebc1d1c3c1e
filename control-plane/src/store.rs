//! The metadata database: the only place that knows sea-orm.
//!
//! Functions are named noun first (`execution_claim_in_tx`), one file per noun. What reads takes a [`Store`] or a [`Tx`];
//! what writes takes a [`Tx`] and says so in its name, since every write is part of a use case's one transaction.
//!
//! On SQLite all write transactions go through one connection and begin IMMEDIATE, readers have their own; commits are
//! durable (WAL, `synchronous = FULL`). On PostgreSQL rows that decide something for others are locked first. Either way the
//! last word has a conditional UPDATE: who finds his row changed has lost.

use std::fmt;
use std::sync::Arc;

use sea_orm::sea_query::LockType;
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions,
    TransactionTrait as _,
};

pub mod ageing;
pub mod agent_requests;
pub mod agent_sessions;
pub mod agents;
pub mod attempts;
pub mod audit;
pub mod audit_chain;
pub mod authorities;
pub mod backups;
pub mod certificates;
pub mod commits;
mod convert;
pub mod copies;
pub mod copy_checks;
pub mod datasources;
pub mod deletion;
mod entity;
mod error;
pub mod executions;
pub mod garbage;
pub mod health;
pub mod holds;
pub mod imports;
pub mod installation;
pub mod installation_keys;
pub mod jobs;
pub mod join_tokens;
pub mod leases;
mod lock;
pub mod logs;
pub mod notification_channels;
pub mod notification_deliveries;
pub mod notification_facts;
pub mod notification_rules;
pub mod notifications;
pub mod object_checks;
mod open;
pub mod overview;
pub mod packs;
pub mod replicas;
pub mod requests;
pub mod retention;
pub mod reuse;
pub mod role_bindings;
pub mod roles;
pub mod schedules;
pub mod storages;
pub mod totp;
pub mod transitions;
pub mod user_sessions;
pub mod users;
mod within;

pub use error::StoreError;
pub use open::StoreSettings;

use private::Executor;

/// Which database holds the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, in the data directory; exactly one process.
    Sqlite,
    /// PostgreSQL; any number of replicas.
    Postgres,
}

impl Backend {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The metadata database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    read: DatabaseConnection,
    write: DatabaseConnection,
    backend: Backend,
    _lock: Option<Arc<lock::DirectoryLock>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

/// A write transaction. Dropped without [`Tx::commit`] it leaves nothing behind. Keep it short: on SQLite it is the only one.
#[derive(Debug)]
pub struct Tx(DatabaseTransaction);

impl Store {
    /// Which database it is.
    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Begins a write transaction.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        Ok(Tx(self.write.begin_with_options(options).await?))
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        Ok(self.read.ping().await?)
    }
}

impl Tx {
    /// Makes all of it durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }
}

/// What queries can be put to: the store itself, or a transaction.
pub trait Connected: private::Executor {}

impl Connected for Store {}
impl Connected for Tx {}

mod private {
    use sea_orm::DatabaseExecutor;

    /// Keeps the driver's types inside the store.
    pub trait Executor: Sync {
        fn executor(&self) -> DatabaseExecutor<'_>;
    }
}

impl Executor for Store {
    fn executor(&self) -> sea_orm::DatabaseExecutor<'_> {
        sea_orm::DatabaseExecutor::Connection(&self.read)
    }
}

impl Executor for Tx {
    fn executor(&self) -> sea_orm::DatabaseExecutor<'_> {
        sea_orm::DatabaseExecutor::Transaction(&self.0)
    }
}

/// How a row is held until the transaction ends. Not `FOR UPDATE`: that would also shut out who merely adds a row that names
/// this one, and deadlock with him. SQLite knows no such thing and needs none, since its write transactions are one at a time.
const HELD: LockType = LockType::NoKeyUpdate;

/// The kind of database behind a connection.
fn backend_of(backend: DbBackend) -> Backend {
    match backend {
        DbBackend::Postgres => Backend::Postgres,
        _ => Backend::Sqlite,
    }
}
