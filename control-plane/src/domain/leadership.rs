//! What only one replica may do at a time, and which one does it.
//!
//! Each duty has a lease: a row with its holder, a term that grows with each change of hands, and a beat that grows with each
//! renewal. Clocks of different machines are never compared: whoever waits measures, by its own clock, for how long the row has
//! not changed. A holder trusts its lease for a shorter time than others leave it alone, counted from before it asked; and each
//! of its writes names its term, so that one who was stopped in between and goes on later writes nothing.
//!
//! After the lease of Gray and Cheriton, "Leases: An Efficient Fault-Tolerant Mechanism for Distributed File Cache
//! Consistency" (1989), with a term as a fence.

use chrono::TimeDelta;
use dataguardian_core::ids::ReplicaId;

/// How often each replica looks at the leases, and renews its own.
pub const BEAT: TimeDelta = TimeDelta::seconds(2);
/// How long a holder trusts a lease that it could not renew.
pub const TRUSTED_FOR: TimeDelta = TimeDelta::seconds(7);
/// How long a lease has to be seen unchanged before another replica takes it.
pub const LEFT_ALONE_FOR: TimeDelta = TimeDelta::seconds(10);

/// Something that only one replica does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Fires jobs by their schedules.
    Schedule,
    /// Decides what goes and what people are told: retention, cleaning up, deletions, troubles.
    Upkeep,
}

impl Duty {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Schedule, Self::Upkeep];

    /// Its name in the metadata database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Upkeep => "upkeep",
        }
    }
}

/// A duty's lease, as the metadata database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Who has it; none if its holder gave it up.
    pub holder: Option<ReplicaId>,
    /// Grows with each change of hands.
    pub term: u64,
    /// Grows with each renewal.
    pub beat: u64,
}

/// That this replica has a duty: what its writes are checked against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenure {
    /// None is needed: there can't be another replica, or a person asked for it.
    Free,
    /// By a lease.
    Leased {
        /// For what.
        duty: Duty,
        /// Since which change of hands.
        term: u64,
    },
}

/// What a replica does about a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Take it.
    Take,
    /// Renew it: it is one's own.
    Renew,
    /// Give it up: it is one's own, and somebody else can do it better.
    GiveUp,
    /// Leave it to whoever has it, or will.
    Wait,
}

/// What `me` does about a lease that it has seen unchanged for so long. `able`: whether it could do the duty now.
pub fn step(me: ReplicaId, able: bool, lease: Option<&Lease>, unchanged_for: TimeDelta) -> Step {
    let holder = lease.and_then(|lease| lease.holder);
    match (holder, able) {
        (Some(holder), true) if holder == me => Step::Renew,
        (Some(holder), false) if holder == me => Step::GiveUp,
        (None, true) => Step::Take,
        (Some(_), true) if unchanged_for >= LEFT_ALONE_FOR => Step::Take,
        (Some(_) | None, _) => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(holder: Option<ReplicaId>) -> Lease {
        Lease {
            holder,
            term: 3,
            beat: 8,
        }
    }

    #[test]
    fn a_lease_is_taken_when_nobody_has_it_or_its_holder_fell_silent_and_only_by_who_can_use_it() {
        let (me, other) = (ReplicaId::new(), ReplicaId::new());
        let (fresh, old) = (LEFT_ALONE_FOR - TimeDelta::milliseconds(1), LEFT_ALONE_FOR);
        let (mine, others, nobodys) = (held_by(Some(me)), held_by(Some(other)), held_by(None));
        for (lease, unchanged_for, able, expected) in [
            (None, TimeDelta::zero(), true, Step::Take),
            (None, TimeDelta::zero(), false, Step::Wait),
            (Some(&nobodys), TimeDelta::zero(), true, Step::Take),
            (Some(&nobodys), old, false, Step::Wait),
            (Some(&others), fresh, true, Step::Wait),
            (Some(&others), old, true, Step::Take),
            (Some(&others), old, false, Step::Wait),
            (Some(&mine), fresh, true, Step::Renew),
            (Some(&mine), old, true, Step::Renew),
            (Some(&mine), fresh, false, Step::GiveUp),
        ] {
            assert_eq!(
                step(me, able, lease, unchanged_for),
                expected,
                "{lease:?}, {able}, {unchanged_for}"
            );
        }
    }

    #[test]
    fn a_holder_stops_trusting_its_lease_before_anybody_takes_it() {
        assert!(TRUSTED_FOR + BEAT < LEFT_ALONE_FOR);
        assert!(BEAT * 3 < TRUSTED_FOR, "two renewals may fail");
    }
}
