//! What a look into the storages says, and what of it counts once a backup is deleted.

use dataguardian_control_plane::domain::assignment::{Assignment, AttemptOutcome, StoredPack};
use dataguardian_control_plane::domain::deletion::LastBackup;
use dataguardian_control_plane::domain::job::{BackupOptions, Job};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::notification::EventKind;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::domain::verification::{CopyFindings, NewVerification, ObjectFault};
use dataguardian_control_plane::services::deletion::DeletionRequest;
use dataguardian_core::clock::SystemClock;
use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, StorageId};
use dataguardian_repository::id::PackId;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::verify::Level;

use crate::simulated::SimulatedAgent;
use crate::world::{World, on_both};

/// A backup with the packs that it alone names.
async fn back_up(world: &World, agent: &SimulatedAgent, job: &Job) -> (BackupId, Vec<StoredPack>) {
    world.run(job).await;
    let assignment = agent.begin().await;
    let packs = agent.packs(&assignment);
    agent.report(&assignment, &packs).await.unwrap();
    (commit(agent, &assignment, &packs).await, packs)
}

/// Commits a backup that names these packs.
async fn commit(agent: &SimulatedAgent, assignment: &Assignment, packs: &[StoredPack]) -> BackupId {
    let outcome = Box::new(agent.outcome(assignment, packs));
    let storages = outcome.complete_storages.clone();
    let outcome = AttemptOutcome::Backup(outcome);
    agent.complete(assignment.fence, outcome).await.unwrap();
    let done = agent.confirm(assignment.fence, &storages).await.unwrap();
    done.backup().unwrap()
}

async fn begin(world: &World, agent: &SimulatedAgent, backup: BackupId) -> Fence {
    let new = NewVerification {
        backup: BackupChoice::Id(backup, None),
        level: Level::Digests,
        storages: Vec::new(),
        request_id: None,
    };
    world.services.verifications.start(new).await.unwrap();
    agent.begin().await.fence
}

/// That pack is lost.
fn lost(job: &Job, pack: &StoredPack) -> AttemptOutcome {
    let key = ObjectKey::Pack(job.datasource, PackId::from_bytes(pack.id));
    findings(pack.storage, Some(key))
}

fn findings(storage: StorageId, lost: Option<ObjectKey>) -> AttemptOutcome {
    let faults: Vec<_> = lost
        .map(|key| ObjectFault {
            object: key.to_string(),
            problem: "it is not there".to_owned(),
            hurts: Vec::new(),
            hurt_count: 0,
        })
        .into_iter()
        .collect();
    AttemptOutcome::Verify(vec![CopyFindings {
        storage,
        objects: 3,
        bytes: 2000,
        fault_count: faults.len() as u64,
        faults,
        failure: None,
    }])
}

async fn delete(world: &World, backup: BackupId) {
    let request = DeletionRequest {
        backup,
        last: LastBackup::MayGo,
        revision: None,
    };
    world.services.deletion.delete(request).await.unwrap();
}

on_both! {
    async fn verifications_are_counted_and_told_like_all_other_executions(world: &World) {
        // Ids tell the machine's own time, and what is old by them is not looked at.
        world.set_clock(SystemClock::shared().now() - world.now());
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (made, packs) = back_up(world, &agent, &job).await;
        let unfinished = async || {
            let seen = world.services.overview.dashboard().await.unwrap().overview;
            seen.unfinished_in(|_| true)
        };
        let fence = begin(world, &agent, made).await;
        assert_eq!(unfinished().await, 1);
        agent.complete(fence, lost(&job, &packs[0])).await.unwrap();
        assert_eq!(unfinished().await, 0);
        let notifications = &world.services.notifications;
        notifications.watch(Tenure::Free).await.unwrap();
        let told = notifications.list(&PageRequest::default(), None).await.unwrap();
        let told: Vec<_> = told.items.into_iter().map(|told| told.notification.kind).collect();
        assert!(told.contains(&EventKind::VerificationFailed), "{told:?}");
        assert!(told.contains(&EventKind::DamageFound), "{told:?}");
    }

    async fn what_is_damaged_of_a_backup_is_no_matter_once_that_is_deleted(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (damaged, packs) = back_up(world, &agent, &job).await;
        let (whole, _) = back_up(world, &agent, &job).await;
        let fence = begin(world, &agent, damaged).await;
        agent.complete(fence, lost(&job, &packs[0])).await.unwrap();
        let verifications = &world.services.verifications;
        assert_eq!(verifications.count_damage().await.unwrap(), (1, 1));
        assert_eq!(verifications.notices().await.unwrap().len(), 1);
        let shown = world.services.backups.get(&BackupChoice::Id(damaged, None)).await.unwrap();
        assert!(!shown.copies[0].is_whole());

        delete(world, damaged).await;
        assert_eq!(verifications.count_damage().await.unwrap(), (0, 0));
        assert!(verifications.notices().await.unwrap().is_empty());
        assert_eq!(world.services.copies.wanted().await.unwrap(), []);
        let left = world.services.backups.get(&BackupChoice::Id(whole, None)).await.unwrap();
        assert!(left.copies[0].is_whole());
    }

    async fn the_newest_that_is_whole_is_kept_whatever_damaged_ones_are_newer(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (good, _) = back_up(world, &agent, &job).await;
        let (damaged, packs) = back_up(world, &agent, &job).await;
        let fence = begin(world, &agent, damaged).await;
        agent.complete(fence, lost(&job, &packs[0])).await.unwrap();
        let request = |backup| DeletionRequest { backup, last: LastBackup::Keep, revision: None };
        let deletion = &world.services.deletion;
        assert_eq!(deletion.delete(request(good)).await.unwrap_err().reason(), "BACKUP_IS_NEWEST");
        let deleted = deletion.delete(request(damaged)).await.unwrap();
        assert_eq!((deleted.remaining, deleted.newest_remaining.map(|left| left.id)), (1, Some(good)));
    }

    async fn an_agent_that_says_nothing_of_a_copy_has_not_verified_it(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (made, _) = back_up(world, &agent, &job).await;
        let fence = begin(world, &agent, made).await;
        agent.complete(fence, AttemptOutcome::Verify(Vec::new())).await.unwrap();
        let ended = world.services.executions.get(fence.execution).await.unwrap();
        assert_eq!(ended.failure.map(|failure| failure.kind), Some(FailureKind::Internal));
    }

    async fn what_is_known_to_be_damaged_spoils_whatever_names_it_later(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (first, packs) = back_up(world, &agent, &job).await;
        world.run(&job).await;
        let second = agent.begin().await;
        let fence = begin(world, &agent, first).await;
        agent.complete(fence, lost(&job, &packs[0])).await.unwrap();
        // It began before that was known, and refers to it.
        let second = commit(&agent, &second, &packs).await;
        world.services.verifications.enter().await.unwrap();
        assert_eq!(world.services.verifications.count_damage().await.unwrap(), (2, 1));
        let shown = world.services.backups.get(&BackupChoice::Id(second, None)).await.unwrap();
        assert!(!shown.copies[0].is_whole());
        delete(world, first).await;
        assert_eq!(world.services.verifications.count_damage().await.unwrap(), (1, 1));
    }

    async fn a_verification_says_that_its_backup_was_deleted_and_finds_no_damage(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (backup, packs) = back_up(world, &agent, &job).await;
        let fence = begin(world, &agent, backup).await;
        delete(world, backup).await;
        agent.complete(fence, lost(&job, &packs[0])).await.unwrap();
        let ended = world.services.executions.get(fence.execution).await.unwrap();
        assert_eq!((ended.state, ended.verify_report), (ExecutionState::Failed, None));
        assert!(ended.failure.unwrap().message.contains("the backup was deleted"));
        assert_eq!(world.services.verifications.count_damage().await.unwrap(), (0, 0));
    }

    async fn a_copy_that_passes_is_whole_and_one_that_is_deleted_is_not(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let (backup, packs) = back_up(world, &agent, &job).await;
        let fence = begin(world, &agent, backup).await;
        agent.complete(fence, findings(packs[0].storage, None)).await.unwrap();
        let ended = world.services.executions.get(fence.execution).await.unwrap();
        assert_eq!(ended.state, ExecutionState::Completed);
        let choice = BackupChoice::Id(backup, None);
        assert!(world.services.backups.get(&choice).await.unwrap().copies[0].is_whole());
        delete(world, backup).await;
        let going = world.services.backups.get(&choice).await.unwrap();
        assert!(!going.copies[0].is_whole() && going.verified_at().is_none());
        let new = NewVerification {
            backup: choice,
            level: Level::Presence,
            storages: Vec::new(),
            request_id: None,
        };
        let refused = world.services.verifications.start(new).await.unwrap_err();
        assert_eq!(refused.reason(), "BACKUP_DELETING");
    }
}
