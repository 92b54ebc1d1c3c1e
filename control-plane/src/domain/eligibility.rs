//! Which queued execution an agent may be offered next, and what stands in the way of the others.
//!
//! One dump at a time per datasource; a restore into a datasource excludes its backups and other restores, whichever came
//! first. Limits: so many dumps and so many restores per agent, no more than the agent has slots, so many backups into a
//! storage that has a limit, so many executions at all. A restore is never held back by a storage: who restores is in a hurry.
//! A verification only reads: it runs beside whatever there is, and has a limit of its own.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use dataguardian_core::execution::ExecutionKind;
use dataguardian_core::ids::{AgentId, DatasourceId, ExecutionId, StorageId};

use super::assignment::FreeSlots;
use super::patience::waited;
use super::worker::Worker;

/// How much is done at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Dumps per agent.
    pub dumps_per_agent: u32,
    /// Restores per agent.
    pub restores_per_agent: u32,
    /// Verifications per agent. They take none of its slots: they must hold up no backup.
    pub verifications_per_agent: u32,
    /// Executions on all agents together; none for as many as come.
    pub total: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dumps_per_agent: 1,
            restores_per_agent: 1,
            verifications_per_agent: 1,
            total: None,
        }
    }
}

impl Limits {
    const fn per_agent(self, kind: ExecutionKind) -> u32 {
        match kind {
            ExecutionKind::Backup => self.dumps_per_agent,
            ExecutionKind::Restore => self.restores_per_agent,
            ExecutionKind::Verify => self.verifications_per_agent,
        }
    }
}

/// An execution that an agent may be at work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occupant {
    /// Which.
    pub id: ExecutionId,
    /// Whose.
    pub agent: AgentId,
    /// What kind it is.
    pub kind: ExecutionKind,
    /// Its datasource.
    pub datasource: Option<DatasourceId>,
    /// The storages that it writes into.
    pub storages: Vec<StorageId>,
}

/// An execution that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which, and what it will occupy.
    pub what: Occupant,
    /// Not before this.
    pub not_before: Option<DateTime<Utc>>,
}

/// What there is room for.
#[derive(Debug, Clone, Default)]
pub struct Room {
    /// The limits.
    pub limits: Limits,
    /// Everything that is at work, on all agents.
    pub at_work: Vec<Occupant>,
    /// How many attempts an agent takes on at all; absent where it does not say.
    pub slots: HashMap<AgentId, u32>,
    /// How many backups a storage takes at the same time; absent for as many as come.
    pub storages: HashMap<StorageId, u32>,
}

/// What stands in the way of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// Its time has not come.
    NotBefore(DateTime<Utc>),
    /// That execution is at work on its datasource.
    Datasource(ExecutionId, ExecutionKind),
    /// Its agent has enough to do.
    AgentSlot,
    /// That storage takes no more backups.
    Storage(StorageId),
    /// Enough is at work on all agents together.
    Total,
}

impl Room {
    /// The first thing that stands in the way of a candidate; none if it may begin. One that was waiting when it was read and
    /// is at work by now does not stand in its own way.
    pub fn obstacle(&self, candidate: &Candidate, now: DateTime<Utc>) -> Option<Obstacle> {
        let what = &candidate.what;
        if let Some(time) = candidate.not_before.filter(|time| !waited(*time, now)) {
            return Some(Obstacle::NotBefore(time));
        }
        let same = |other: &&Occupant| {
            excludes(other.kind, what.kind)
                && other.datasource.is_some()
                && other.datasource == what.datasource
        };
        if let Some(other) = self.others(what).find(same) {
            return Some(Obstacle::Datasource(other.id, other.kind));
        }
        if !self.agent_has_room(what) {
            return Some(Obstacle::AgentSlot);
        }
        if let Some(full) = what
            .storages
            .iter()
            .find(|storage| !self.storage_has_room(**storage, what))
        {
            return Some(Obstacle::Storage(*full));
        }
        let full = self
            .limits
            .total
            .is_some_and(|total| self.others(what).count() >= total as usize);
        full.then_some(Obstacle::Total)
    }

    fn others(&self, what: &Occupant) -> impl Iterator<Item = &Occupant> {
        let id = what.id;
        self.at_work.iter().filter(move |other| other.id != id)
    }

    fn agent_has_room(&self, what: &Occupant) -> bool {
        let beside = || self.others(what).filter(|other| other.agent == what.agent);
        let alike = beside().filter(|other| other.kind == what.kind).count();
        let slots = self.slots.get(&what.agent).copied().unwrap_or(u32::MAX);
        let taken = beside().filter(|other| takes_a_slot(other.kind)).count();
        alike < self.limits.per_agent(what.kind) as usize
            && (!takes_a_slot(what.kind) || taken < slots as usize)
    }

    fn storage_has_room(&self, storage: StorageId, what: &Occupant) -> bool {
        let Some(limit) = self.storages.get(&storage) else {
            return true;
        };
        let writers = self
            .others(what)
            .filter(|other| other.storages.contains(&storage));
        writers.count() < *limit as usize
    }
}

/// Whether two executions on one datasource can't be at work at the same time. A verification only reads what is stored.
const fn excludes(one: ExecutionKind, other: ExecutionKind) -> bool {
    takes_a_slot(one) && takes_a_slot(other)
}

const fn takes_a_slot(kind: ExecutionKind) -> bool {
    match kind {
        ExecutionKind::Backup | ExecutionKind::Restore => true,
        ExecutionKind::Verify => false,
    }
}

/// The first of a worker's own among `waiting` (in their order) that may begin now. What may begin before it and is the other
/// worker's keeps its place: whichever worker looks first, the order is the same.
pub fn next(
    worker: Worker,
    waiting: &[Candidate],
    room: &Room,
    free: FreeSlots,
    now: DateTime<Utc>,
) -> Option<ExecutionId> {
    let (mut room, mut free) = (room.clone(), free.0);
    for candidate in waiting {
        let what = &candidate.what;
        let slots = u32::from(takes_a_slot(what.kind));
        if free < slots || room.obstacle(candidate, now).is_some() {
            continue;
        }
        if Worker::of(what.kind) == worker {
            return Some(what.id);
        }
        free -= slots;
        room.at_work.push(what.clone());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExecutionKind::{Backup, Restore, Verify};
    use proptest::prelude::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn occupant(agent: AgentId, kind: ExecutionKind, datasource: DatasourceId) -> Occupant {
        Occupant {
            id: ExecutionId::new(),
            agent,
            kind,
            datasource: Some(datasource),
            storages: Vec::new(),
        }
    }

    fn candidate(what: Occupant) -> Candidate {
        Candidate {
            what,
            not_before: None,
        }
    }

    fn room(dumps_per_agent: u32, at_work: Vec<Occupant>) -> Room {
        Room {
            limits: Limits {
                dumps_per_agent,
                ..Limits::default()
            },
            at_work,
            ..Room::default()
        }
    }

    #[test]
    fn a_datasource_is_dumped_once_at_a_time_and_never_beside_a_restore() {
        let (agent, shop, blog) = (AgentId::new(), DatasourceId::new(), DatasourceId::new());
        for first in [Backup, Restore] {
            let busy = occupant(agent, first, shop);
            let room = room(2, vec![busy.clone()]);
            for second in [Backup, Restore] {
                let waiting = candidate(occupant(agent, second, shop));
                let expected = Some(Obstacle::Datasource(busy.id, first));
                assert_eq!(room.obstacle(&waiting, NOW), expected);
            }
        }
        let waiting = [shop, blog].map(|datasource| candidate(occupant(agent, Backup, datasource)));
        let room = room(2, vec![occupant(agent, Backup, shop)]);
        assert_eq!(
            next(Worker::Backup, &waiting, &room, FreeSlots(9), NOW),
            Some(waiting[1].what.id)
        );
    }

    #[test]
    fn a_verification_runs_beside_everything_but_another_one() {
        let (agent, shop) = (AgentId::new(), DatasourceId::new());
        let verify = || candidate(occupant(agent, Verify, shop));
        let mut room = room(1, vec![occupant(agent, Backup, shop)]);
        room.slots.insert(agent, 1);
        let (first, second) = (verify(), verify());
        assert_eq!(
            next(
                Worker::Restore,
                std::slice::from_ref(&first),
                &room,
                FreeSlots(0),
                NOW
            ),
            Some(first.what.id)
        );
        room.at_work = vec![first.what];
        assert_eq!(room.obstacle(&second, NOW), Some(Obstacle::AgentSlot));
        let dump = candidate(occupant(agent, Backup, shop));
        assert_eq!(room.obstacle(&dump, NOW), None, "it takes no slot");
    }

    #[test]
    fn limits_count_by_kind_and_the_agent_has_the_last_word() {
        let agent = AgentId::new();
        let waiting = [Restore, Backup].map(|kind| candidate(occupant(agent, kind, DatasourceId::new())));
        let mut room = room(1, vec![occupant(agent, Restore, DatasourceId::new())]);
        let backup = |room: &Room, free| next(Worker::Backup, &waiting, room, FreeSlots(free), NOW);
        assert_eq!(backup(&room, 1), Some(waiting[1].what.id));
        assert_eq!(backup(&room, 0), None);
        room.slots.insert(agent, 1);
        assert_eq!(room.obstacle(&waiting[1], NOW), Some(Obstacle::AgentSlot));
    }

    #[test]
    fn neither_worker_takes_what_the_other_ones_work_comes_to_first() {
        let agent = AgentId::new();
        let waiting = [Restore, Backup].map(|kind| candidate(occupant(agent, kind, DatasourceId::new())));
        let of = |worker, free| next(worker, &waiting, &room(1, Vec::new()), FreeSlots(free), NOW);
        assert_eq!(of(Worker::Backup, 1), None, "the restore was there first");
        assert_eq!(of(Worker::Restore, 1), Some(waiting[0].what.id));
        assert_eq!(
            of(Worker::Backup, 2),
            Some(waiting[1].what.id),
            "there is room for both"
        );
    }

    #[test]
    fn a_storage_with_enough_to_do_holds_backups_back_and_no_restore() {
        let storage = StorageId::new();
        let into = |kind| Occupant {
            storages: if kind == Backup { vec![storage] } else { Vec::new() },
            ..occupant(AgentId::new(), kind, DatasourceId::new())
        };
        let mut room = room(1, vec![into(Backup)]);
        room.storages.insert(storage, 1);
        let waiting = candidate(into(Backup));
        assert_eq!(room.obstacle(&waiting, NOW), Some(Obstacle::Storage(storage)));
        assert_eq!(room.obstacle(&candidate(into(Restore)), NOW), None);
        room.limits.total = Some(1);
        assert_eq!(
            room.obstacle(&candidate(into(Restore)), NOW),
            Some(Obstacle::Total)
        );
    }

    #[test]
    fn what_has_begun_in_the_meantime_does_not_stand_in_its_own_way() {
        let (agent, storage) = (AgentId::new(), StorageId::new());
        let begun = Occupant {
            storages: vec![storage],
            ..occupant(agent, Backup, DatasourceId::new())
        };
        let mut room = room(1, vec![begun.clone()]);
        room.limits.total = Some(1);
        room.slots.insert(agent, 1);
        room.storages.insert(storage, 1);
        assert_eq!(room.obstacle(&candidate(begun), NOW), None);
    }

    #[test]
    fn who_must_wait_waits() {
        let later = NOW + chrono::TimeDelta::seconds(1);
        let waiting = Candidate {
            not_before: Some(later),
            ..candidate(occupant(AgentId::new(), Backup, DatasourceId::new()))
        };
        let room = room(1, Vec::new());
        assert_eq!(room.obstacle(&waiting, NOW), Some(Obstacle::NotBefore(later)));
        assert_eq!(room.obstacle(&waiting, later), None);
    }

    proptest! {
        /// Whatever is let in, one after the other, the limits hold of all that is in.
        #[test]
        fn whoever_is_let_in_finds_room(
            asking in prop::collection::vec((0_usize..3, any::<bool>(), 0_usize..5, prop::collection::vec(0_usize..3, 0..3)), 0..40),
            dumps in 1_u32..3, restores in 1_u32..3, total in prop::option::of(1_u32..6), slots in 1_u32..4, takes in 1_u32..4,
        ) {
            let agents = [(); 3].map(|()| AgentId::new());
            let datasources = [(); 5].map(|()| DatasourceId::new());
            let storages = [(); 3].map(|()| StorageId::new());
            let mut room = Room {
                limits: Limits { dumps_per_agent: dumps, restores_per_agent: restores, total, ..Limits::default() },
                slots: HashMap::from([(agents[0], slots)]),
                storages: HashMap::from([(storages[0], takes)]),
                at_work: Vec::new(),
            };
            for (agent, is_backup, datasource, into) in asking {
                let asks = Occupant {
                    storages: if is_backup { into.into_iter().map(|index| storages[index]).collect() } else { Vec::new() },
                    ..occupant(agents[agent], if is_backup { Backup } else { Restore }, datasources[datasource])
                };
                if room.obstacle(&candidate(asks.clone()), NOW).is_none() {
                    room.at_work.push(asks);
                }
            }
            let count = |holds: &dyn Fn(&Occupant) -> bool| room.at_work.iter().filter(|other| holds(other)).count();
            for datasource in datasources {
                prop_assert!(count(&|other| other.datasource == Some(datasource)) <= 1);
            }
            for agent in agents {
                prop_assert!(count(&|other| other.agent == agent && other.kind == Backup) <= dumps as usize);
                prop_assert!(count(&|other| other.agent == agent && other.kind == Restore) <= restores as usize);
            }
            prop_assert!(count(&|other| other.agent == agents[0]) <= slots as usize);
            prop_assert!(count(&|other| other.storages.contains(&storages[0])) <= takes as usize);
            prop_assert!(room.at_work.len() <= total.unwrap_or(u32::MAX) as usize);
        }
    }
}
