//! The ends of attempts, and the two halves of a commit.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{
    AttemptOutcome, BackupOutcome, Completion, StorageFailure,
};
use dataguardian_control_plane::domain::backup::{BackupFilter, StreamFilter};
use dataguardian_control_plane::domain::execution::{RestoreReport, RestoredTable};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::logs::{LogLevel, LogLine};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::services::Error;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::LeaseToken;
use dataguardian_core::storage::Strategy;
use dataguardian_repository::manifest::{Signature, Signer};

use crate::claims::new_restore;
use crate::simulated::{backup, payload};
use crate::world::{World, new_job, on_both};

fn outcome(outcome: &BackupOutcome) -> AttemptOutcome {
    AttemptOutcome::Backup(Box::new(outcome.clone()))
}

async fn backups(world: &World) -> usize {
    let page = world
        .services
        .backups
        .list(&BackupFilter::default(), &PageRequest::default())
        .await;
    page.unwrap().items.len()
}

on_both! {
    /// Somebody mends the clock, either way, while a backup and a wish to cancel are under way.
    async fn a_clock_that_moves_by_a_day_ends_nothing_that_lives(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        for day in [TimeDelta::days(1), TimeDelta::days(-1)] {
            let execution = world.run(&job).await;
            let assignment = agent.begin().await;
            let packs = agent.packs(&assignment);
            agent.report(&assignment, &packs).await.unwrap();
            world.advance(TimeDelta::hours(2));
            world.set_clock(day);
            world.services.executions.expire().await.unwrap();
            let running = world.services.executions.get(execution.id).await.unwrap();
            assert_eq!((running.state, running.attempt), (ExecutionState::Running, 1), "{day}");
            let ended = agent.outcome(&assignment, &packs);
            agent.complete(assignment.fence, outcome(&ended)).await.unwrap();
            world.set_clock(-day);
            let done = agent.confirm(assignment.fence, &ended.complete_storages).await.unwrap();
            assert_eq!(done.state, ExecutionState::Completed, "{day}");
            crate::invariants::check(world, &[execution.id], &[]).await;
        }
        // An offer that was made in what is the future now neither lasts for ever nor keeps another from being made.
        let execution = world.run(&job).await;
        agent.claim().await.unwrap();
        world.set_clock(TimeDelta::days(-1));
        assert_eq!(world.services.executions.expire().await.unwrap().offers, 1);
        let queued = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(queued.state, ExecutionState::Queued);
        world.set_clock(TimeDelta::days(-1));
        assert!(agent.claim().await.is_some(), "it waits for nothing that is a day away");
    }

    async fn what_waits_does_not_wait_until_a_day_has_passed_twice(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { max_attempts: 2, ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        agent.fail(agent.begin().await.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        world.set_clock(TimeDelta::days(-1));
        assert_eq!(world.services.executions.expire().await.unwrap().retries, 1);
        agent.begin().await;
        world.advance(TimeDelta::hours(1));
        world.services.executions.cancel(execution.id).await.unwrap();
        assert_eq!(world.services.executions.expire().await.unwrap().cancels, 0, "its agent is waited for");
        world.set_clock(TimeDelta::days(-1));
        assert_eq!(world.services.executions.expire().await.unwrap().cancels, 1);
        let cancelled = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(cancelled.state, ExecutionState::Cancelled);
    }

    /// The control plane went down with the acceptance, and is up again before the agent's next session.
    async fn a_report_begins_an_attempt_whose_acceptance_was_lost(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.claim().await.unwrap();
        let line = LogLine { time: world.now(), level: LogLevel::Info, message: "on it".into() };
        let next = world.services.logs.append(agent.id, assignment.fence, 0, vec![line]).await;
        assert_eq!(next.unwrap(), 1);
        let running = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((running.state, running.attempt), (ExecutionState::Running, 1));

        let other = world.job(agent.id, "till", BackupOptions::default()).await;
        agent.fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        world.run(&other).await;
        let assignment = agent.claim().await.unwrap();
        agent.report(&assignment, &agent.packs(&assignment)).await.unwrap();
        agent.report(&assignment, &agent.packs(&assignment)).await.unwrap();
        let stale = Fence { lease_token: LeaseToken::new(), ..assignment.fence };
        let refused = world.services.attempts.report_packs(agent.id, stale, Vec::new()).await;
        assert!(matches!(refused, Err(Error::StaleFence)));
    }

    async fn a_backup_exists_once_its_commit_is_confirmed(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let fence = assignment.fence;
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        agent.report(&assignment, &packs).await.unwrap();
        let ended = agent.outcome(&assignment, &packs);

        let Completion::Commit(signed) = agent.complete(fence, outcome(&ended)).await.unwrap() else {
            panic!("a backup is committed")
        };
        let key = world.context.installation.signing.verifying_key();
        assert_eq!(signed.public_key, key.as_bytes());
        let signature = Signature { signer: Signer::ControlPlane, key: key.id(), bytes: signed.signature.clone() };
        assert!(key.accepts(&signature, &ended.payload));
        assert_eq!(agent.complete(fence, outcome(&ended)).await.unwrap(), Completion::Commit(signed.clone()));
        let committing = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((committing.state, committing.backup()), (ExecutionState::Committing, None));
        assert_eq!(backups(world).await, 0);
        let latest = BackupChoice::Latest(Reference::Id(job.datasource));
        assert_eq!(world.services.backups.get(&latest).await.unwrap_err().reason(), "BACKUP_NOT_FOUND");

        let done = agent.confirm(fence, &ended.complete_storages).await.unwrap();
        assert_eq!(done.state, ExecutionState::Completed);
        assert_eq!(agent.confirm(fence, &ended.complete_storages).await.unwrap().state, ExecutionState::Completed);
        assert_eq!(agent.complete(fence, outcome(&ended)).await.unwrap(), Completion::Commit(signed));
        let made = world.services.backups.get(&latest).await.unwrap();
        assert_eq!(Some(made.id), done.backup());
        assert_eq!((made.packs, made.copies.len()), (2, 1));
        assert_eq!(made.copies[0].completed_at, Some(world.now()));
        assert_eq!(made.summary, ended.summary);
        let manifest = world.services.backups.manifest(made.id).await.unwrap();
        assert_eq!(manifest.payload, ended.payload);
        assert_eq!(manifest.agent_public_key, agent.signing.verifying_key().as_bytes());
        let streams = world.services.backups.streams(made.id, StreamFilter::default(), &PageRequest::default()).await.unwrap();
        assert!(streams.items.is_empty());
    }

    async fn a_payload_that_does_not_fit_is_refused(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let assignment = agent.begin().await;
        let fence = assignment.fence;
        let packs = agent.packs(&assignment);
        let good = agent.outcome(&assignment, &packs);

        let unreported = agent.complete(fence, outcome(&good)).await.unwrap_err();
        assert_eq!((unreported.code(), unreported.reason()), (ErrorCode::FailedPrecondition, "PACKS_MISSING"));
        agent.report(&assignment, &packs[..1]).await.unwrap();
        assert_eq!(agent.complete(fence, outcome(&good)).await.unwrap_err().reason(), "PACKS_MISSING");
        agent.report(&assignment, &packs).await.unwrap();

        let unsigned = BackupOutcome { agent_signature: vec![0; 64], ..good.clone() };
        let error = agent.complete(fence, outcome(&unsigned)).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "agent_signature");
        let empty = BackupOutcome { complete_storages: vec![], ..good.clone() };
        assert_eq!(agent.complete(fence, outcome(&empty)).await.unwrap_err().fields()[0].field, "complete_storage_ids");
        for wrong in [b"nonsense".to_vec(), {
            let mut other = backup(&assignment).clone();
            other.backup = dataguardian_core::ids::BackupId::new();
            payload(fence, &other, &packs, world.now())
        }, {
            let mut plain = backup(&assignment).clone();
            plain.datasource_keys = None;
            payload(fence, &plain, &packs, world.now())
        }] {
            let signature = agent.signing.sign(Signer::Agent, &wrong).bytes;
            let wrong = BackupOutcome { payload: wrong, agent_signature: signature, ..good.clone() };
            assert_eq!(agent.complete(fence, outcome(&wrong)).await.unwrap_err().fields()[0].field, "payload");
        }
        let restored = AttemptOutcome::Restore { report: RestoreReport::default(), warnings: vec![] };
        assert_eq!(agent.complete(fence, restored).await.unwrap_err().fields()[0].field, "outcome");

        agent.complete(fence, outcome(&good)).await.unwrap();
        let payload = payload(fence, backup(&assignment), &packs, world.now());
        let signature = agent.signing.sign(Signer::Agent, &payload).bytes;
        let second = BackupOutcome { payload, agent_signature: signature, ..good };
        assert_eq!(agent.complete(fence, outcome(&second)).await.unwrap_err().reason(), "PAYLOAD_DIFFERS");
    }

    async fn a_storage_that_was_missed_is_shown_as_missing(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let storages = [world.storage(agent.id, "one").await, world.storage(agent.id, "two").await, world.storage(agent.id, "three").await];
        let job = world.services.jobs.create(new_job("nightly", datasource, &storages)).await.unwrap();
        world.run(&job).await;
        let assignment = agent.begin().await;
        let packs: Vec<_> = agent.packs(&assignment).into_iter().filter(|pack| pack.storage != storages[1]).collect();
        agent.report(&assignment, &packs).await.unwrap();
        let mut ended = agent.outcome(&assignment, &packs);
        let everywhere = BackupOutcome { complete_storages: storages.to_vec(), ..ended.clone() };
        let untrue = agent.complete(assignment.fence, outcome(&everywhere)).await.unwrap_err();
        assert_eq!(untrue.reason(), "PACKS_MISSING", "nobody reported them for the second storage");
        let full = Failure::new(FailureKind::StorageFull, "no space left");
        ended.failed_storages = vec![StorageFailure { storage: storages[1], failure: full.clone() }];
        agent.complete(assignment.fence, outcome(&ended)).await.unwrap();
        let beyond = agent.confirm(assignment.fence, &storages).await.unwrap_err();
        assert_eq!(beyond.fields()[0].field, "storage_ids");
        let done = agent.confirm(assignment.fence, &storages[..1]).await.unwrap();
        let made = world.services.backups.get(&BackupChoice::Id(done.backup().unwrap(), None)).await.unwrap();
        let complete: Vec<_> = made.copies.iter().map(|copy| (copy.storage_name.as_str(), copy.completed_at.is_some())).collect();
        assert_eq!(complete, [("one", true), ("two", false), ("three", false)]);
        assert_eq!(made.copies[1].failure, Some(full));
        assert_eq!(made.copies[2].failure.as_ref().unwrap().kind, FailureKind::StorageError);
        let warnings: Vec<_> = done.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, [
            "storage two did not get this backup: no space left",
            "storage three did not get this backup: the manifest was not put there",
        ]);
        assert_eq!(world.services.executions.get(done.id).await.unwrap().warnings, done.warnings);
    }

    async fn a_storage_that_was_passed_over_is_told_and_one_that_was_not_needed_is_not(world: &World) {
        let agent = world.agent("db1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let storages = [world.storage(agent.id, "one").await, world.storage(agent.id, "two").await, world.storage(agent.id, "three").await];
        let mut job = new_job("nightly", datasource, &storages);
        job.strategy = Strategy::Fallback;
        let job = world.services.jobs.create(job).await.unwrap();
        world.run(&job).await;
        let assignment = agent.begin().await;
        let packs: Vec<_> = agent.packs(&assignment).into_iter().filter(|pack| pack.storage == storages[1]).collect();
        agent.report(&assignment, &packs).await.unwrap();
        let mut ended = agent.outcome(&assignment, &packs);
        let full = Failure::new(FailureKind::StorageFull, "storage one: no space left");
        ended.failed_storages = vec![StorageFailure { storage: storages[0], failure: full }];
        agent.complete(assignment.fence, outcome(&ended)).await.unwrap();
        let done = agent.confirm(assignment.fence, &storages[1..2]).await.unwrap();
        let warnings: Vec<_> = done.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(warnings, ["storage one did not get this backup: no space left"]);
    }

    async fn a_commit_that_no_storage_takes_leaves_no_backup(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        agent.complete(assignment.fence, outcome(&agent.outcome(&assignment, &packs))).await.unwrap();
        let late = world.services.executions.cancel(execution.id).await.unwrap_err();
        assert_eq!(late.reason(), "EXECUTION_COMMITTING");
        let waiting = agent.confirm(assignment.fence, &[]).await.unwrap();
        assert_eq!(waiting.state, ExecutionState::Committing, "a disk may be mounted late");
        assert_eq!(backups(world).await, 0);
        world.advance(dataguardian_control_plane::domain::commit::REFUSED);
        let failed = agent.confirm(assignment.fence, &[]).await.unwrap();
        assert_eq!((failed.state, failed.failure.unwrap().kind), (ExecutionState::Failed, FailureKind::StorageError));
        assert_eq!(agent.confirm(assignment.fence, &[]).await.unwrap().state, ExecutionState::Failed);
        assert_eq!(backups(world).await, 0);
        let success = agent.complete(assignment.fence, outcome(&agent.outcome(&assignment, &packs))).await;
        assert_eq!(success.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn what_may_pass_is_tried_again(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { max_attempts: 2, ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        let first = agent.begin().await;
        agent.fail(first.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        agent.fail(first.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        let waiting = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((waiting.state, waiting.attempt), (ExecutionState::RetryWait, 1));
        assert!(agent.claim().await.is_none());
        assert_eq!(world.services.executions.expire().await.unwrap().retries, 0);
        world.advance(TimeDelta::hours(2));
        assert_eq!(world.services.executions.expire().await.unwrap().retries, 1);
        let second = agent.begin().await;
        assert_eq!(second.fence.attempt, 2);
        assert_ne!(backup(&second).backup, backup(&first).backup);

        // The first attempt is heard no more, but that it failed is known.
        let packs = agent.packs(&first);
        assert_eq!(agent.report(&first, &packs).await.unwrap_err().reason(), "STALE_FENCE");
        let stale = agent.complete(first.fence, outcome(&agent.outcome(&first, &packs))).await;
        assert_eq!((stale.as_ref().unwrap_err().code(), stale.unwrap_err().reason()), (ErrorCode::Aborted, "STALE_FENCE"));
        assert_eq!(agent.fail(first.fence, FailureKind::Internal).await.unwrap(), Completion::Settled);

        agent.fail(second.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        let failed = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((failed.state, failed.attempts.len()), (ExecutionState::Failed, 2));
        assert!(failed.attempts.iter().all(|attempt| attempt.ended_at.is_some() && attempt.failure.is_some()));
        assert_eq!(failed.failure.unwrap().kind, FailureKind::DatabaseUnreachable);
    }

    async fn a_restore_ends_with_its_report(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let made = agent.back_up().await;
        let target = world.datasource(agent.id, "target").await;
        let execution = world.services.restores.start(new_restore(job.datasource, target)).await.unwrap();
        assert_eq!(execution.backup(), made.backup());
        let assignment = agent.begin().await;
        let report = RestoreReport {
            planned: false,
            databases: vec![],
            tables: vec![RestoredTable {
                database: "shop".into(),
                schema: "public".into(),
                name: "it\0em".into(),
                expected_rows: 5,
                restored_rows: 5,
            }],
            rows: 5,
        };
        let done = || AttemptOutcome::Restore { report: report.clone(), warnings: vec![] };
        assert_eq!(agent.complete(assignment.fence, done()).await.unwrap(), Completion::Settled);
        assert_eq!(agent.complete(assignment.fence, done()).await.unwrap(), Completion::Settled);
        let ended = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(ended.state, ExecutionState::Completed);
        assert_eq!(ended.restore_report, Some(report.kept()));
    }

    async fn restores_that_can_not_work_are_refused_at_once(world: &World) {
        let (here, there) = (world.agent("here").await, world.agent("there").await);
        let job = world.job(here.id, "shop", BackupOptions::default()).await;
        let start = |new| world.services.restores.start(new);
        let none = start(new_restore(job.datasource, job.datasource)).await.unwrap_err();
        assert_eq!(none.reason(), "BACKUP_NOT_FOUND");
        world.run(&job).await;
        here.back_up().await;
        let beyond = world.datasource(there.id, "beyond").await;
        assert_eq!(start(new_restore(job.datasource, beyond)).await.unwrap_err().reason(), "STORAGE_NOT_REACHABLE");
        let mut wrong = new_restore(job.datasource, job.datasource);
        wrong.options.databases[0].from = "nowhere".into();
        assert_eq!(start(wrong).await.unwrap_err().fields()[0].field, "databases.from");
    }

    async fn a_pack_on_its_way_out_is_revived_or_refused(world: &World) {
        use dataguardian_control_plane::domain::pack::PackState;
        use dataguardian_control_plane::store::packs::{pack_known, pack_move_in_tx};
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let assignment = agent.begin().await;
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        let id = [packs[0].id];
        let tx = world.store.begin().await.unwrap();
        pack_move_in_tx(&tx, &id, (PackState::Live, PackState::Tombstoned), world.now()).await.unwrap();
        pack_move_in_tx(&tx, &id, (PackState::Tombstoned, PackState::Condemned), world.now()).await.unwrap();
        tx.commit().await.unwrap();
        let refused = agent.complete(assignment.fence, outcome(&agent.outcome(&assignment, &packs))).await;
        assert_eq!(refused.unwrap_err().reason(), "PACKS_MISSING");
        let tx = world.store.begin().await.unwrap();
        pack_move_in_tx(&tx, &id, (PackState::Condemned, PackState::Tombstoned), world.now()).await.unwrap();
        tx.commit().await.unwrap();
        agent.complete(assignment.fence, outcome(&agent.outcome(&assignment, &packs))).await.unwrap();
        assert_eq!(pack_known(&world.store, &id).await.unwrap()[0].state, PackState::Live);
    }
}
