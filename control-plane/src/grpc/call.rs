//! What a handler knows of the call beside its message: left by the guard in the request's extensions.

use std::sync::{Arc, OnceLock};

use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::AgentId;
use dataguardian_core::secret::SecretBytes;
use dataguardian_proto::changes::changes_json;
use dataguardian_proto::redacted::request_json;
use dataguardian_proto::status::ApiError;
use tonic::{Request, Status};

use crate::domain::access::Mandate;
use crate::domain::audit::Particulars;
use crate::domain::session::Whence;
use crate::domain::text;
use crate::domain::user::Caller;
use crate::listen::Peer;
use crate::services::audit::MAX_REQUEST;

/// What a call concerns, for the audit log. The handler says it as soon as it knows.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    name: Arc<OnceLock<String>>,
    request: Arc<OnceLock<SecretBytes>>,
    changes: Arc<OnceLock<String>>,
}

impl Subject {
    pub(super) fn get(&self) -> String {
        self.name.get().cloned().unwrap_or_default()
    }

    /// What was asked of that method and what it changed, in JSON and without what is secret.
    pub(super) fn particulars(&self, method: &str) -> Particulars {
        let asked = self.request.get();
        Particulars {
            request: asked.and_then(|asked| request_json(method, asked.expose(), MAX_REQUEST)),
            changes: self.changes.get().cloned(),
        }
    }

    /// Notes what a change has made of a thing, shown by the message of that name.
    pub(super) fn changed<T: prost::Message>(&self, name: &str, before: &T, after: &T) {
        let name = format!("dataguardian.v1.{name}");
        let told = changes_json(&name, &before.encode_to_vec(), &after.encode_to_vec());
        if let Some(told) = told {
            self.changes.get_or_init(|| told);
        }
    }
}

/// The host and port that the caller used to get here.
#[derive(Debug, Clone)]
pub(super) struct Dialled(pub(super) String);

/// Notes what a call concerns, and what it asks.
pub(super) fn concerns<T: prost::Message>(request: &Request<T>, what: &str) {
    if let Some(subject) = request.extensions().get::<Subject>() {
        subject.name.get_or_init(|| text::kept(what, text::MAX_TEXT));
        let asked = || SecretBytes::new(request.get_ref().encode_to_vec());
        subject.request.get_or_init(asked);
    }
}

/// Where to note what a call changes.
pub(super) fn subject<T>(request: &Request<T>) -> Subject {
    request.extensions().get::<Subject>().cloned().unwrap_or_default()
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
