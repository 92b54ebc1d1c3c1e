//! How many wrong passwords, setup tokens and join tokens are borne from one address.
//!
//! Guessing tokens is hopeless anyway; but each try costs a look into the metadata database, a hash and a row in the audit log.
//! Each method is counted for itself: a host that enrols again and again with a dead token keeps nobody behind the same
//! address from signing in. Wrong bearer tokens are not counted, since a forgotten script would do the same.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::Request;
use dataguardian_core::clock::SharedClock;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::ApiError;

use crate::domain::throttle::{Tolerance, Tries};
use crate::listen::{Origin, Peer};

/// Counts failures per address and method. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Attempts {
    tries: Arc<Mutex<Tries<Try>>>,
    clock: SharedClock,
}

/// Who tries what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Try {
    from: Option<Origin>,
    method: String,
}

impl Try {
    pub(super) fn new(request: &Request, method: &str) -> Self {
        Self {
            from: request.extensions().get::<Peer>().map(Peer::origin),
            method: method.to_owned(),
        }
    }
}

impl Attempts {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            tries: Arc::new(Mutex::new(Tries::new(Tolerance::ADDRESS))),
            clock,
        }
    }

    /// Whether this may be tried now.
    pub(super) fn check(&self, what: &Try) -> Result<(), ApiError> {
        let now = self.clock.now();
        match self.tries().wait(what, now) {
            Some(wait) => Err(too_many(wait)),
            None => Ok(()),
        }
    }

    /// It has failed.
    pub(super) fn note_failure(&self, what: Try) {
        let now = self.clock.now();
        self.tries().fail(what, now);
    }

    fn tries(&self) -> MutexGuard<'_, Tries<Try>> {
        self.tries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_many(wait: Duration) -> ApiError {
    let message = format!(
        "too many tries of this kind have failed from this address: wait {} s",
        wait.as_secs()
    );
    ApiError::new(ErrorCode::ResourceExhausted, "TOO_MANY_TRIES", message).retry_after(wait)
}
