//! The transport, thin: prove the caller, decode with bounds, call a use case, encode. No rule lives here but those about
//! the wire itself; generated messages stop here.
//!
//! Two routers come out of this: [`api_router`] for people, programs and hosts that enrol, and [`agent_router`] for agents
//! alone. Neither serves a method of the other. What a method needs is read from its own options in the protos; a method
//! that nobody knows is refused before anything looks at it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::{ControlPlaneId, ReplicaId};
use dataguardian_proto::agent::v1::agent_service_server::AgentServiceServer as AgentSideServer;
use dataguardian_proto::agent::v1::enrollment_service_server::EnrollmentServiceServer;
use dataguardian_proto::v1::access_service_server::AccessServiceServer;
use dataguardian_proto::v1::agent_service_server::AgentServiceServer;
use dataguardian_proto::v1::audit_service_server::AuditServiceServer;
use dataguardian_proto::v1::auth_service_server::AuthServiceServer;
use dataguardian_proto::v1::backup_service_server::BackupServiceServer;
use dataguardian_proto::v1::datasource_service_server::DatasourceServiceServer;
use dataguardian_proto::v1::execution_service_server::ExecutionServiceServer;
use dataguardian_proto::v1::job_service_server::JobServiceServer;
use dataguardian_proto::v1::notification_service_server::NotificationServiceServer;
use dataguardian_proto::v1::restore_service_server::RestoreServiceServer;
use dataguardian_proto::v1::storage_service_server::StorageServiceServer;
use dataguardian_proto::v1::system_service_server::SystemServiceServer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tonic_web::GrpcWebLayer;

use crate::asking::Asking;
use crate::ca::{Authority, SpkiPin};
use crate::domain::assignment::MAX_PAYLOAD;
use crate::http::metrics::Metrics;
use crate::nodes::{Node, Nodes};
use crate::notify::Sender;
use crate::queue::Queue;
use crate::reconcilers::{Cleanup, DispatchWake, Reconcilers};
use crate::services::Services;
use crate::sessions::Sessions;
use crate::trust::Trust;

mod access;
mod agent;
mod agents;
mod ask;
mod audit;
mod audit_logs;
mod auth;
mod backups;
mod browser;
mod call;
mod datasources;
mod decode;
mod encode;
mod error;
mod executions;
mod guard;
mod jobs;
mod notifications;
mod reflection;
mod restores;
mod serving;
mod storages;
mod stream;
mod system;

pub use audit::AuditTrail;
pub use browser::OwnPages;
pub use guard::Gate;
pub(crate) use guard::bearer_token;
pub use reflection::ReflectionError;
pub use serving::Serving;

/// The largest message that the API takes, in bytes.
pub const MAX_API_MESSAGE: usize = 4 << 20;

/// The largest message that agents may send, in bytes: a manifest's payload, and a little around it.
const MAX_AGENT_MESSAGE: usize = MAX_PAYLOAD + (1 << 20);

/// What the handlers work with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The use cases.
    pub services: Services,
    /// Tells people.
    pub sender: Sender,
    /// Which pages are ours.
    pub pages: Arc<OwnPages>,
    /// The live agents.
    pub sessions: Sessions,
    /// Asks agents, those of other replicas too.
    pub asking: Asking,
    /// Who makes certificates.
    pub authority: Arc<Authority>,
    /// What is shown and trusted.
    pub trust: Trust,
    /// The time.
    pub clock: SharedClock,
    /// What callers are told of this control plane.
    pub facts: Arc<Facts>,
    /// Figures.
    pub metrics: Metrics,
    /// How this machine is.
    pub node: Node,
    /// How all machines are.
    pub nodes: Nodes,
    /// Writes down who was denied what.
    pub trail: AuditTrail,
    /// Has the work that waits handed out.
    pub dispatch: DispatchWake,
    /// Wake-ups, and whether work may be queued.
    pub queue: Queue,
    /// The loops, to be shown.
    pub reconcilers: Reconcilers,
    /// Cleans up after failed backups.
    pub cleanup: Cleanup,
    /// Calls that come to their end even if their callers hang up.
    pub calls: TaskTracker,
    /// Long streams end when this is cancelled.
    pub stop: CancellationToken,
}

impl Shared {
    /// By what an enrolling host recognises the API's certificate now.
    pub fn pin(&self) -> SpkiPin {
        let operators = self.facts.operators_pin.clone();
        operators.unwrap_or_else(|| self.authority.pin())
    }
}

/// What callers are told of this control plane.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its id.
    pub control_plane: ControlPlaneId,
    /// `sqlite` or `postgres`.
    pub metadata_backend: &'static str,
    /// This process.
    pub replica: ReplicaId,
    /// Since when this process runs.
    pub started_at: DateTime<Utc>,
    /// By what an enrolling host recognises the API's certificate, if the operator brought it.
    pub operators_pin: Option<SpkiPin>,
    /// Where the API is, as far as it can be known: `host:port`.
    pub api_address: String,
    /// Host (empty for the one enrolled at) and port of the agent listener.
    pub agent_address: (String, u16),
    /// The time between an agent's heartbeats.
    pub heartbeat_interval: Duration,
    /// Samples that are kept of each node's machine.
    pub performance_history: usize,
    /// Downloads that one agent serves at the same time.
    pub downloads_per_agent: usize,
}

/// Everything on the API listener that speaks gRPC or grpc-web, and what tells balancers whether it is of use.
pub async fn api_router(shared: &Shared, gate: Gate) -> Result<(Router, Serving), ReflectionError> {
    macro_rules! bounded {
        ($server:ident, $handler:expr) => {
            $server::new($handler).max_decoding_message_size(MAX_API_MESSAGE)
        };
    }
    let services = &shared.services;
    let routes = Routes::default()
        .add_service(bounded!(AuditServiceServer, audit_logs::Handler(shared.clone())))
        .add_service(bounded!(
            AuthServiceServer,
            auth::Handler::new(shared, gate.permissions().into_keys().collect())
        ))
        .add_service(bounded!(
            AccessServiceServer,
            access::Handler::new(shared, gate.permissions())
        ))
        .add_service(bounded!(AgentServiceServer, agents::Handler(shared.clone())))
        .add_service(bounded!(
            DatasourceServiceServer,
            datasources::Handler(shared.clone())
        ))
        .add_service(bounded!(StorageServiceServer, storages::Handler(shared.clone())))
        .add_service(bounded!(JobServiceServer, jobs::Handler::new(services)))
        .add_service(bounded!(
            ExecutionServiceServer,
            executions::Handler(shared.clone())
        ))
        .add_service(bounded!(BackupServiceServer, backups::Handler(shared.clone())))
        .add_service(bounded!(
            RestoreServiceServer,
            restores::Handler {
                restores: services.restores.clone(),
                reach: services.reach.clone(),
            }
        ))
        .add_service(bounded!(
            NotificationServiceServer,
            notifications::Handler(shared.clone())
        ))
        .add_service(bounded!(SystemServiceServer, system::Handler(shared.clone())))
        .add_service(bounded!(
            EnrollmentServiceServer,
            agent::enrollment::Handler(shared.clone())
        ));
    let (routes, serving) = reflection::add_to(routes).await?;
    let router = routes
        .prepare()
        .into_axum_router()
        // What is left over is answered beside gRPC, in the caller's own language.
        .reset_fallback()
        .layer(from_fn_with_state(gate, guard::people))
        .layer(GrpcWebLayer::new())
        .layer(from_fn_with_state(Arc::clone(&shared.pages), browser::mark));
    Ok((router, serving))
}

/// Everything on the agent listener: one service, for callers with an agent's certificate.
pub fn agent_router(shared: &Shared, gate: Gate) -> Router {
    let handler = agent::Handler::new(shared.clone());
    let server = AgentSideServer::new(handler).max_decoding_message_size(MAX_AGENT_MESSAGE);
    Routes::new(server)
        .prepare()
        .into_axum_router()
        .layer(from_fn_with_state(gate, guard::agents))
}
