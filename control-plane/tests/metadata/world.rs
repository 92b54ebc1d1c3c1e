//! A control plane without its network: a fresh database of either kind, the services over it, a clock that tests move.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_control_plane::domain::certificate::{IssuedCertificate, Presented};
use dataguardian_control_plane::domain::datasource::{ConnectionSettings, NewDatasource};
use dataguardian_control_plane::domain::execution::Execution;
use dataguardian_control_plane::domain::job::{BackupOptions, Job, NewJob};
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::storage::{
    NewLocation, NewStorage, PreparedRepository, StorageCreation,
};
use dataguardian_control_plane::queue::Queue;
use dataguardian_control_plane::secrets::master_key::MasterKeySource;
use dataguardian_control_plane::services::authorities::AuthorityKeys;
use dataguardian_control_plane::services::installation::Installation;
use dataguardian_control_plane::services::{Context, Services};
use dataguardian_control_plane::store::{Backend, Store, StoreSettings};
use dataguardian_core::clock::{Clock, ManualClock, SharedClock};
use dataguardian_core::engine::Engine;
use dataguardian_core::ids::{AgentId, DatasourceId, StorageId};
use dataguardian_core::secret::{Secret, SecretBytes};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_core::target::TlsMode;
use dataguardian_tests::postgres::{Postgres, Version};
use tempfile::TempDir;

use crate::simulated::SimulatedAgent;

/// The private key of the pretended authority; may never be found in the database.
pub(crate) const AUTHORITY_KEY: &[u8] = b"the authority's private key, not to be seen by anybody";

/// The pin of the pretended authority.
pub(crate) const FIRST_AUTHORITY: &str = "sha256:first";

/// Runs each scenario on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident: &World) $body:block)+) => {$(
        mod $name {
            use super::*;

            $(#[$doc])*
            async fn scenario($world: &World) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                scenario(&World::sqlite().await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                scenario(&World::postgres().await).await;
            }
        }
    )+};
}
pub(crate) use on_both;

/// A control plane without its network.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) store: Store,
    pub(crate) context: Context,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: StoreSettings,
    pub(crate) directory: TempDir,
    pub(crate) server: Option<Arc<Postgres>>,
}

pub(crate) fn start_of_time() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let settings = StoreSettings::in_directory(directory.path());
        Self::open(settings, directory, None).await
    }

    pub(crate) async fn postgres() -> Self {
        let server = Arc::new(Postgres::start(Version::V15).unwrap());
        Self::on_server(server, "metadata").await
    }

    /// A fresh database on a server that is there already.
    pub(crate) async fn on_server(server: Arc<Postgres>, database: &str) -> Self {
        server.create_database(database).unwrap();
        let settings = StoreSettings::new(server.connection().url(database));
        Self::open(settings, tempfile::tempdir().unwrap(), Some(server)).await
    }

    async fn open(settings: StoreSettings, directory: TempDir, server: Option<Arc<Postgres>>) -> Self {
        let store = Store::open(&settings).await.unwrap();
        store.migrate().await.unwrap();
        let clock = ManualClock::at(start_of_time());
        let context = context(&store, &clock, directory.path()).await;
        Self {
            services: Services::start(context.clone()).await.unwrap(),
            store,
            context,
            clock,
            settings,
            directory,
            server,
        }
    }

    /// Another replica over the same database, with a queue of its own.
    pub(crate) async fn replica(&self) -> Services {
        let context = context(&self.store, &self.clock, self.directory.path()).await;
        Services::start(context).await.unwrap()
    }

    /// A connection of the test's own, beside the store.
    pub(crate) async fn connect(&self) -> sea_orm::DatabaseConnection {
        sea_orm::Database::connect(self.settings.url.expose())
            .await
            .unwrap()
    }

    /// Changes the database behind the store's back.
    pub(crate) async fn sql(&self, sql: &str) {
        use sea_orm::ConnectionTrait as _;
        self.connect().await.execute_unprepared(sql).await.unwrap();
    }

    /// Somebody else's transaction behind the store's back, of which nobody sees anything before it is committed.
    pub(crate) async fn open_transaction(&self, sql: &str) -> OpenTransaction {
        use sea_orm::{ConnectionTrait as _, TransactionTrait as _};
        let transaction = self.connect().await.begin().await.unwrap();
        transaction.execute_unprepared(sql).await.unwrap();
        OpenTransaction(transaction)
    }

    /// An id as a literal in SQL.
    pub(crate) fn id_literal(&self, id: &uuid::Uuid) -> String {
        match self.store.backend() {
            Backend::Sqlite => format!("x'{}'", id.simple()),
            Backend::Postgres => format!("'{id}'"),
        }
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Somebody sets the clock, and no time passes.
    pub(crate) fn set_clock(&self, by: TimeDelta) {
        self.clock.set(by);
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A certificate at a handshake now.
    pub(crate) fn presented(&self, serial: &str) -> Presented {
        Presented {
            serial: serial.to_owned(),
            at: self.now(),
            from: "192.0.2.7".to_owned(),
        }
    }

    pub(crate) async fn agent(&self, name: &str) -> SimulatedAgent {
        SimulatedAgent::enroll(self, name).await
    }

    pub(crate) async fn storage(&self, agent: AgentId, name: &str) -> StorageId {
        let creation = self
            .services
            .storages
            .begin_create(new_storage(agent, name))
            .await
            .unwrap();
        let StorageCreation::Prepare(draft) = creation else {
            panic!("nothing was answered before")
        };
        let prepared = PreparedRepository {
            repository: draft.repository,
            conditional_put: true,
        };
        let storage = self
            .services
            .storages
            .finish_create(*draft, prepared)
            .await
            .unwrap();
        storage.id
    }

    pub(crate) async fn datasource(&self, agent: AgentId, name: &str) -> DatasourceId {
        let new = new_datasource(agent, name);
        self.services.datasources.create(new).await.unwrap().id
    }

    /// A job on a fresh datasource and storage of that agent, all of that name.
    pub(crate) async fn job(&self, agent: AgentId, name: &str, options: BackupOptions) -> Job {
        let datasource = self.datasource(agent, name).await;
        let storage = self.storage(agent, name).await;
        let new = NewJob {
            options,
            ..new_job(name, datasource, &[storage])
        };
        self.services.jobs.create(new).await.unwrap()
    }

    pub(crate) async fn run(&self, job: &Job) -> Execution {
        let reference = Reference::Id(job.id);
        self.services.jobs.run(&reference, None).await.unwrap()
    }
}

/// A transaction that is not committed yet.
pub(crate) struct OpenTransaction(sea_orm::DatabaseTransaction);

impl OpenTransaction {
    pub(crate) async fn commit(self) {
        self.0.commit().await.unwrap();
    }
}

async fn context(store: &Store, clock: &Arc<ManualClock>, directory: &Path) -> Context {
    let clock: SharedClock = clock.clone();
    let source = MasterKeySource {
        generated: Some(directory.join("master.key")),
        ..MasterKeySource::default()
    };
    let installation = Installation::load_or_create(store, &source, &clock, authority)
        .await
        .unwrap();
    Context::new(store.clone(), installation, clock, Queue::embedded())
}

pub(crate) fn authority() -> Result<AuthorityKeys, String> {
    Ok(AuthorityKeys {
        pin: FIRST_AUTHORITY.to_owned(),
        bridge: None,
        certificate: b"certificate".to_vec(),
        key: SecretBytes::new(AUTHORITY_KEY.to_vec()),
    })
}

/// A pretended certificate: serial and fingerprint are all that the catalogue looks at.
pub(crate) fn issue(now: DateTime<Utc>) -> impl FnOnce(AgentId) -> Result<IssuedCertificate, String> + Send {
    move |_| {
        let serial = hex::encode(AgentId::new().as_bytes());
        Ok(IssuedCertificate {
            chain: vec![serial.clone().into_bytes(), b"certificate".to_vec()],
            fingerprint: [7; 32],
            serial,
            issuer: FIRST_AUTHORITY.to_owned(),
            not_after: now + TimeDelta::hours(24),
        })
    }
}

pub(crate) fn new_storage(agent: AgentId, name: &str) -> NewStorage {
    NewStorage {
        name: name.parse().unwrap(),
        location: NewLocation::Local {
            agent: Reference::Id(agent),
            path: PathBuf::from("/var/backups").join(name),
        },
        max_concurrent: None,
        request_id: None,
    }
}

pub(crate) fn new_datasource(agent: AgentId, name: &str) -> NewDatasource {
    NewDatasource {
        name: name.parse().unwrap(),
        engine: Engine::Postgres,
        agent: Reference::Id(agent),
        connection: ConnectionSettings {
            host: "localhost".into(),
            port: 5432,
            username: "backup".into(),
            tls: TlsMode::VerifyFull,
            tls_ca: Some("/etc/ssl/ca.pem".into()),
            credential_ref: None,
            service: None,
            maintenance_database: None,
        },
        password: Some(Secret::new("hunter2-hunter2")),
        databases: DatabaseSelection::Named(vec!["shop".into()]),
        verified_within: None,
        request_id: None,
    }
}

pub(crate) fn new_job(name: &str, datasource: DatasourceId, storages: &[StorageId]) -> NewJob {
    NewJob {
        name: name.parse().unwrap(),
        datasource: Reference::Id(datasource),
        storages: storages.iter().copied().map(Reference::Id).collect(),
        strategy: Strategy::Replicate,
        options: BackupOptions::default(),
        schedule: None,
        retention: None,
        request_id: None,
    }
}
