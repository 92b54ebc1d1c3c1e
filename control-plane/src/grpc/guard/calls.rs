//! How many calls are at work at a time. A call takes memory while it runs, and most of what it does is done by few processors and one
//! database: more of them at a time are no faster, so further ones wait before they take any. Nobody has all the places.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::listen::Origin;

/// Calls at work, of all callers.
const OF_ALL: usize = 512;
/// Calls at work, from one address.
const OF_ONE: usize = 256;
/// Calls from one address that wait for others from there.
const MOST_WAITING: usize = 1024;
/// How long one waits. Calls take some milliseconds, but for those that ask an agent.
const PATIENCE: Duration = Duration::from_secs(30);

/// The calls that are at work. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    all: Arc<Semaphore>,
    shares: Arc<Mutex<HashMap<Option<Origin>, Weak<Share>>>>,
}

/// What one address may have.
#[derive(Debug)]
struct Share {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// A call that is at work, until this is dropped.
#[derive(Debug)]
pub(super) struct AtWork {
    _of_all: OwnedSemaphorePermit,
    _of_one: OwnedSemaphorePermit,
    _share: Arc<Share>,
}

/// Counts one that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Calls {
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(OF_ALL)),
            shares: Arc::default(),
        }
    }

    /// A call from there begins as soon as it may.
    pub(super) async fn begin(&self, origin: Option<Origin>) -> Result<AtWork, ApiError> {
        let share = self.share(origin);
        let waiting = Waiting(&share.waiting);
        if share.waiting.fetch_add(1, Ordering::Relaxed) >= MOST_WAITING {
            return Err(too_many());
        }
        let places = async {
            // The caller's own share first: whoever has used it up keeps no place that others could use.
            let of_one = Arc::clone(&share.places).acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some((of_one, of_all))
        };
        let taken = tokio::time::timeout(PATIENCE, places).await;
        drop(waiting);
        let (of_one, of_all) = taken.ok().flatten().ok_or_else(too_many)?;
        Ok(AtWork {
            _of_all: of_all,
            _of_one: of_one,
            _share: share,
        })
    }

    fn share(&self, origin: Option<Origin>) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&origin).and_then(Weak::upgrade) {
            return share;
        }
        // Only when the map would grow anyway, so that the work is that of an insertion on average.
        if shares.len() == shares.capacity() {
            shares.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Share {
            places: Arc::new(Semaphore::new(OF_ONE)),
            waiting: AtomicUsize::new(0),
        });
        shares.insert(origin, Arc::downgrade(&share));
        share
    }
}

fn too_many() -> ApiError {
    let message = "so many calls come from this address at the same time that this one was not begun: make fewer at a time";
    ApiError::new(ErrorCode::ResourceExhausted, "TOO_MANY_CALLS", message).retry_after(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures::FutureExt as _;

    use super::*;

    fn origin(last: u8) -> Option<Origin> {
        Some(Origin::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last))))
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_not_all_places_and_does_not_wait_without_end() {
        // Polled without a break, since time goes on in a break.
        tokio::task::unconstrained(scenario()).await;
    }

    async fn scenario() {
        let calls = Calls::new();
        let mut at_work = Vec::new();
        for _ in 0..OF_ONE {
            at_work.push(calls.begin(origin(1)).await.unwrap());
        }
        let mut waiting: Vec<_> = (0..MOST_WAITING)
            .map(|_| Box::pin(calls.begin(origin(1))))
            .collect();
        assert!(waiting.iter_mut().all(|call| call.now_or_never().is_none()));
        let refused = calls.begin(origin(1)).await.unwrap_err();
        assert_eq!(refused.reason, "TOO_MANY_CALLS");
        let other = calls.begin(origin(2)).await;
        assert!(other.is_ok(), "others wait for nothing");
        at_work.pop();
        at_work.push(waiting[0].as_mut().await.unwrap());
        let too_long = waiting[1].as_mut().await;
        assert!(too_long.is_err(), "nobody waits for longer than that");
        drop(waiting);
        assert_eq!(calls.share(origin(1)).waiting.load(Ordering::Relaxed), 0);
    }
}
