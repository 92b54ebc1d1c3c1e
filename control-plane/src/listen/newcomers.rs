//! Connections on which nothing was called yet. Everybody is let in, so that the system's queue stays short; when there are too many, the
//! oldest of the caller goes who has most of them. Whoever means it makes a call long before that.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::Origin;

/// All of them on one listener. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Newcomers {
    waiting: Arc<Mutex<Waiting>>,
    most: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Those who came so far.
    came: u64,
    /// Those who are here, by where they come from, the oldest first.
    of: HashMap<Origin, BTreeMap<u64, CancellationToken>>,
    /// Who has most, and of these who has the oldest, comes last.
    ranks: BTreeSet<Rank>,
    total: usize,
}

/// How many newcomers come from somewhere, and the number of the oldest.
type Rank = (usize, Reverse<u64>, Origin);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Newcomer {
    newcomers: Newcomers,
    origin: Origin,
    number: u64,
    dismissed: CancellationToken,
}

impl Newcomers {
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: Arc::default(),
            most,
        }
    }

    /// Lets one more in, for whom another one may have to go.
    pub(super) fn enter(&self, origin: Origin) -> Newcomer {
        let dismissed = CancellationToken::new();
        let mut waiting = self.lock();
        waiting.came += 1;
        let number = waiting.came;
        waiting.add(origin, number, dismissed.clone());
        if waiting.total > self.most {
            waiting.dismiss_one();
        }
        Newcomer {
            newcomers: self.clone(),
            origin,
            number,
            dismissed,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Newcomer {
    /// A balancer has said on whose behalf it came.
    pub(super) fn comes_from(&mut self, origin: Origin) {
        if origin == self.origin {
            return;
        }
        let mut waiting = self.newcomers.lock();
        // One that was dismissed meanwhile is gone, and stays so.
        if waiting.remove(self.origin, self.number) {
            waiting.add(origin, self.number, self.dismissed.clone());
            self.origin = origin;
        }
    }

    /// Is cancelled when it has to go.
    pub(super) fn dismissal(&self) -> CancellationToken {
        self.dismissed.clone()
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.newcomers.lock().remove(self.origin, self.number);
    }
}

impl Waiting {
    fn add(&mut self, origin: Origin, number: u64, dismissed: CancellationToken) {
        self.rerank(origin, |those| {
            those.insert(number, dismissed);
        });
        self.total += 1;
    }

    /// False if it was not there any more.
    fn remove(&mut self, origin: Origin, number: u64) -> bool {
        let mut removed = false;
        self.rerank(origin, |those| removed = those.remove(&number).is_some());
        self.total -= usize::from(removed);
        removed
    }

    fn dismiss_one(&mut self) {
        let Some(&(_, Reverse(number), origin)) = self.ranks.last() else {
            return;
        };
        if let Some(token) = self.of.get(&origin).and_then(|those| those.get(&number)) {
            token.cancel();
        }
        self.remove(origin, number);
    }

    /// Changes who comes from somewhere.
    fn rerank(&mut self, origin: Origin, change: impl FnOnce(&mut BTreeMap<u64, CancellationToken>)) {
        let mut those = self.of.remove(&origin).unwrap_or_default();
        if let Some(rank) = rank(origin, &those) {
            self.ranks.remove(&rank);
        }
        change(&mut those);
        if let Some(rank) = rank(origin, &those) {
            self.ranks.insert(rank);
            self.of.insert(origin, those);
        }
    }
}

fn rank(origin: Origin, those: &BTreeMap<u64, CancellationToken>) -> Option<Rank> {
    let (&oldest, _) = those.first_key_value()?;
    Some((those.len(), Reverse(oldest), origin))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn origin(last: u8) -> Origin {
        Origin::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
    }

    fn gone(newcomers: &[Newcomer]) -> Vec<usize> {
        let gone = newcomers.iter().enumerate();
        gone.filter(|(_, one)| one.dismissed.is_cancelled())
            .map(|(index, _)| index)
            .collect()
    }

    #[test]
    fn the_oldest_of_whoever_has_most_goes_and_nobody_else() {
        let newcomers = Newcomers::new(4);
        let mut here: Vec<_> = [1, 2, 2, 3].map(|last| newcomers.enter(origin(last))).into();
        assert!(gone(&here).is_empty());
        here.push(newcomers.enter(origin(4)));
        assert_eq!(gone(&here), [1]);
        // All have one now: the oldest of all goes.
        here.push(newcomers.enter(origin(5)));
        assert_eq!(gone(&here), [0, 1]);
        // However many come from one place, it is they who go.
        for _ in 0..100 {
            here.push(newcomers.enter(origin(9)));
        }
        assert_eq!(gone(&here[..6]), [0, 1, 2]);
        assert_eq!(newcomers.lock().total, 4);
        drop(here);
        let waiting = newcomers.lock();
        assert_eq!(waiting.total, 0);
        assert!(waiting.of.is_empty() && waiting.ranks.is_empty());
    }

    #[test]
    fn who_comes_through_a_balancer_counts_for_himself() {
        let newcomers = Newcomers::new(3);
        let balancer = origin(1);
        let mut here: Vec<_> = (0..3).map(|_| newcomers.enter(balancer)).collect();
        for (newcomer, last) in here.iter_mut().zip([7, 8, 7]) {
            newcomer.comes_from(origin(last));
        }
        here.push(newcomers.enter(balancer));
        assert_eq!(gone(&here), [0]);
        // Too late: it is gone already.
        here[0].comes_from(origin(9));
        assert_eq!(newcomers.lock().total, 3);
    }
}
