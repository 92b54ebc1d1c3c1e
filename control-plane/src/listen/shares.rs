//! What one caller may have of a listener's places, so that nobody takes them all.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

use super::Origin;
use super::places::Places;
use crate::config::ConnectionLimits;

/// The shares of all callers that have a connection now.
#[derive(Debug)]
pub(super) struct Shares {
    connections: usize,
    handshakes: usize,
    taken: Mutex<HashMap<Origin, Weak<Share>>>,
    refused: AtomicU64,
}

/// One caller's.
#[derive(Debug)]
pub(super) struct Share {
    /// Open connections.
    pub(super) connections: Arc<Semaphore>,
    /// Handshakes at the same time.
    pub(super) handshakes: Places,
}

impl Shares {
    pub(super) fn new(limits: &ConnectionLimits) -> Self {
        Self {
            connections: limits.max_connections_per_address,
            handshakes: limits.max_handshakes_per_address,
            taken: Mutex::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// The share of whoever calls from there.
    pub(super) fn of(&self, origin: Origin) -> Arc<Share> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = taken.get(&origin).and_then(Weak::upgrade) {
            return share;
        }
        // Only when the map would grow anyway, so that the work is that of an insertion on average.
        if taken.len() == taken.capacity() {
            taken.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Share {
            connections: Arc::new(Semaphore::new(self.connections)),
            handshakes: Places::new(self.handshakes),
        });
        taken.insert(origin, Arc::downgrade(&share));
        share
    }

    /// A caller had its share and wanted more. Whoever does so must not fill the log either.
    pub(super) fn note_refusal(&self, caller: SocketAddr) {
        let refused = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        if refused.is_power_of_two() {
            tracing::warn!(
                address = %caller.ip(),
                refused,
                limit = self.connections,
                "connections were refused: one address may have only so many (limits.max_connections_per_address)"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn origin(number: u32) -> Origin {
        Origin::of(IpAddr::V4(Ipv4Addr::from(number)))
    }

    #[test]
    fn a_caller_has_one_share_while_it_is_there_and_leaves_nothing_behind() {
        let shares = Shares::new(&ConnectionLimits {
            max_connections_per_address: 2,
            ..ConnectionLimits::default()
        });
        let first = shares.of(origin(1));
        let permits = [(); 2].map(|()| Arc::clone(&first.connections).try_acquire_owned().unwrap());
        let again = shares.of(origin(1));
        assert!(Arc::clone(&again.connections).try_acquire_owned().is_err());
        assert_eq!(shares.of(origin(2)).connections.available_permits(), 2);
        drop((first, again, permits));
        for number in 0..100_000 {
            shares.of(origin(number));
        }
        assert!(shares.taken.lock().unwrap().len() < 1000);
    }
}
