//! What the API port serves beside gRPC: the web interface, health for load balancers and for people, and metrics.

use axum::Extension;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::secret::Secret;
use ring::digest::{SHA256, digest};
use serde_json::json;

use crate::domain::audit::{Actor, AuditEntry};
use crate::grpc::{Shared, bearer_token};
use crate::listen::Peer;

mod health;
pub mod metrics;
mod probe;
mod ui;

pub use probe::Probe;

/// What these pages show.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The use cases, the sessions and the figures.
    pub shared: Shared,
    /// The metadata database.
    pub database: Probe,
    /// What may read the metrics from elsewhere than loopback; nobody if absent.
    pub metrics_token: Option<Secret>,
}

/// Who asks.
type From = Option<Extension<Peer>>;

/// `/health`, `/api/health`, `/metrics`, the web interface, and a plain answer to everything else.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/health", get(open_health))
        .route("/api/health", get(full_health))
        .route("/metrics", get(metrics_page))
        .fallback(interface)
        .with_state(pages)
}

/// For load balancers: open, and tells nothing but whether this replica works.
async fn open_health(State(pages): State<Pages>) -> Response {
    if pages.database.answers().await {
        (StatusCode::OK, axum::Json(json!({ "status": "ok" }))).into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            axum::Json(json!({ "status": "unavailable" })),
        )
            .into_response()
    }
}

/// For administrators: every part and its state.
async fn full_health(State(pages): State<Pages>, peer: From, headers: HeaderMap) -> Response {
    let Some(token) = bearer_token(&headers) else {
        return denied(&pages, peer, "/api/health").await;
    };
    // No more than `/health` tells everybody.
    if !pages.database.answers().await {
        return unavailable("the metadata database does not answer, so the token can't be checked");
    }
    match pages.shared.services.auth.verify_bearer(&token).await {
        Ok(_) => {}
        Err(error) if error.code() == ErrorCode::Unauthenticated => {
            return denied(&pages, peer, "/api/health").await;
        }
        Err(error) => {
            tracing::warn!(%error, "a token can't be checked");
            return unavailable("the token can't be checked now");
        }
    }
    let report = health::report(&pages).await;
    let status = if report.is_well() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(report)).into_response()
}

fn unavailable(why: &str) -> Response {
    let body = json!({ "status": "unavailable", "error": why });
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

/// For Prometheus: from loopback, or with the token.
async fn metrics_page(State(pages): State<Pages>, peer: From, headers: HeaderMap) -> Response {
    let local = peer
        .as_ref()
        .is_some_and(|peer| peer.address().ip().is_loopback());
    let token = bearer_token(&headers);
    let allowed = match (&pages.metrics_token, token) {
        (Some(right), Some(given)) => same(right, &given),
        (_, None) => local,
        (None, Some(_)) => false,
    };
    if !allowed {
        return denied(&pages, peer, "/metrics").await;
    }
    let text = pages.shared.metrics.text(&pages).await;
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

/// The web interface, for what a browser asks for.
async fn interface(State(pages): State<Pages>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match ui::wanted(&parts) {
        ui::Wanted::File(place) => ui::file(place, &parts.headers),
        ui::Wanted::Page => {
            // If the database does not answer, signing in will tell.
            let wants_setup = pages.shared.services.auth.wants_setup().await.unwrap_or(false);
            ui::page(parts.uri.path(), wants_setup)
        }
        ui::Wanted::Nothing => not_found(Request::from_parts(parts, body)).await,
    }
}

/// gRPC callers understand a status, everybody else an HTTP code.
async fn not_found(request: Request) -> Response {
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("application/grpc")) {
        return tonic::Status::unimplemented("this server has no such method").into_http();
    }
    (StatusCode::NOT_FOUND, axum::Json(json!({ "error": "not found" }))).into_response()
}

async fn denied(pages: &Pages, peer: From, path: &str) -> Response {
    let entry = AuditEntry {
        actor: Actor::Anonymous,
        method: path.to_owned(),
        resource: String::new(),
        outcome: "UNAUTHENTICATED".to_owned(),
        remote: peer.map(|peer| peer.address().ip().to_string()),
    };
    pages.shared.trail.denial(entry).await;
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
    let body = axum::Json(json!({ "error": "this page needs a bearer token" }));
    (StatusCode::UNAUTHORIZED, challenge, body).into_response()
}

/// Compares digests, so that the time it takes tells nothing of the secret.
fn same(right: &Secret, given: &Secret) -> bool {
    let hash = |secret: &Secret| digest(&SHA256, secret.expose().as_bytes());
    hash(right).as_ref() == hash(given).as_ref()
}
