//! What failed backups left in the storages, as the catalogue sees it go.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{AttemptOutcome, StoredPack};
use dataguardian_control_plane::domain::cleanup::{Plan, Sighting};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::pack::{DataObject, ObjectKind, PackState};
use dataguardian_control_plane::store::packs::pack_known;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};

use crate::world::{World, on_both};

const GRACE: TimeDelta = TimeDelta::hours(72);

fn object(kind: ObjectKind, id: [u8; 32]) -> DataObject {
    DataObject { kind, id }
}

fn packs(of: &[StoredPack]) -> BTreeSet<DataObject> {
    of.iter().map(|pack| object(ObjectKind::Pack, pack.id)).collect()
}

/// Looks with these eyes, plans, and does it.
async fn pass(
    world: &World,
    datasource: DatasourceId,
    storage: StorageId,
    manifests: &[BackupId],
    unnamed: &BTreeSet<DataObject>,
) -> Plan {
    let cleanup = &world.services.cleanup;
    let sighting = Sighting {
        manifests: manifests.iter().copied().collect(),
        unnamed: unnamed.iter().map(|object| (*object, 10)).collect(),
        absent: BTreeSet::new(),
    };
    let plan = cleanup
        .plan(datasource, BTreeMap::from([(storage, Ok(sighting))]), GRACE)
        .await
        .unwrap();
    assert_eq!(
        cleanup.carry_out(datasource, &plan, Tenure::Free).await.unwrap(),
        !plan.busy
    );
    plan
}

async fn states(world: &World, objects: &BTreeSet<DataObject>) -> BTreeSet<&'static str> {
    let ids: Vec<_> = objects.iter().map(|object| object.id).collect();
    let known = pack_known(&world.store, &ids).await.unwrap();
    assert_eq!(known.len(), ids.len());
    known.into_iter().map(|known| known.state.as_str()).collect()
}

on_both! {
    async fn what_a_failed_attempt_left_goes_after_its_grace(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let made = agent.back_up().await;
        let (datasource, manifests) = (job.datasource, [made.backup().unwrap()]);
        world.run(&job).await;
        let failing = agent.begin().await;
        let told = agent.packs(&failing);
        let storage = told[0].storage;
        agent.report(&failing, &told).await.unwrap();
        let mut left = packs(&told);
        left.insert(object(ObjectKind::Pack, [7; 32]));
        left.insert(object(ObjectKind::List, [8; 32]));
        assert!(pass(world, datasource, storage, &manifests, &left).await.busy);
        assert_eq!(states(world, &packs(&told)).await, BTreeSet::from(["live"]));

        agent.fail(failing.fence, FailureKind::StorageFull).await.unwrap();
        let suspected = world.services.cleanup.suspected(GRACE).await.unwrap();
        assert_eq!(suspected, BTreeSet::from([datasource]));
        let places = world.services.cleanup.places(datasource).await.unwrap();
        assert_eq!(places.storages.iter().map(|storage| storage.id).collect::<Vec<_>>(), [storage]);
        let stranger = [manifests[0], BackupId::new()];
        assert_eq!(pass(world, datasource, storage, &stranger, &left).await.held.len(), 1);
        assert_eq!(pass(world, datasource, storage, &[], &left).await.held.len(), 1, "our manifest is missing");
        assert_eq!(states(world, &packs(&told)).await, BTreeSet::from(["live"]));

        let found = pass(world, datasource, storage, &manifests, &left).await;
        assert_eq!((found.tombstone.len(), found.adopt.len()), (2, 2));
        assert_eq!(states(world, &left).await, BTreeSet::from(["tombstoned"]));
        world.advance(GRACE - TimeDelta::seconds(1));
        assert_eq!(pass(world, datasource, storage, &manifests, &left).await.in_grace, 4);
        world.advance(TimeDelta::seconds(1));
        assert_eq!(pass(world, datasource, storage, &manifests, &left).await.condemn, left);
        assert_eq!(states(world, &left).await, BTreeSet::from(["condemned"]));
        let plan = pass(world, datasource, storage, &manifests, &left).await;
        assert_eq!(plan.delete, BTreeMap::from([(storage, left.clone())]));
        world.services.cleanup.deleted(storage, &left).await.unwrap();
        world.services.cleanup.deleted(storage, &left).await.unwrap();
        assert_eq!(states(world, &left).await, BTreeSet::from([PackState::Deleted.as_str()]));
        assert!(pass(world, datasource, storage, &manifests, &BTreeSet::new()).await.delete.is_empty());

        world.run(&job).await;
        agent.back_up().await;
    }

    async fn a_pack_that_was_seen_before_it_was_told_of_is_committed_all_the_same(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions { max_attempts: 2, ..BackupOptions::default() }).await;
        world.run(&job).await;
        let first = agent.begin().await;
        let told = agent.packs(&first);
        agent.fail(first.fence, FailureKind::StorageFull).await.unwrap();
        let storage = told[0].storage;
        assert_eq!(pass(world, job.datasource, storage, &[], &packs(&told)).await.adopt.len(), 2);
        world.run(&job).await;
        let second = agent.begin().await;
        agent.report(&second, &told).await.unwrap();
        let outcome = Box::new(agent.outcome(&second, &told));
        agent.complete(second.fence, AttemptOutcome::Backup(outcome)).await.unwrap();
        agent.confirm(second.fence, &[storage]).await.unwrap();
        assert_eq!(states(world, &packs(&told)).await, BTreeSet::from(["live"]));
    }
}
