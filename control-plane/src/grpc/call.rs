//! What a handler knows of the call beside its message: left by the guard in the request's extensions.

use std::sync::{Arc, OnceLock};

use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::AgentId;
use dataguardian_proto::status::ApiError;
use tonic::{Request, Status};

use crate::domain::access::Mandate;
use crate::domain::session::Whence;
use crate::domain::text;
use crate::domain::user::Caller;
use crate::listen::Peer;

/// What a call concerns, for the audit log. The handler says it as soon as it knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject(Arc<OnceLock<String>>);

impl Subject {
    pub(super) fn get(&self) -> String {
        self.0.get().cloned().unwrap_or_default()
    }
}

/// The host and port that the caller used to get here.
#[derive(Debug, Clone)]
pub(super) struct Dialled(pub(super) String);

/// Notes what a call concerns.
pub(super) fn concerns<T>(request: &Request<T>, what: &str) {
    if let Some(subject) = request.extensions().get::<Subject>() {
        subject.0.get_or_init(|| text::kept(what, text::MAX_TEXT));
    }
}

/// The user who calls.
pub(super) fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .cloned()
        .ok_or_else(|| unproven().into())
}

/// What the call needs, and what its caller may do.
pub(super) fn mandate<T>(request: &Request<T>) -> Result<Mandate, Status> {
    request
        .extensions()
        .get::<Mandate>()
        .cloned()
        .ok_or_else(|| unproven().into())
}

/// The agent that calls.
pub(super) fn agent<T>(request: &Request<T>) -> Result<AgentId, Status> {
    request
        .extensions()
        .get::<AgentId>()
        .copied()
        .ok_or_else(|| unproven().into())
}

/// Where the call comes from.
pub(super) fn whence<T>(request: &Request<T>) -> Whence {
    let user_agent = request.metadata().get("user-agent");
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let peer = request.extensions().get::<Peer>();
    Whence {
        address: peer.map(|peer| peer.address().ip().to_string()),
        user_agent: user_agent.unwrap_or_default().to_owned(),
    }
}

/// Nobody has proven who calls.
pub(super) fn unproven() -> ApiError {
    ApiError::new(
        ErrorCode::Unauthenticated,
        "UNAUTHENTICATED",
        "this call needs an API token: `authorization: Bearer dg_…`; `dgctl login` gets one",
    )
}
