//! Places of which there are so many, for callers who wait in one line each: those of one caller wait for each other, and the callers
//! take turns. Who has a place on sufferance gives it up when somebody waits, after a moment in which anybody who means it has
//! come further.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::Origin;

/// How long somebody keeps a place on sufferance that somebody else waits for. A handshake takes two journeys of a packet and back.
const GRACE: Duration = Duration::from_secs(1);

/// A number of places. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places {
    lines: Arc<Mutex<Lines>>,
    waiting: Arc<watch::Sender<usize>>,
}

#[derive(Debug)]
struct Lines {
    free: usize,
    /// Whose turn it is; each caller with a line is here once.
    turns: VecDeque<Origin>,
    of: HashMap<Origin, VecDeque<oneshot::Sender<Place>>>,
}

/// One of the places. It is the next one's when this is dropped.
#[derive(Debug)]
pub(super) struct Place(Option<Places>);

/// One that waits is counted until it waits no more, whatever becomes of it.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

impl Places {
    pub(super) fn new(number: usize) -> Self {
        Self {
            lines: Arc::new(Mutex::new(Lines {
                free: number,
                turns: VecDeque::new(),
                of: HashMap::new(),
            })),
            waiting: Arc::default(),
        }
    }

    /// A place, when it is this caller's turn. None if there will be none any more.
    pub(super) async fn take(&self, caller: Origin) -> Option<Place> {
        let comes = {
            let mut lines = self.lines();
            if lines.free > 0 {
                lines.free -= 1;
                return Some(Place(Some(self.clone())));
            }
            let (gives, comes) = oneshot::channel();
            lines.join(caller, gives);
            comes
        };
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _waiting = Waiting(&self.waiting);
        comes.await.ok()
    }

    /// Returns when somebody has had a place for long enough, and another one waits.
    pub(super) async fn wanted(&self) {
        tokio::time::sleep(GRACE).await;
        let mut waiting = self.waiting.subscribe();
        // The sender lives as long as this does.
        let _waited = waiting.wait_for(|waiting| *waiting > 0).await.is_ok();
    }

    /// Gives a place to whoever's turn it is.
    fn give(&self) {
        loop {
            let Some(next) = self.next() else { return };
            // Who has given up waiting gets none: the place comes back in the answer, and is nobody's.
            match next.send(Place(Some(self.clone()))) {
                Ok(()) => return,
                Err(mut place) => place.0 = None,
            }
        }
    }

    /// Whoever's turn it is; without anybody the place is free.
    fn next(&self) -> Option<oneshot::Sender<Place>> {
        let mut lines = self.lines();
        let Some(caller) = lines.turns.pop_front() else {
            lines.free += 1;
            return None;
        };
        let mut line = lines.of.remove(&caller).unwrap_or_default();
        let next = line.pop_front();
        if !line.is_empty() {
            lines.of.insert(caller, line);
            lines.turns.push_back(caller);
        }
        next
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn join(&mut self, caller: Origin, gives: oneshot::Sender<Place>) {
        if !self.of.contains_key(&caller) {
            self.turns.push_back(caller);
        }
        let line = self.of.entry(caller).or_default();
        // Only when the line would grow anyway, so that the work is that of joining on average.
        if line.len() == line.capacity() {
            line.retain(|waits| !waits.is_closed());
        }
        line.push_back(gives);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.0.take() {
            places.give();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures::FutureExt as _;
    use tokio::task::unconstrained;

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_wanted_after_a_moment_and_only_while_somebody_waits() {
        let places = Places::new(1);
        let place = places.take(origin(1)).await.unwrap();
        tokio::time::sleep(10 * GRACE).await;
        let mut wanted = Box::pin(places.wanted());
        let waited = tokio::time::timeout(2 * GRACE, wanted.as_mut()).await;
        assert!(waited.is_err(), "nobody waits");
        let gave_up = tokio::time::timeout(GRACE / 2, places.take(origin(2))).await;
        assert!(gave_up.is_err());
        let waited = tokio::time::timeout(2 * GRACE, wanted.as_mut()).await;
        assert!(waited.is_err(), "who waited has given up");
        let mut waits = Box::pin(places.take(origin(3)));
        assert!(unconstrained(&mut waits).now_or_never().is_none());
        let began = tokio::time::Instant::now();
        tokio::join!(wanted, places.wanted());
        assert_eq!(
            began.elapsed(),
            GRACE,
            "the one that has just come has its moment"
        );
        drop(place);
        assert!(waits.await.is_some());
        assert_eq!(places.lines().free, 1);
    }

    #[tokio::test]
    async fn whoever_comes_and_goes_leaves_nothing_behind() {
        let places = Places::new(1);
        let held = places.take(origin(1)).await;
        for _ in 0..10_000 {
            assert!(unconstrained(places.take(origin(2))).now_or_never().is_none());
        }
        assert!(places.lines().of[&origin(2)].len() < 100);
        assert_eq!(places.lines().turns.len(), 1);
        drop(held);
        assert_eq!(places.lines().free, 1);
    }

    #[tokio::test]
    async fn callers_take_turns_however_many_wait_for_one_of_them() {
        let places = Places::new(1);
        let mut held = places.take(origin(1)).await;
        let mut many: Vec<_> = (0..1000).map(|_| Box::pin(places.take(origin(1)))).collect();
        for one in &mut many {
            assert!(unconstrained(one).now_or_never().is_none());
        }
        let mut other = Box::pin(places.take(origin(2)));
        assert!(unconstrained(&mut other).now_or_never().is_none());
        drop(held);
        held = many.remove(0).await;
        assert!(held.is_some());
        // Half of them give up.
        many.truncate(500);
        drop(held);
        assert!(other.await.is_some(), "the other one is next");

        for one in many {
            assert!(one.await.is_some());
        }
        let lines = places.lines();
        assert_eq!((lines.free, lines.of.len(), lines.turns.len()), (1, 0, 0));
    }
}
