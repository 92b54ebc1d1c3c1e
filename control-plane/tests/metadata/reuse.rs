//! What a backup builds upon: named when it is offered, pinned until it has ended, checked when it is committed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{Assignment, AttemptOutcome, StoredPack};
use dataguardian_control_plane::domain::cleanup::Sighting;
use dataguardian_control_plane::domain::deletion::LastBackup;
use dataguardian_control_plane::domain::job::{BackupOptions, Encryption};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::pack::{DataObject, ObjectKind, PackStanding, PackState, SizedPack};
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::services::deletion::DeletionRequest;
use dataguardian_control_plane::store::packs::pack_known;
use dataguardian_control_plane::store::reuse::reuse_history;
use dataguardian_core::chunking::Chunking;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};

use crate::simulated::{SimulatedAgent, backup};
use crate::world::{World, on_both};

fn twice() -> BackupOptions {
    BackupOptions {
        max_attempts: 2,
        ..BackupOptions::default()
    }
}

fn base(assignment: &Assignment) -> Option<BackupId> {
    let base = backup(assignment).base.as_ref();
    assert_eq!(
        base.map(|base| base.backup),
        backup(assignment).reuse.and_then(|reuse| reuse.base)
    );
    base.map(|base| base.backup)
}

/// Whether another backup builds upon this one, which must then stay.
async fn is_base(world: &World, backup: BackupId) -> bool {
    match world.services.deletion.validate(may_be_the_last(backup)).await {
        Ok(_) => false,
        Err(refused) => {
            assert_eq!(refused.reason(), "BACKUP_IN_USE");
            assert!(refused.to_string().contains("builds on it"), "{refused}");
            true
        }
    }
}

fn may_be_the_last(backup: BackupId) -> DeletionRequest {
    DeletionRequest {
        backup,
        last: LastBackup::MayGo,
        revision: None,
    }
}

async fn listed(
    world: &World,
    agent: &SimulatedAgent,
    of: &Assignment,
    standing: PackStanding,
) -> Vec<SizedPack> {
    let attempts = &world.services.attempts;
    let page = attempts
        .list_packs(agent.id, of.fence, standing, "")
        .await
        .unwrap();
    assert_eq!(page.next_page_token, "");
    page.items
}

/// Commits a backup that names these packs, and what the commit says.
async fn commit(agent: &SimulatedAgent, assignment: &Assignment, packs: &[StoredPack]) -> Result<(), String> {
    let outcome = Box::new(agent.outcome(assignment, packs));
    let storages = outcome.complete_storages.clone();
    let completed = agent
        .complete(assignment.fence, AttemptOutcome::Backup(outcome))
        .await;
    completed.map_err(|error| error.to_string())?;
    agent.confirm(assignment.fence, &storages).await.unwrap();
    Ok(())
}

async fn states(world: &World, packs: &[StoredPack]) -> Vec<PackState> {
    let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
    let known = pack_known(&world.store, &ids).await.unwrap();
    known.into_iter().map(|known| known.state).collect()
}

/// A look into the storage, where no manifest names these packs.
async fn clean(
    world: &World,
    (datasource, storage): (DatasourceId, StorageId),
    manifests: &[BackupId],
    packs: &[StoredPack],
) -> bool {
    let unnamed = packs.iter().map(|pack| {
        let kind = ObjectKind::Pack;
        (DataObject { kind, id: pack.id }, pack.stored_bytes)
    });
    let sighting = Sighting {
        manifests: manifests.iter().copied().collect(),
        unnamed: unnamed.collect(),
        absent: BTreeSet::new(),
    };
    let cleanup = &world.services.cleanup;
    let seen = BTreeMap::from([(storage, Ok(sighting))]);
    let plan = cleanup
        .plan(datasource, seen, TimeDelta::hours(72))
        .await
        .unwrap();
    cleanup.carry_out(datasource, &plan, Tenure::Free).await.unwrap()
}

on_both! {
    async fn the_newest_whole_backup_is_the_base_and_is_pinned(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", twice()).await;
        world.run(&job).await;
        let first = agent.begin().await;
        assert_eq!(base(&first), None);
        let packs = agent.packs(&first);
        agent.report(&first, &packs).await.unwrap();
        commit(&agent, &first, &packs).await.unwrap();
        let made = backup(&first).backup;
        assert!(!is_base(world, made).await);

        world.run(&job).await;
        let second = agent.begin().await;
        assert_eq!(base(&second), Some(made));
        assert!(is_base(world, made).await);
        // While it waits for another attempt too.
        agent.fail(second.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        assert!(is_base(world, made).await);
        world.advance(TimeDelta::hours(2));
        world.services.executions.expire().await.unwrap();
        assert!(!is_base(world, made).await, "the next offer chooses anew");
        let again = agent.begin().await;
        assert_eq!(base(&again), Some(made));
        // Nothing new at all: the packs are those of the base.
        commit(&agent, &again, &packs).await.unwrap();
        assert!(!is_base(world, made).await);
        world.run(&job).await;
        assert_eq!(base(&agent.begin().await), Some(backup(&again).backup));
    }

    async fn a_base_in_which_nothing_was_found_is_not_shown(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (mut before, mut kept, mut datasource) = (None, Vec::new(), None);
        for reuses in [false, false, true] {
            world.run(&job).await;
            let assignment = agent.begin().await;
            assert_eq!(base(&assignment), before);
            let fresh = agent.packs(&assignment);
            agent.report(&assignment, &fresh).await.unwrap();
            if reuses { kept.extend(fresh) } else { kept = fresh }
            commit(&agent, &assignment, &kept).await.unwrap();
            let id = backup(&assignment).backup;
            let shown = world.services.backups.get(&BackupChoice::Id(id, None)).await.unwrap();
            assert_eq!(shown.base, before.filter(|_| reuses));
            (before, datasource) = (Some(id), Some(shown.datasource));
        }
        // What was compared in vain counts for how the next one is cut.
        let past = reuse_history(&world.store, datasource.unwrap()).await.unwrap();
        assert_eq!(past.iter().map(|run| run.compared).collect::<Vec<_>>(), [true, true, false]);
    }

    async fn what_is_on_its_way_out_is_no_base(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let mut made = Vec::new();
        for _ in 0..2 {
            world.run(&job).await;
            made.push(agent.back_up().await.backup().unwrap());
        }
        let deletion = &world.services.deletion;
        deletion.delete(may_be_the_last(made[1])).await.unwrap();
        world.run(&job).await;
        let next = agent.begin().await;
        assert_eq!(base(&next), Some(made[0]));
        let refused = deletion.delete(may_be_the_last(made[0])).await.unwrap_err();
        assert_eq!(refused.reason(), "BACKUP_IN_USE");
        agent.fail(next.fence, FailureKind::ClientMissing).await.unwrap();
        deletion.delete(may_be_the_last(made[0])).await.unwrap();
        world.run(&job).await;
        assert_eq!(base(&agent.begin().await), None);
    }

    async fn what_is_sealed_otherwise_or_cut_otherwise_is_no_base(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let storage = world.storage(agent.id, "vault").await;
        let other = world.storage(agent.id, "attic").await;
        let jobs = &world.services.jobs;
        let make = async |name: &str, storage, options: BackupOptions| {
            let new = crate::world::new_job(name, datasource, &[storage]);
            jobs.create(dataguardian_control_plane::domain::job::NewJob { options, ..new }).await.unwrap()
        };
        let sealed = make("sealed", storage, BackupOptions::default()).await;
        let plain = make("plain", storage, BackupOptions { encryption: Encryption::Plain, ..BackupOptions::default() }).await;
        let elsewhere = make("elsewhere", other, BackupOptions::default()).await;
        let uncut = make("uncut", storage, BackupOptions { chunking: Chunking::Stream, ..BackupOptions::default() }).await;
        world.run(&sealed).await;
        let made = agent.back_up().await.backup();
        for job in [&plain, &elsewhere, &uncut] {
            world.run(job).await;
            let assignment = agent.begin().await;
            assert_eq!(base(&assignment), None, "{}", job.name);
            let packs = agent.packs(&assignment);
            agent.report(&assignment, &packs).await.unwrap();
            commit(&agent, &assignment, &packs).await.unwrap();
        }
        world.run(&sealed).await;
        assert_eq!(base(&agent.begin().await), made);
    }

    async fn what_failed_attempts_left_is_leased_to_the_next_one(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let manifests = [agent.back_up().await.backup().unwrap()];
        world.run(&job).await;
        let failing = agent.begin().await;
        let left = agent.packs(&failing);
        agent.report(&failing, &left).await.unwrap();
        agent.fail(failing.fence, FailureKind::StorageFull).await.unwrap();
        let place = (job.datasource, left[0].storage);
        assert!(clean(world, place, &manifests, &left).await);
        assert_eq!(states(world, &left).await, [PackState::Tombstoned; 2]);

        world.run(&job).await;
        let next = agent.begin().await;
        let mut sizes: Vec<_> = left.iter().map(|pack| (pack.id, pack.stored_bytes)).collect();
        let found = listed(world, &agent, &next, PackStanding::Left).await;
        let mut found: Vec<_> = found.into_iter().map(|pack| (pack.id, pack.stored_bytes)).collect();
        sizes.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, sizes);
        assert_eq!(listed(world, &agent, &next, PackStanding::Unusable).await, []);
        // However old they are, nothing takes them while the attempt may name them.
        world.advance(TimeDelta::hours(100));
        assert!(!clean(world, place, &manifests, &left).await);
        assert_eq!(states(world, &left).await, [PackState::Tombstoned; 2]);
        commit(&agent, &next, &left).await.unwrap();
        assert_eq!(states(world, &left).await, [PackState::Live; 2]);

        // They are a backup's now.
        world.run(&job).await;
        let last = agent.begin().await;
        assert_eq!(listed(world, &agent, &last, PackStanding::Left).await, []);
    }

    async fn what_is_condemned_is_told_and_no_commit_may_name_it(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let failing = agent.begin().await;
        let left = agent.packs(&failing);
        agent.report(&failing, &left).await.unwrap();
        agent.fail(failing.fence, FailureKind::StorageFull).await.unwrap();
        let place = (job.datasource, left[0].storage);
        assert!(clean(world, place, &[], &left).await);
        world.advance(TimeDelta::hours(72));
        assert!(clean(world, place, &[], &left).await);
        assert_eq!(states(world, &left).await, [PackState::Condemned; 2]);

        world.run(&job).await;
        let next = agent.begin().await;
        assert_eq!(listed(world, &agent, &next, PackStanding::Left).await, []);
        assert_eq!(listed(world, &agent, &next, PackStanding::Unusable).await.len(), 2);
        let refused = commit(&agent, &next, &left).await.unwrap_err();
        assert!(refused.contains("is being deleted"), "{refused}");
    }
}
