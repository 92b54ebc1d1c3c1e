//! Which queued execution an agent may be offered next.
//!
//! A datasource belongs to one agent, so everything that could collide is in that agent's own list: one dump at a time per
//! datasource; a restore into a datasource excludes its backups and other restores; so many dumps and so many restores per
//! agent at a time.

use chrono::{DateTime, Utc};
use dataguardian_core::execution::ExecutionKind;
use dataguardian_core::ids::{DatasourceId, ExecutionId};

use super::assignment::FreeSlots;

/// How much an agent does at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentLimits {
    /// Dumps.
    pub dumps: u32,
    /// Restores.
    pub restores: u32,
}

impl Default for AgentLimits {
    fn default() -> Self {
        Self {
            dumps: 1,
            restores: 1,
        }
    }
}

impl AgentLimits {
    const fn of(self, kind: ExecutionKind) -> u32 {
        match kind {
            ExecutionKind::Backup => self.dumps,
            ExecutionKind::Restore => self.restores,
        }
    }
}

/// An execution that the agent may be at work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupant {
    /// What kind it is.
    pub kind: ExecutionKind,
    /// Whose.
    pub datasource: Option<DatasourceId>,
}

/// An execution that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub id: ExecutionId,
    /// What kind it is.
    pub kind: ExecutionKind,
    /// Whose.
    pub datasource: Option<DatasourceId>,
    /// Not before this.
    pub not_before: Option<DateTime<Utc>>,
}

/// The first of `waiting` (in their order) that may begin now, beside what is at work already.
pub fn next(
    waiting: &[Candidate],
    at_work: &[Occupant],
    limits: AgentLimits,
    free: FreeSlots,
    now: DateTime<Utc>,
) -> Option<ExecutionId> {
    if free.0 == 0 {
        return None;
    }
    let may_begin = |candidate: &&Candidate| {
        let same_kind = at_work.iter().filter(|other| other.kind == candidate.kind);
        let busy = u32::try_from(same_kind.count()).unwrap_or(u32::MAX);
        let collides = at_work
            .iter()
            .any(|other| other.datasource.is_some() && other.datasource == candidate.datasource);
        let due = candidate.not_before.is_none_or(|time| time <= now);
        due && busy < limits.of(candidate.kind) && !collides
    };
    waiting.iter().find(may_begin).map(|candidate| candidate.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecutionKind::{Backup, Restore};

    const LIMITS: AgentLimits = AgentLimits {
        dumps: 2,
        restores: 1,
    };
    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn candidate(kind: ExecutionKind, datasource: DatasourceId) -> Candidate {
        Candidate {
            id: ExecutionId::new(),
            kind,
            datasource: Some(datasource),
            not_before: None,
        }
    }

    fn occupant(kind: ExecutionKind, datasource: DatasourceId) -> Occupant {
        Occupant {
            kind,
            datasource: Some(datasource),
        }
    }

    #[test]
    fn a_datasource_is_dumped_once_at_a_time_and_never_beside_a_restore() {
        let (shop, blog) = (DatasourceId::new(), DatasourceId::new());
        for kind in [Backup, Restore] {
            let at_work = [occupant(kind, shop)];
            for second in [Backup, Restore] {
                let waiting = [candidate(second, shop)];
                assert_eq!(next(&waiting, &at_work, LIMITS, FreeSlots(9), NOW), None);
            }
        }
        let waiting = [candidate(Backup, shop), candidate(Backup, blog)];
        let found = next(&waiting, &[occupant(Backup, shop)], LIMITS, FreeSlots(9), NOW);
        assert_eq!(found, Some(waiting[1].id));
    }

    #[test]
    fn limits_count_by_kind_and_the_agent_has_the_last_word() {
        let waiting = [
            candidate(Restore, DatasourceId::new()),
            candidate(Backup, DatasourceId::new()),
        ];
        let at_work = [occupant(Restore, DatasourceId::new())];
        assert_eq!(
            next(&waiting, &at_work, LIMITS, FreeSlots(1), NOW),
            Some(waiting[1].id)
        );
        assert_eq!(next(&waiting, &at_work, LIMITS, FreeSlots(0), NOW), None);
    }

    #[test]
    fn who_must_wait_waits() {
        let later = Candidate {
            not_before: Some(NOW + chrono::TimeDelta::seconds(1)),
            ..candidate(Backup, DatasourceId::new())
        };
        assert_eq!(next(&[later], &[], LIMITS, FreeSlots(1), NOW), None);
        let then = NOW + chrono::TimeDelta::seconds(1);
        assert_eq!(next(&[later], &[], LIMITS, FreeSlots(1), then), Some(later.id));
    }
}
