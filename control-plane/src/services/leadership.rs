//! Which replica does what only one may do at a time. The rules are in [`crate::domain::leadership`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;

use super::{Context, Error};
use crate::domain::leadership::{Duty, Lease, Step, TRUSTED_FOR, Tenure, step};
use crate::store::leases::{
    lease_get, lease_give_up_in_tx, lease_renew_in_tx, lease_take_in_tx, tenure_holds_in_tx,
};
use crate::store::{Backend, Tx};

/// Which replica does what only one may do. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Leadership {
    context: Context,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    /// The leases as they were seen last, and at what uptime they were first seen like that.
    seen: BTreeMap<Duty, (Lease, TimeDelta)>,
    /// The terms that are this replica's, and until what uptime it trusts them.
    held: BTreeMap<Duty, (u64, TimeDelta)>,
    /// Nothing is taken any more: this replica stops.
    resigned: bool,
}

impl Leadership {
    /// Over that context. Nothing is held yet.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            known: Arc::default(),
        }
    }

    /// Whether there may be other replicas.
    fn has_others(&self) -> bool {
        self.context.store.backend() == Backend::Postgres
    }

    /// That this replica has the duty now; none if another one has, or nobody.
    pub fn tenure(&self, duty: Duty) -> Option<Tenure> {
        if !self.has_others() {
            return Some(Tenure::Free);
        }
        let (term, until) = *self.known().held.get(&duty)?;
        (self.context.clock.uptime() < until).then_some(Tenure::Leased { duty, term })
    }

    /// Looks at the lease of a duty, and takes, renews or gives it up. True if it was taken now.
    pub async fn keep(&self, duty: Duty, able: bool) -> Result<bool, Error> {
        if !self.has_others() {
            return Ok(false);
        }
        let (store, me) = (&self.context.store, self.context.replica);
        // Before anybody is asked: an answer may take its time.
        let asked_at = self.context.clock.uptime();
        let lease = lease_get(store, duty).await?;
        let unchanged_for = self.note(duty, lease, asked_at);
        let able = able && !self.known().resigned;
        let held = match step(me, able, lease.as_ref(), unchanged_for) {
            Step::Wait => None,
            Step::GiveUp => {
                let tx = store.begin().await?;
                lease_give_up_in_tx(&tx, duty, me).await?;
                tx.commit().await?;
                tracing::info!(
                    duty = duty.as_str(),
                    "given up: another replica does it from now on"
                );
                None
            }
            Step::Take => {
                let tx = store.begin().await?;
                let term = lease_take_in_tx(&tx, duty, lease.as_ref(), me).await?;
                tx.commit().await?;
                term
            }
            Step::Renew => {
                let term = lease.map_or(0, |lease| lease.term);
                let tx = store.begin().await?;
                let renewed = lease_renew_in_tx(&tx, duty, (me, term)).await?;
                tx.commit().await?;
                renewed.then_some(term)
            }
        };
        Ok(self.hold(duty, held, asked_at))
    }

    /// Gives everything up, for good: this replica stops.
    pub async fn resign(&self) -> Result<(), Error> {
        if !self.has_others() {
            return Ok(());
        }
        {
            let mut known = self.known();
            known.resigned = true;
            known.held.clear();
        }
        let tx = self.context.store.begin().await?;
        for duty in Duty::ALL {
            lease_give_up_in_tx(&tx, duty, self.context.replica).await?;
        }
        Ok(tx.commit().await?)
    }

    /// For how long the lease has been as it is.
    fn note(&self, duty: Duty, lease: Option<Lease>, now: TimeDelta) -> TimeDelta {
        let Some(lease) = lease else {
            return TimeDelta::zero();
        };
        let mut known = self.known();
        let (seen, since) = known.seen.entry(duty).or_insert((lease, now));
        if *seen != lease {
            (*seen, *since) = (lease, now);
        }
        now - *since
    }

    /// True if it was not held before.
    fn hold(&self, duty: Duty, term: Option<u64>, asked_at: TimeDelta) -> bool {
        let mut known = self.known();
        let before = known.held.remove(&duty);
        let Some(term) = term.filter(|_| !known.resigned) else {
            return false;
        };
        known.held.insert(duty, (term, asked_at + TRUSTED_FOR));
        let taken = before.is_none_or(|(before, _)| before != term);
        if taken {
            tracing::info!(
                duty = duty.as_str(),
                term,
                "taken on: this replica does it from now on"
            );
        }
        taken
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Context {
    /// Begins a transaction that writes by this tenure; [`Error::TakenOver`] if it does not hold any more.
    pub(super) async fn begin_by(&self, tenure: Tenure) -> Result<Tx, Error> {
        let tx = self.store.begin().await?;
        if tenure_holds_in_tx(&tx, tenure).await? {
            Ok(tx)
        } else {
            Err(Error::TakenOver)
        }
    }
}
