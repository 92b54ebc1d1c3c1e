//! The rows that the checker reads, as they stand in one moment.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use sqlx::{ColumnIndex, Decode, FromRow, PgPool, Row, SqlitePool, Type};
use uuid::Uuid;

/// The rows of one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// Executions.
    pub(super) executions: Vec<Execution>,
    /// Their changes of state, in the order of their making.
    pub(super) events: Vec<Event>,
    /// Their attempts, by number.
    pub(super) attempts: Vec<Attempt>,
    /// Backups, the unfinished ones too.
    pub(super) backups: Vec<Backup>,
    /// Executions whose backups were deleted.
    pub(super) deleted: Vec<DeletedBackup>,
    /// Their copies.
    pub(super) copies: Vec<Copy>,
    /// Packs, and the storages that have them.
    pub(super) packs: Vec<Pack>,
    /// Storages in folders.
    pub(super) storages: Vec<StorageRow>,
}

macro_rules! rows {
    ($($(#[$doc:meta])* $row:ident { $($field:ident: $kind:ty,)+ } from $sql:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(super) struct $row { $(pub(super) $field: $kind,)+ }

        impl $row {
            const SQL: &str = $sql;
        }

        // By hand, since the macro for it would need another feature of the driver, and so another build of it.
        impl<'r, R: Row> FromRow<'r, R> for $row
        where
            &'static str: ColumnIndex<R>,
            $($kind: Decode<'r, R::Database> + Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
                Ok(Self { $($field: row.try_get(stringify!($field))?,)+ })
            }
        }
    )+};
}

rows! {
    /// An execution.
    Execution { id: Uuid, kind: String, state: String, attempt: i32, revision: i64, ended: bool, agent: Uuid,
        datasource: Option<Uuid>, backup: Option<Uuid>, }
    from "SELECT id, kind, state, attempt, revision, ended_at IS NOT NULL AS ended, agent_id AS agent,
        datasource_id AS datasource, leased_backup_id AS backup FROM executions ORDER BY id";
    /// A change of state.
    Event { execution: Uuid, revision: i64, event: String, from_state: String, to_state: String, attempt: i32,
        lease_token: Option<Uuid>, }
    from "SELECT execution_id AS execution, revision, event, from_state, to_state, attempt, lease_token
        FROM execution_events ORDER BY id";
    /// An attempt.
    Attempt { execution: Uuid, number: i32, ended: bool, }
    from "SELECT execution_id AS execution, number, ended_at IS NOT NULL AS ended FROM execution_attempts
        ORDER BY execution_id, number";
    /// A backup with its manifest's payload, if that is stored.
    Backup { id: Uuid, execution: Uuid, completed: bool, deleting: bool, payload: Option<Vec<u8>>, }
    from "SELECT b.id, b.execution_id AS execution, b.completed_at IS NOT NULL AS completed,
        b.state <> 'complete' AS deleting, m.payload
        FROM backups b LEFT JOIN manifests m ON m.backup_id = b.id ORDER BY b.id";
    /// A backup that was deleted everywhere.
    DeletedBackup { execution: Uuid, }
    from "SELECT execution_id AS execution FROM deleted_backups";
    /// A copy of a backup.
    Copy { backup: Uuid, storage: Uuid, completed: bool, }
    from "SELECT backup_id AS backup, storage_id AS storage, completed_at IS NOT NULL AND leaving IS NULL AS completed
        FROM backup_copies";
    /// A pack in a storage.
    Pack { id: Vec<u8>, storage: Uuid, }
    from "SELECT pack_id AS id, storage_id AS storage FROM pack_copies";
    /// A storage in a folder.
    StorageText { id: Uuid, path: String, }
    from "SELECT id, path FROM storages WHERE path IS NOT NULL";
}

/// A storage in a folder.
#[derive(Clone, Debug)]
pub(super) struct StorageRow {
    /// Its id.
    pub(super) id: Uuid,
    /// The folder.
    pub(super) path: PathBuf,
}

macro_rules! read {
    ($transaction:expr) => {{
        let transaction = $transaction;
        History {
            executions: sqlx::query_as(Execution::SQL)
                .fetch_all(&mut **transaction)
                .await?,
            events: sqlx::query_as(Event::SQL).fetch_all(&mut **transaction).await?,
            attempts: sqlx::query_as(Attempt::SQL).fetch_all(&mut **transaction).await?,
            backups: sqlx::query_as(Backup::SQL).fetch_all(&mut **transaction).await?,
            deleted: sqlx::query_as(DeletedBackup::SQL)
                .fetch_all(&mut **transaction)
                .await?,
            copies: sqlx::query_as(Copy::SQL).fetch_all(&mut **transaction).await?,
            packs: sqlx::query_as(Pack::SQL).fetch_all(&mut **transaction).await?,
            storages: sqlx::query_as::<_, StorageText>(StorageText::SQL)
                .fetch_all(&mut **transaction)
                .await?
                .into_iter()
                .map(|row| StorageRow {
                    id: row.id,
                    path: row.path.into(),
                })
                .collect(),
        }
    }};
}

impl History {
    /// Reads all rows in one transaction. A control plane may be at work on the database.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) async fn read(database: &str) -> Result<Self> {
        let history = if database.starts_with("sqlite:") {
            let pool = SqlitePool::connect(database)
                .await
                .context("opening the metadata database")?;
            let mut transaction = pool.begin().await?;
            let history = read!(&mut transaction);
            transaction.rollback().await?;
            pool.close().await;
            history
        } else {
            let pool = PgPool::connect(database)
                .await
                .context("connecting to the metadata database")?;
            let mut transaction = pool.begin().await?;
            sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                .execute(&mut *transaction)
                .await?;
            let history = read!(&mut transaction);
            transaction.rollback().await?;
            pool.close().await;
            history
        };
        Ok(history)
    }
}
