//! Who may call what. Every call passes here first; what a method needs is said by its own options, and a method that is
//! unknown is refused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::secret::Secret;
use dataguardian_proto::access::{InvalidDescriptors, MethodAccess, Permission, methods};
use dataguardian_proto::status::ApiError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::{Code, Status};

use super::Shared;
use super::audit::AuditTrail;
use super::browser::{self, FromOwnPage};
use super::call::unproven;
use crate::config::StreamLimits;
use crate::domain::access::Mandate;
use crate::domain::audit::Actor;
use crate::domain::user::Caller;
use crate::http::metrics::Metrics;
use crate::listen::{Origin, Peer};
use crate::services::Services;

mod admission;
mod attempts;
mod calls;
mod headers;
mod recognition;
mod streams;

use admission::Call;
use attempts::Attempts;
use calls::Calls;
pub(crate) use headers::bearer_token;
pub(super) use recognition::{CertificateUse, EXPIRED, Recognition, SUPERSEDED};
use streams::{OpenStreams, Reader};

/// Services that are open to everybody: they tell nothing that the protos don't.
const OPEN_SERVICES: [&str; 3] = [
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
    "/grpc.health.v1.Health/",
];

/// The permission of agents over what is their own.
const AGENT_SELF: &str = "agent.self";

/// The permission of everybody who is signed in over what is his own.
const AUTH_SELF: &str = "auth.self";

/// What the guards know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate {
    methods: Arc<HashMap<String, MethodAccess>>,
    services: Services,
    agents: Recognition,
    attempts: Attempts,
    at_work: Calls,
    streams: OpenStreams,
    trail: AuditTrail,
    metrics: Metrics,
    calls: TaskTracker,
    timeout: Duration,
    stop: CancellationToken,
}

impl Gate {
    /// A gate that lets a unary call take so long, and so many streams be open.
    pub fn new(
        shared: &Shared,
        timeout: Duration,
        streams: StreamLimits,
    ) -> Result<Self, InvalidDescriptors> {
        Ok(Self {
            methods: Arc::new(methods()?),
            trail: shared.trail.clone(),
            services: shared.services.clone(),
            agents: Recognition::new(shared),
            attempts: Attempts::new(Arc::clone(&shared.clock)),
            at_work: Calls::new(),
            streams: OpenStreams::new(streams),
            metrics: shared.metrics.clone(),
            calls: shared.calls.clone(),
            timeout,
            stop: shared.stop.clone(),
        })
    }

    /// All permissions that people may have, in order, with the methods that need them.
    pub(super) fn permissions(&self) -> BTreeMap<String, Vec<String>> {
        let mut permissions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, access) in self.methods.iter() {
            if let Permission::Named(name) = &access.permission
                && !name.ends_with(".self")
            {
                let method = path.trim_start_matches("/dataguardian.v1.").to_owned();
                permissions.entry(name.clone()).or_default().push(method);
            }
        }
        permissions.values_mut().for_each(|methods| methods.sort());
        permissions
    }

    /// Who calls.
    async fn prove(&self, proof: Result<Proof, ApiError>) -> Result<Caller, Unproven> {
        let auth = &self.services.auth;
        let proven = match proof.map_err(Unproven::Denied)? {
            Proof::Token(token) => auth.verify_bearer(&token).await,
            Proof::Cookie(cookie) => auth.verify_cookie(&cookie).await,
        };
        proven.map_err(|error| match error.code() {
            ErrorCode::Unauthenticated => Unproven::Denied(ApiError::from(&Status::from(error))),
            _ => Unproven::Failed(error.into()),
        })
    }
}

/// What a caller of the API shows.
enum Proof {
    Token(Secret),
    Cookie(Secret),
}

impl Proof {
    /// A token, else the cookie of a page of ours.
    fn of(request: &Request) -> Result<Self, ApiError> {
        if let Some(token) = bearer_token(request.headers()) {
            return Ok(Self::Token(token));
        }
        let cookie = browser::cookie(request.headers()).ok_or_else(unproven)?;
        match request.extensions().get::<FromOwnPage>() {
            Some(FromOwnPage) => Ok(Self::Cookie(cookie)),
            None => Err(foreign_page()),
        }
    }
}

/// Why it is not known who calls.
enum Unproven {
    /// There is no proof, or none that counts.
    Denied(ApiError),
    /// We could not look.
    Failed(Status),
}

/// Guards the API listener.
pub(super) async fn people(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    match gate.at_work.begin(origin(&request)).await {
        // What it takes is taken from here on.
        Ok(_at_work) => Box::pin(for_people(gate, request, next)).await,
        Err(error) => admission::refusal(error),
    }
}

async fn for_people(gate: Gate, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if OPEN_SERVICES.iter().any(|service| path.starts_with(service)) {
        return match gate.streams.open(Reader::Stranger(origin(&request))) {
            Ok(stream) => stream.until_ended(next.run(request).await),
            Err(error) => admission::refusal(error),
        };
    }
    let Some(access) = gate.methods.get(&path).cloned() else {
        return admission::unknown_method();
    };
    if gate.stop.is_cancelled() {
        return admission::refusal(stopping());
    }
    let mut call = Call::new(&request, path, access.audited);
    let permission = match access.permission {
        Permission::Open => return gate.admit_unproven(call, request, next).await,
        Permission::Named(permission) => permission,
    };
    let caller = match gate.prove(Proof::of(&request)).await {
        Ok(caller) => caller,
        Err(Unproven::Denied(error)) => return gate.deny(call, error).await,
        Err(Unproven::Failed(status)) => return status.into_http(),
    };
    call.actor = Actor::User(caller.user.id, caller.user.username.clone());
    if !allows(&caller, &permission) {
        return gate.deny(call, forbidden(&permission)).await;
    }
    let stream = match access
        .streams
        .then(|| gate.streams.open(Reader::User(caller.user.id)))
    {
        Some(Err(error)) => return admission::refusal(error),
        Some(Ok(stream)) => Some(stream),
        None => None,
    };
    request.extensions_mut().insert(Mandate {
        rights: caller.rights.clone(),
        permission,
    });
    request.extensions_mut().insert(caller);
    let response = gate.admit(call, request, next).await;
    match stream {
        Some(stream) => stream.until_ended(response),
        None => response,
    }
}

/// Guards the agent listener. Who the agent is comes from the certificate of the connection and from nothing else.
pub(super) async fn agents(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let Some(access) = gate.methods.get(&path).cloned() else {
        return admission::unknown_method();
    };
    if gate.stop.is_cancelled() {
        return admission::refusal(stopping());
    }
    let mut call = Call::new(&request, path, access.audited);
    if access.permission != Permission::Named(AGENT_SELF.to_owned()) {
        return gate.deny(call, forbidden("anything but agent.self")).await;
    }
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return gate.deny(call, unproven()).await;
    };
    match gate.agents.recognise(&peer, call.certificate_use()).await {
        Ok(agent) => {
            call.actor = Actor::Agent(agent);
            request.extensions_mut().insert(agent);
            gate.admit(call, request, next).await
        }
        Err(status) if status.code() == Code::Unauthenticated => {
            gate.deny(call, ApiError::from(&status)).await
        }
        Err(status) => status.into_http(),
    }
}

fn origin(request: &Request) -> Option<Origin> {
    request.extensions().get::<Peer>().map(Peer::origin)
}

/// A server that stops begins nothing new: whoever calls is told at once to come back, here or elsewhere.
pub(super) fn stopping() -> ApiError {
    ApiError::new(
        ErrorCode::Unavailable,
        "STOPPING",
        "the server stops; connect again",
    )
    .retry_after(Duration::from_secs(2))
}

/// What is one's own everybody may; nobody of them is an agent; all else is for roles to allow.
fn allows(caller: &Caller, permission: &str) -> bool {
    match permission {
        AUTH_SELF => true,
        AGENT_SELF => false,
        permission => caller.rights.open(permission),
    }
}

/// A cookie that a browser has sent along with what another site's page asked for, or that a program has taken.
fn foreign_page() -> ApiError {
    ApiError::new(
        ErrorCode::Unauthenticated,
        "COOKIE_REFUSED",
        "the cookie counts over grpc-web from pages of this server alone, with `x-dg-csrf: 1`; programs need an API token",
    )
}

fn forbidden(permission: &str) -> ApiError {
    let message = format!("this caller lacks the permission {permission}");
    ApiError::new(ErrorCode::PermissionDenied, "PERMISSION_DENIED", message)
}
