//! Rows for the audit log: of each audited call, and of each denial.
//!
//! Whoever is denied could fill the disk with rows by trying again, so denials have a budget; beyond it they are counted and
//! the count is logged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataguardian_proto::status::ApiError;
use http::HeaderMap;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::domain::audit::{Actor, AuditEntry, Particulars};
use crate::services::audit::Audit;

/// Writes audit rows.
#[derive(Debug, Clone)]
pub struct AuditTrail {
    audit: Audit,
    denials: Arc<Budget>,
}

/// So many denials at once, and then so many a second.
const DENIALS_AT_ONCE: f64 = 100.0;
const DENIALS_PER_SECOND: f64 = 5.0;

impl AuditTrail {
    /// Over that log.
    pub fn new(audit: Audit) -> Self {
        Self {
            audit,
            denials: Arc::new(Budget::new()),
        }
    }

    /// A call that its method wants written down, with what was asked and changed.
    pub async fn call(&self, entry: AuditEntry, particulars: Particulars) {
        let (method, outcome) = (entry.method.clone(), entry.outcome.clone());
        if let Err(error) = self.audit.append_with(entry, particulars).await {
            tracing::error!(rpc.method = method, outcome, %error, "a call is missing from the audit log");
        }
    }

    /// A call that was denied before anything was done.
    pub async fn denial(&self, entry: AuditEntry) {
        if self.denials.spend() {
            self.call(entry, Particulars::default()).await;
        } else {
            let left_out = self.denials.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            if left_out.is_power_of_two() {
                tracing::warn!(left_out, "so many denials that not each is in the audit log");
            }
        }
    }
}

/// How a call ended, for the log: `ok`, or the error's reason.
pub(super) fn outcome(headers: &HeaderMap) -> String {
    match Status::from_header_map(headers) {
        Some(status) if status.code() != Code::Ok => ApiError::from(&status).reason,
        Some(_) | None => "ok".to_owned(),
    }
}

/// The entry for a call.
pub(super) fn entry(
    actor: Actor,
    method: &str,
    resource: String,
    outcome: String,
    remote: Option<String>,
) -> AuditEntry {
    AuditEntry {
        actor,
        method: method.to_owned(),
        resource,
        outcome,
        remote,
    }
}

/// A token bucket.
#[derive(Debug)]
struct Budget {
    state: Mutex<(f64, Instant)>,
    left_out: AtomicU64,
}

impl Budget {
    fn new() -> Self {
        Self {
            state: Mutex::new((DENIALS_AT_ONCE, Instant::now())),
            left_out: AtomicU64::new(0),
        }
    }

    fn spend(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let gained = state.1.elapsed().min(Duration::from_secs(3600)).as_secs_f64() * DENIALS_PER_SECOND;
        let left = (state.0 + gained).min(DENIALS_AT_ONCE);
        let enough = left >= 1.0;
        *state = (if enough { left - 1.0 } else { left }, Instant::now());
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn denials_have_a_budget_that_grows_again() {
        let budget = Budget::new();
        let spent = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(spent, 100);
        tokio::time::advance(Duration::from_secs(2)).await;
        let spent = (0..1000).filter(|_| budget.spend()).count();
        assert_eq!(spent, 10);
    }

    #[test]
    fn an_outcome_is_the_errors_reason() {
        let error = ApiError::new(
            dataguardian_core::error_code::ErrorCode::NotFound,
            "JOB_NOT_FOUND",
            "no such job",
        );
        let response = Status::from(error).into_http::<()>();
        assert_eq!(outcome(response.headers()), "JOB_NOT_FOUND");
        assert_eq!(outcome(&HeaderMap::new()), "ok");
    }
}
