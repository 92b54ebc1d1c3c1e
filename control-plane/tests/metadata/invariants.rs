//! What must hold of every history: what the harness finds in the database, and that whatever an actor was granted did happen.

use std::collections::HashSet;

use dataguardian_control_plane::store::transitions::{EventRow, execution_events};
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::ExecutionId;
use dataguardian_tests::invariants::{Invariants, Moment, Storages};

use crate::history::Granted;
use crate::world::World;

/// Checks all executions and everything that was granted about them. The storages of these worlds are made up.
pub(crate) async fn check(world: &World, ids: &[ExecutionId], granted: &[Granted]) {
    let invariants = Invariants {
        moment: Moment::Busy,
        storages: Storages::None,
        ..Invariants::of(world.settings.url.expose())
    };
    invariants.check().await.unwrap();
    let mut all = Vec::new();
    for id in ids {
        let events = execution_events(&world.store, *id).await.unwrap();
        all.extend(events.into_iter().map(|event| (*id, event)));
    }
    grants_are_events(granted, &all);
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
