//! What happens around a call: its time is limited, its end is counted and written down, and errors that come from the
//! transport itself get a reason like all others.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::ApiError;
use http::HeaderMap;
use tokio::time::Instant;
use tonic::{Code, Status};

use super::attempts::Try;
use super::headers::{asked_timeout, dialled};
use super::{CertificateUse, Gate};
use crate::domain::audit::Actor;
use crate::grpc::audit;
use crate::grpc::call::Subject;
use crate::listen::Peer;

/// The one method that a certificate which has ended is good for.
const RENEW: &str = "/dataguardian.agent.v1.AgentService/RenewCertificate";

/// The password was right, and a code of an authenticator app is needed besides.
const CODE_MISSING: &str = "TOTP_REQUIRED";

/// A call before it has run.
pub(super) struct Call {
    pub(super) actor: Actor,
    pub(super) method: String,
    pub(super) audited: bool,
    remote: Option<String>,
}

impl Call {
    pub(super) fn new(request: &Request, method: String, audited: bool) -> Self {
        let peer = request.extensions().get::<Peer>();
        Self {
            actor: Actor::Anonymous,
            method,
            audited,
            remote: peer.map(|peer| peer.address().ip().to_string()),
        }
    }

    /// What the caller's certificate is used for.
    pub(super) fn certificate_use(&self) -> CertificateUse {
        match self.method.as_str() {
            RENEW => CertificateUse::Renewal,
            _ => CertificateUse::Any,
        }
    }
}

impl Gate {
    /// Lets a call through that has been allowed. One that is audited comes to its end and into the log even if its caller
    /// hangs up.
    pub(super) async fn admit(&self, call: Call, mut request: Request, next: Next) -> Response {
        if let Some(authority) = dialled(&request) {
            request.extensions_mut().insert(authority);
        }
        if !call.audited {
            return self.run(&call.method, request, next).await;
        }
        let gate = self.clone();
        let ran = self
            .calls
            .spawn(async move { gate.run_audited(call, request, next).await });
        ran.await.unwrap_or_else(|_| refusal(broken()))
    }

    /// Lets a call through whose caller proves who it is by what it brings, or fails to.
    pub(super) async fn admit_unproven(&self, call: Call, request: Request, next: Next) -> Response {
        let what = Try::new(&request, &call.method);
        if let Err(error) = self.attempts.check(&what) {
            return self.deny(call, error).await;
        }
        let response = self.admit(call, request, next).await;
        // Who is only asked for the second half of a proof has guessed nothing.
        let guessed = audit::outcome(response.headers()) != CODE_MISSING;
        if guessed && code(response.headers()) == Code::Unauthenticated {
            self.attempts.note_failure(what);
        }
        response
    }

    async fn run_audited(&self, call: Call, mut request: Request, next: Next) -> Response {
        let subject = Subject::default();
        request.extensions_mut().insert(subject.clone());
        let response = self.run(&call.method, request, next).await;
        let outcome = audit::outcome(response.headers());
        let method = call.method;
        let entry = audit::entry(call.actor, &method, subject.get(), outcome, call.remote);
        self.trail.call(entry, subject.particulars(&method)).await;
        response
    }

    async fn run(&self, method: &str, request: Request, next: Next) -> Response {
        let asked = asked_timeout(request.headers()).unwrap_or(Duration::MAX);
        let limit = self.timeout.min(asked);
        let begun = Instant::now();
        let response = match tokio::time::timeout(limit, next.run(request)).await {
            Ok(response) => with_reason(response),
            Err(_) => refusal(timed_out(limit)),
        };
        let code = code(response.headers());
        let milliseconds = begun.elapsed().as_millis();
        tracing::debug!(rpc.method = method, rpc.code = ?code, rpc.milliseconds = milliseconds, "called");
        self.metrics.call(method, code, begun.elapsed());
        response
    }

    /// Turns a call away before anything was done.
    pub(super) async fn deny(&self, call: Call, error: ApiError) -> Response {
        let reason = error.reason.clone();
        tracing::debug!(rpc.method = call.method, reason, "denied");
        let entry = audit::entry(call.actor, &call.method, String::new(), reason, call.remote);
        self.trail.denial(entry).await;
        let response = refusal(error);
        self.metrics
            .call(&call.method, code(response.headers()), Duration::ZERO);
        response
    }
}

pub(super) fn refusal(error: ApiError) -> Response {
    Status::from(error).into_http::<Body>()
}

/// A method that no service of this listener has.
pub(super) fn unknown_method() -> Response {
    let error = ApiError::new(
        ErrorCode::Internal,
        "UNIMPLEMENTED",
        "this listener has no such method",
    );
    let status = Status::from(error);
    let details = status.details().to_vec().into();
    Status::with_details(Code::Unimplemented, status.message(), details).into_http::<Body>()
}

/// The response; if it is an error that none of our handlers made, with a reason of ours. Such an error is the transport's
/// own: the message was too large, or is no message of that kind.
fn with_reason(response: Response) -> Response {
    let Some(status) = Status::from_header_map(response.headers()) else {
        return response;
    };
    if status.code() == Code::Ok || !status.details().is_empty() {
        return response;
    }
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => {
            let message = status.message();
            refusal(ApiError::new(
                ErrorCode::ResourceExhausted,
                "MESSAGE_TOO_LARGE",
                message,
            ))
        }
        Code::Unimplemented => unknown_method(),
        _ => refusal(ApiError::new(
            ErrorCode::InvalidArgument,
            "MALFORMED_CALL",
            status.message(),
        )),
    }
}

fn code(headers: &HeaderMap) -> Code {
    Status::from_header_map(headers).map_or(Code::Ok, |status| status.code())
}

fn timed_out(limit: Duration) -> ApiError {
    let message = format!("the call took longer than {} ms", limit.as_millis());
    ApiError::new(ErrorCode::DeadlineExceeded, "TIMED_OUT", message)
}

fn broken() -> ApiError {
    ApiError::new(
        ErrorCode::Internal,
        "INTERNAL",
        "internal error; the server's log has the particulars",
    )
}
