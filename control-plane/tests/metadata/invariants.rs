//! What must hold of every history, read from the database alone.

use std::collections::{HashMap, HashSet};

use dataguardian_control_plane::domain::backup::BackupFilter;
use dataguardian_control_plane::domain::execution::Execution;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::store::transitions::{EventRow, execution_events};
use dataguardian_core::execution::{ExecutionEvent, ExecutionState, Fence};
use dataguardian_core::ids::{DatasourceId, ExecutionId};

use crate::history::Granted;
use crate::world::World;

const EVENTS: [ExecutionEvent; 13] = [
    ExecutionEvent::Offered,
    ExecutionEvent::OfferLapsed,
    ExecutionEvent::Accepted,
    ExecutionEvent::PayloadStored,
    ExecutionEvent::Committed,
    ExecutionEvent::CommitFailed,
    ExecutionEvent::Finished,
    ExecutionEvent::AttemptFailed,
    ExecutionEvent::Failed,
    ExecutionEvent::RetryDue,
    ExecutionEvent::CancelRequested,
    ExecutionEvent::CancelConcluded,
    ExecutionEvent::Skipped,
];

/// Checks all executions and everything that was granted about them.
pub(crate) async fn check(world: &World, ids: &[ExecutionId], granted: &[Granted]) {
    let mut all = Vec::new();
    let mut datasources = HashMap::new();
    for id in ids {
        let execution = world.services.executions.get(*id).await.unwrap();
        let events = execution_events(&world.store, *id).await.unwrap();
        one_life(&execution, &events);
        attempts_match(&execution, &events);
        datasources.insert(*id, execution.datasource.unwrap());
        all.extend(events.into_iter().map(|event| (*id, event)));
    }
    nobody_collides(all.clone(), &datasources);
    grants_are_events(granted, &all);
    backups_are_completed_executions(world, ids).await;
}

/// Every event follows the state machine from where the one before ended, and nothing follows an end.
fn one_life(execution: &Execution, events: &[EventRow]) {
    let first = events.first().expect("it was queued");
    assert_eq!(
        (first.event.as_str(), first.to, first.revision),
        ("queued", ExecutionState::Queued, 1)
    );
    for pair in events.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!(!before.to.is_terminal(), "something followed an end: {events:#?}");
        assert_eq!(before.to, after.from, "{events:#?}");
        let event = EVENTS
            .into_iter()
            .find(|event| event.as_str() == after.event)
            .unwrap();
        assert_eq!(after.from.apply(event), Ok(after.to));
        assert!(
            after.revision > before.revision && after.attempt >= before.attempt,
            "{events:#?}"
        );
    }
    let last = events.last().unwrap();
    assert_eq!((execution.state, execution.attempt), (last.to, last.attempt));
    assert!(execution.revision >= last.revision);
    assert_eq!(execution.ended_at.is_some(), execution.state.is_terminal());
    let payloads = events
        .iter()
        .filter(|event| event.event == "payload_stored")
        .count();
    assert!(payloads <= 1, "more than one manifest: {events:#?}");
}

/// One attempt for each acceptance, numbered from 1, all but a running one ended.
fn attempts_match(execution: &Execution, events: &[EventRow]) {
    let accepted = events.iter().filter(|event| event.event == "accepted").count();
    let numbers: Vec<_> = execution.attempts.iter().map(|attempt| attempt.number).collect();
    assert_eq!(
        numbers,
        (1..=u32::try_from(accepted).unwrap()).collect::<Vec<_>>()
    );
    let open = execution
        .attempts
        .iter()
        .filter(|attempt| attempt.ended_at.is_none())
        .count();
    let running = matches!(
        execution.state,
        ExecutionState::Running | ExecutionState::Committing | ExecutionState::Cancelling
    );
    assert!(open == 0 || (open == 1 && running), "{execution:#?}");
    let leases: Vec<_> = events
        .iter()
        .filter(|event| event.event == "offered")
        .map(|event| event.lease_token)
        .collect();
    assert_eq!(
        leases.iter().collect::<HashSet<_>>().len(),
        leases.len(),
        "a lease token came twice"
    );
}

/// Replays all events in the order of their making: never two at work on one datasource, never two dumps on the agent.
fn nobody_collides(
    mut events: Vec<(ExecutionId, EventRow)>,
    datasources: &HashMap<ExecutionId, DatasourceId>,
) {
    events.sort_by_key(|(_, event)| event.number);
    let mut at_work = HashSet::new();
    for (id, event) in events {
        if event.to.occupies_agent() {
            at_work.insert(id);
        } else {
            at_work.remove(&id);
        }
        let busy: HashSet<_> = at_work.iter().map(|id| datasources[id]).collect();
        assert_eq!(busy.len(), at_work.len(), "two at work on one datasource");
        assert!(at_work.len() <= 1, "two dumps on one agent");
    }
}

/// Whatever an actor was granted, the lease that it named did get; so no stale fence was accepted.
fn grants_are_events(granted: &[Granted], events: &[(ExecutionId, EventRow)]) {
    let did = |fence: &Fence, name: &str| {
        events.iter().any(|(id, event)| {
            *id == fence.execution && event.event == name && event.lease_token == Some(fence.lease_token)
        })
    };
    let mut leases = HashSet::new();
    for grant in granted {
        match grant {
            Granted::Lease(fence) => {
                assert!(did(fence, "offered"));
                assert!(leases.insert(*fence), "two claimers won the same lease");
            }
            Granted::Acceptance(fence) => assert!(did(fence, "accepted"), "{fence:?}"),
            Granted::Countersignature(fence) => assert!(did(fence, "payload_stored"), "{fence:?}"),
            Granted::Confirmation(fence) => assert!(did(fence, "committed"), "{fence:?}"),
        }
    }
}

/// A backup for each completed execution, and for no other.
async fn backups_are_completed_executions(world: &World, ids: &[ExecutionId]) {
    let page = PageRequest::parse(1000, "").unwrap();
    let backups = world
        .services
        .backups
        .list(&BackupFilter::default(), &page)
        .await
        .unwrap()
        .items;
    let made: HashSet<_> = backups
        .iter()
        .map(|backup| (backup.execution, backup.id))
        .collect();
    let mut expected = HashSet::new();
    for id in ids {
        let execution = world.services.executions.get(*id).await.unwrap();
        if execution.state == ExecutionState::Completed {
            expected.insert((*id, execution.backup().unwrap()));
        }
    }
    assert_eq!(made, expected);
    assert!(
        backups
            .iter()
            .all(|backup| backup.copies.iter().any(|copy| copy.completed_at.is_some()))
    );
}
