//! The composition root: the one place that names concrete parts and puts them together.
//!
//! Built in the order in which parts need each other: data directory, metadata database, keys, Redis (tried, not waited for),
//! use cases, authority, listeners, loops: those that need no queue before those that do. Whatever is wrong is found before a
//! port answers. At the end the same parts stop in the reverse order.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use dataguardian_core::clock::{SharedClock, SystemClock};
use dataguardian_core::ids::ControlPlaneId;
use dataguardian_core::secret::Secret;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_telemetry::system_monitor::SystemMonitor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::asking::Asking;
use crate::config::{Config, DataDir};
use crate::domain::agent::JoinToken;
use crate::grpc::{self, AuditTrail, Facts, Gate, OwnPages, Serving, Shared};
use crate::http::metrics::Metrics;
use crate::http::{self, Pages, Probe};
use crate::listen::Listener;
use crate::nodes::{Node, Nodes};
use crate::notify::Sender;
use crate::queue::Queue;
use crate::queue::redis::RedisLink;
use crate::reconcilers::{
    Cleanup, Courier, DispatchWake, Reconcile as _, Reconcilers, RenewCertificates, Ticker, Upkeep,
};
use crate::services::installation::Installation;
use crate::services::notifications::NotificationTally;
use crate::services::reset::ResetAdmin;
use crate::services::tally::Tally;
use crate::services::{Context, Services};
use crate::sessions::Sessions;
use crate::store::Store;
use crate::trust::Trust;

mod error;
mod foundation;
mod loops;
mod ports;

pub use error::StartError;

use foundation::Foundation;
use loops::{Loops, Wakes};
use ports::Ports;

/// A control plane, ready to run.
pub struct App {
    config: Config,
    data_dir: DataDir,
    store: Store,
    shared: Shared,
    reconcilers: Reconcilers,
    renewal: RenewCertificates,
    wakes: Wakes,
    serving: Serving,
    queue: Queue,
    link: Option<RedisLink>,
    monitor: Arc<SystemMonitor>,
    api: (Listener, Router),
    agents: (Listener, Router),
    stop: CancellationToken,
    setup_token: Option<PathBuf>,
}

/// How long agents wait before they come back to a replica that stops.
const RECONNECT_AFTER: Duration = Duration::from_secs(2);

impl App {
    /// Puts everything together, by the machine's clock. The ports are bound when this returns, and answer once
    /// [`App::run`] runs.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        Box::pin(Self::assemble(config, SystemClock::shared())).await
    }

    /// The same, by any clock.
    pub async fn assemble(config: Config, clock: SharedClock) -> Result<Self, StartError> {
        let data_dir = DataDir::open(&config.data_dir())?;
        let Foundation { store, installation } = Foundation::lay(&config, &data_dir, &clock).await?;
        let (queue, link) = queue(&config, &installation, &clock).await?;
        let context = Context::new(store.clone(), installation, Arc::clone(&clock), queue.clone());
        let metrics = Metrics::new()?;
        let context = as_configured(context, &config, &metrics)?;
        let services = Services::start(context.clone()).await?;
        let setup_token = services.auth.provide_setup_token(data_dir.path()).await?;
        let life = config.agents.certificate_life();
        let authority = Trust::load(&services.authorities, Arc::clone(&clock), life).await?;
        let ports = Ports::bind(&config, authority, &clock)?;
        let sessions = Sessions::new();
        let trust = trust(&config, &data_dir, &services, &sessions, &ports)?;
        let node = node(&config, &data_dir, &clock)?;
        let stop = CancellationToken::new();
        let asking = Asking::new(sessions.clone(), &services);
        let reconcilers = Reconcilers::new(Arc::clone(&clock), stop.clone());
        let shared = Shared {
            nodes: Nodes::new(node.clone(), sessions.clone(), &services),
            node: node.clone(),
            cleanup: cleanup(&config, &services, &asking),
            asking,
            facts: Arc::new(facts(&config, &context, &ports)?),
            trail: AuditTrail::new(services.audit.clone()),
            sender: sender(&config, context.installation.control_plane, &clock),
            pages: Arc::new(OwnPages::new(&config.api.public_urls, config.api.plaintext)),
            services,
            sessions,
            authority: Arc::clone(&trust.authority),
            trust: trust.clone(),
            clock: Arc::clone(&clock),
            metrics,
            dispatch: DispatchWake::default(),
            queue: queue.clone(),
            reconcilers: reconcilers.clone(),
            calls: TaskTracker::new(),
            stop: stop.clone(),
        };
        let pages = Pages {
            shared: shared.clone(),
            database: database_probe(&store),
            metrics_token: ports::metrics_token(&config)?,
        };
        let (api_router, serving) = Box::pin(grpc::api_router(
            &shared,
            Gate::new(&shared, config.api.limits.request_timeout(), config.api.streams)?,
        ))
        .await?;
        let agent_router = grpc::agent_router(
            &shared,
            Gate::new(
                &shared,
                config.agents.limits.request_timeout(),
                config.api.streams,
            )?,
        );
        Ok(Self {
            renewal: RenewCertificates { trust },
            wakes: Wakes::default(),
            api: (ports.api, api_router.merge(http::router(pages))),
            agents: (ports.agents, agent_router),
            serving,
            config,
            data_dir,
            store,
            shared,
            reconcilers,
            queue,
            link,
            monitor: node.monitor,
            stop,
            setup_token,
        })
    }

    /// Where the API listens.
    pub fn api_address(&self) -> Result<SocketAddr, StartError> {
        Ok(self.api.0.address()?)
    }

    /// Where the agent listener is.
    pub fn agent_address(&self) -> Result<SocketAddr, StartError> {
        Ok(self.agents.0.address()?)
    }

    /// The file with the one-time token for the first administrator, while there is none.
    pub fn setup_token(&self) -> Option<&PathBuf> {
        self.setup_token.as_ref()
    }

    /// The data directory.
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    /// By what an enrolling host recognises this control plane.
    pub fn pin(&self) -> String {
        self.shared.pin().to_string()
    }

    /// Makes a join token, for an agent that this very process is about to start.
    pub async fn create_join_token(&self, name: &str) -> Result<JoinToken, StartError> {
        Ok(self.shared.services.agents.create_join_token(name, None).await?)
    }

    /// The live agents.
    pub fn sessions(&self) -> Sessions {
        self.shared.sessions.clone()
    }

    /// The use cases.
    pub fn services(&self) -> Services {
        self.shared.services.clone()
    }

    /// Whom clients of the API have to trust; none where the operator brought a certificate, or wants none.
    pub fn ca_file(&self) -> Option<PathBuf> {
        has_own_certificate(&self.config).then(|| self.data_dir.join("ca.pem"))
    }

    /// Runs until told to stop; then agents are sent away, calls that run come to their end, and what is only in memory is
    /// written down.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StartError> {
        let ticker = Ticker::new().await?;
        let tasks = TaskTracker::new();
        let (api, api_router) = self.api;
        let (agents, agent_router) = self.agents;
        tasks.spawn(api.serve(api_router, self.stop.clone()));
        tasks.spawn(agents.serve(agent_router, self.stop.clone()));
        if let Some(link) = self.link {
            tasks.spawn(link.run(self.stop.clone()));
        }
        let app = Loops {
            config: &self.config,
            shared: &self.shared,
            reconcilers: &self.reconcilers,
            queue: &self.queue,
            renewal: &self.renewal,
            wakes: &self.wakes,
        };
        loops::take_over(&app).await;
        loops::start(&app, &ticker).await?;
        let courier = Courier {
            queue: self.queue,
            sessions: self.shared.sessions.clone(),
            dispatch: self.shared.dispatch.clone(),
            cancels: self.wakes.cancels,
            deletions: self.wakes.deletions,
            schedules: self.wakes.schedules,
            retention: self.wakes.retention,
            certificates: self.wakes.certificates,
            questions: self.wakes.questions,
            edges: self.wakes.edges,
        };
        tasks.spawn(courier.run(self.stop.clone()));
        tasks.spawn(self.serving.follow(database_probe(&self.store), stop.clone()));
        let (monitor, monitor_stop) = (self.monitor, self.stop.clone());
        tasks.spawn(async move { monitor.run(monitor_stop).await });
        stop.cancelled().await;
        tracing::info!("stopping: no new connections, agents are sent away");
        if let Err(error) = self.shared.services.leadership.resign().await {
            tracing::warn!(%error, "other replicas take over only after some seconds");
        }
        if let Err(error) = self.shared.services.replicas.say_gone().await {
            tracing::warn!(%error, "other replicas ask this one in vain for some seconds");
        }
        self.shared.sessions.drain(RECONNECT_AFTER).await;
        self.stop.cancel();
        tasks.close();
        tasks.wait().await;
        self.shared.calls.close();
        self.shared.calls.wait().await;
        ticker.stop().await;
        self.reconcilers.ended().await;
        let last = loops::save_reports(&self.shared.services).pass().await;
        if let Err(error) = last {
            tracing::warn!(%error, "the newest progress could not be written down");
        }
        drop(self.shared);
        self.store.close().await?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// The queue, tried once: a Redis that does not answer now is offline, and keeps nobody from starting.
async fn queue(
    config: &Config,
    installation: &Installation,
    clock: &SharedClock,
) -> Result<(Queue, Option<RedisLink>), StartError> {
    let Some(settings) = config.queue.redis()? else {
        return Ok((Queue::embedded(), None));
    };
    let (queue, mut link) = Queue::redis(settings, installation.control_plane, Arc::clone(clock));
    link.try_once().await;
    Ok((queue, Some(link)))
}

/// With the limits of the configuration. An agent counts as away beyond the silence that ends a session, with time for the word
/// of it to be written down.
fn as_configured(context: Context, config: &Config, metrics: &Metrics) -> Result<Context, StartError> {
    let silence = config.agents.heartbeat_interval() * 3 + config.reconcilers.interval() * 2;
    let mut context = context;
    context.limits = config.work.limits();
    context.health = config.health.policy();
    context.sessions = config.access.sessions();
    context.objectives = config.protection.objectives();
    context.tally = Tally::new(&metrics.meter());
    let ends = ports::operators_certificate_ends(&config.api)?;
    let life = config.agents.certificate_life();
    context.notifications = Arc::new(config.notifications.policy(life, ends));
    context.notification_tally = NotificationTally::new(&metrics.meter());
    context.agent_away_after = chrono::TimeDelta::from_std(silence).unwrap_or(chrono::TimeDelta::hours(1));
    Ok(context)
}

/// What callers are told of this control plane.
fn facts(config: &Config, context: &Context, ports: &Ports) -> Result<Facts, StartError> {
    Ok(Facts {
        control_plane: context.installation.control_plane,
        metadata_backend: context.store.backend().as_str(),
        replica: context.replica,
        started_at: context.started_at,
        operators_pin: ports.operators_pin.clone(),
        api_address: ports.api.address()?.to_string(),
        agent_address: config.agents.advertised(ports.agents.address()?),
        heartbeat_interval: config.agents.heartbeat_interval(),
        performance_history: config.monitor.history_size,
        downloads_per_agent: config.agents.downloads_per_agent,
    })
}

/// What sends notifications.
fn sender(config: &Config, control_plane: ControlPlaneId, clock: &SharedClock) -> Sender {
    let timeout = Duration::from_secs(config.notifications.timeout_seconds.into());
    Sender::new(timeout, control_plane.to_string(), Arc::clone(clock))
}

/// Cleaning up, with all that is done along with it.
fn cleanup(config: &Config, services: &Services, asking: &Asking) -> Cleanup {
    let upkeep = Upkeep {
        retention: services.retention.clone(),
        ageing: services.ageing.clone(),
        ages: config.cleanup.ages(config.notifications.keep()),
    };
    let grace = config.cleanup.grace();
    let by = (asking.clone(), services.leadership.clone());
    Cleanup::new(services.cleanup.clone(), by, grace, upkeep)
}

/// The machine, with the file system that the data directory is on.
fn node(config: &Config, data_dir: &DataDir, clock: &SharedClock) -> Result<Node, StartError> {
    let monitor = SystemMonitor::new(config.monitor, Arc::clone(clock))?;
    Ok(Node {
        monitor: Arc::new(monitor.watching(vec![data_dir.path().to_owned()])),
        cpu: CpuPool::sized_to_machine(),
    })
}

/// What is shown and trusted, with its file for clients.
fn trust(
    config: &Config,
    data_dir: &DataDir,
    services: &Services,
    sessions: &Sessions,
    ports: &Ports,
) -> Result<Trust, StartError> {
    let trust = Trust {
        authorities: services.authorities.clone(),
        authority: Arc::clone(&ports.authority),
        verifier: Arc::clone(&ports.verifier),
        certificates: ports.certificates.clone(),
        ca_file: has_own_certificate(config).then(|| data_dir.clone()),
        sessions: sessions.clone(),
        renew_within: config.agents.renew_within(),
    };
    trust.write_ca_file()?;
    Ok(trust)
}

/// Whether the API's certificate is one of our own authority.
const fn has_own_certificate(config: &Config) -> bool {
    !config.api.plaintext && config.api.tls_cert.is_none()
}

fn database_probe(store: &Store) -> Probe {
    let store = store.clone();
    Probe::new(move || {
        let store = store.clone();
        async move { store.ping().await.is_ok() }
    })
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("facts", &self.shared.facts)
            .finish_non_exhaustive()
    }
}

/// Gives the first administrator another password, with no control plane running.
pub async fn reset_admin(config: &Config, password: Secret) -> Result<ResetAdmin, StartError> {
    let data_dir = DataDir::open_existing(&config.data_dir())?;
    let store = Store::open(&config.database.store(data_dir.path())).await?;
    store.check_schema().await?;
    let reset = crate::services::reset::reset_admin(&store, password, SystemClock::shared().now()).await?;
    store.close().await?;
    Ok(reset)
}

/// Brings the schema up to date.
pub async fn migrate(config: &Config) -> Result<(), StartError> {
    let data_dir = DataDir::open(&config.data_dir())?;
    let store = Store::open(&config.database.store(data_dir.path())).await?;
    store.migrate().await?;
    Ok(store.close().await?)
}
