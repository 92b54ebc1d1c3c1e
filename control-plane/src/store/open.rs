//! Opening the database, and bringing its schema up to date.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::secret::Secret;
use dataguardian_migrations::{Migrator, MigratorTrait};
use sea_orm::sqlx::Connection as _;
use sea_orm::sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction, Statement,
    TransactionTrait as _,
};

use super::lock::DirectoryLock;
use super::{Backend, Store, StoreError, backend_of};

/// How long SQLite waits for another connection's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read from SQLite.
const SQLITE_READERS: u32 = 4;
/// The key of PostgreSQL's advisory lock around migrations: "dgmigrat" in ASCII.
const MIGRATION_LOCK: i64 = 0x6467_6d69_6772_6174;

/// Which database, and how many connections.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// `sqlite:///path/to/file` or `postgres://…`. A secret, since it may hold a password.
    pub url: Secret,
    /// The most connections to PostgreSQL.
    pub max_connections: u32,
}

impl StoreSettings {
    /// That database, with the usual number of connections.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url),
            max_connections: 20,
        }
    }

    /// SQLite in a data directory.
    pub fn in_directory(directory: &Path) -> Self {
        let file = directory.join("dataguardian.db");
        Self::new(format!("sqlite://{}", file.display()))
    }
}

impl Store {
    /// Opens the database as it is. For SQLite this takes the data directory's lock and makes the file if it is not there.
    pub async fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let url = settings.url.expose();
        if let Some(path) = sqlite_path(url) {
            return open_sqlite(&path).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let mut options = options(url);
            options
                .max_connections(settings.max_connections.max(2))
                .min_connections(1);
            let connection = Database::connect(options).await?;
            return Ok(Self {
                read: connection.clone(),
                write: connection,
                backend: Backend::Postgres,
                _lock: None,
            });
        }
        Err(StoreError::UnknownUrl)
    }

    /// Keeps other processes from using that data directory. SQLite's is locked already.
    pub fn lock(&mut self, data_dir: &Path) -> Result<(), StoreError> {
        if self.backend == Backend::Postgres {
            self._lock = Some(Arc::new(DirectoryLock::take(data_dir)?));
        }
        Ok(())
    }

    /// Applies the migrations that are missing. On PostgreSQL one process at a time does it and the others wait, and a database
    /// that holds tables of somebody else is refused.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match backend_of(self.write.get_database_backend()) {
            Backend::Sqlite => Migrator::up(&self.write, None).await?,
            Backend::Postgres => {
                let guard = self.write.begin().await?;
                let lock = format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})");
                guard
                    .execute_raw(Statement::from_string(guard.get_database_backend(), lock))
                    .await?;
                refuse_tables_of_others(&guard).await?;
                Migrator::up(&self.write, None).await?;
                guard.commit().await?;
            }
        }
        Ok(())
    }

    /// Refuses a schema that lacks migrations of this version.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let missing = Migrator::get_pending_migrations_read_only(&self.read)
            .await?
            .len();
        if missing == 0 {
            Ok(())
        } else {
            Err(StoreError::OldSchema { missing })
        }
    }

    /// Closes all connections; SQLite folds its log into the file.
    pub async fn close(self) -> Result<(), StoreError> {
        self.read.close().await?;
        Ok(self.write.close().await?)
    }
}

/// A mistyped URL may lead into somebody's own database, and our tables would lie among theirs. Whose the database is says the
/// table in which migrations are noted down; what belongs to an extension is nobody's.
async fn refuse_tables_of_others(on: &DatabaseTransaction) -> Result<(), StoreError> {
    const OTHERS: &str = "SELECT t.relname::text AS name
        FROM pg_catalog.pg_class t JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        WHERE n.nspname = pg_catalog.current_schema() AND t.relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o
                WHERE o.relnamespace = n.oid AND o.relname = 'seaql_migrations')
        ORDER BY 1 LIMIT 1";
    let asked = Statement::from_string(on.get_database_backend(), OTHERS);
    match on.query_one_raw(asked).await? {
        Some(row) => Err(StoreError::TablesOfOthers {
            one: row.try_get("", "name")?,
        }),
        None => Ok(()),
    }
}

fn options(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .sqlx_logging(false)
        .connect_timeout(Duration::from_secs(10))
        .acquire_timeout(Duration::from_secs(10));
    options
}

/// The file that a `sqlite:` URL names.
fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url
        .strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split('?').next().unwrap_or_default();
    (!path.is_empty()).then(|| PathBuf::from(path))
}

async fn open_sqlite(path: &Path) -> Result<Store, StoreError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let lock = DirectoryLock::take(directory)?;
    make_private(path)?;
    let write = connect_sqlite(path, 1, Access::Write).await?;
    let read = connect_sqlite(path, SQLITE_READERS, Access::Read).await?;
    Ok(Store {
        read,
        write,
        backend: Backend::Sqlite,
        _lock: Some(Arc::new(lock)),
    })
}

/// Makes the file with mode 0600 before SQLite does with whatever the umask says; its log files take over the mode.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|source| StoreError::Directory {
            path: path.to_owned(),
            source,
        })
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

async fn connect_sqlite(
    path: &Path,
    connections: u32,
    access: Access,
) -> Result<DatabaseConnection, StoreError> {
    let path = path.to_owned();
    // The path goes in as a path: in a URL its special characters would have to be encoded.
    let mut options = options("sqlite://unused");
    options
        .max_connections(connections)
        .map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_clean(connection))))
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .filename(&path)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("trusted_schema", "OFF");
            match access {
                Access::Read => sqlite.pragma("query_only", "ON"),
                Access::Write => sqlite,
            }
        });
    Ok(Database::connect(options).await?)
}

/// Whether a connection that comes back may be used again. After a full disk one has come back within a transaction: what was
/// "committed" on it from then on was seen by that connection and never reached the file. How driver and SQLite come to differ
/// about it is not known for certain (SQLite ends a transaction by itself there, <https://www.sqlite.org/lang_transaction.html>,
/// section 3.3, and a ROLLBACK after that fails); closing the connection ends the transaction in any case.
async fn is_clean(connection: &mut SqliteConnection) -> Result<bool, sea_orm::sqlx::Error> {
    // A rollback may still be on its way to the connection's thread; this comes after it.
    connection.ping().await?;
    let clean = !connection.is_in_transaction();
    if !clean {
        tracing::warn!("a connection to the metadata database came back within a transaction, and is closed");
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm::DbBackend;

    async fn count(store: &Store) -> i64 {
        let counting = Statement::from_string(DbBackend::Sqlite, "SELECT count(*) AS count FROM note");
        let row = store.read.query_one_raw(counting).await.unwrap().unwrap();
        row.try_get("", "count").unwrap()
    }

    /// A full disk ends a transaction of SQLite behind the driver's back. Whatever is committed later must be there.
    #[tokio::test]
    async fn after_a_full_disk_commits_last_again() {
        let directory = tempfile::tempdir().unwrap();
        let settings = StoreSettings::in_directory(directory.path());
        let store = Store::open(&settings).await.unwrap();
        let sql = async |sql: &str| store.write.execute_unprepared(sql).await.unwrap();
        sql("CREATE TABLE note (text TEXT)").await;
        sql("PRAGMA max_page_count = 4").await;
        let insert = "INSERT INTO note VALUES (hex(zeroblob(50000)))";
        let tx = store.begin().await.unwrap();
        let full = tx.0.execute_unprepared(insert).await.unwrap_err();
        assert!(full.to_string().contains("full"), "{full}");
        drop(tx);
        store
            .write
            .execute_unprepared("PRAGMA max_page_count = 1000000")
            .await
            .unwrap();
        for committed in 1..4 {
            let tx = store.begin().await.unwrap();
            tx.0.execute_unprepared("INSERT INTO note VALUES ('kept')")
                .await
                .unwrap();
            tx.commit().await.unwrap();
            assert_eq!(count(&store).await, committed);
        }
    }
}
