//! Who gets what work.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{FreeSlots, Work};
use dataguardian_control_plane::domain::job::{BackupOptions, Encryption};
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::restore::{
    BackupChoice, DatabaseMapping, NewRestore, RestoreMode, RestoreOptions,
};
use dataguardian_control_plane::domain::worker::Worker;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::DatasourceId;

use crate::simulated::{backup, restore};
use crate::world::{World, new_job, on_both};

pub(crate) fn new_restore(of: DatasourceId, into: DatasourceId) -> NewRestore {
    NewRestore {
        backup: BackupChoice::Latest(Reference::Id(of)),
        target: Some(Reference::Id(into)),
        options: RestoreOptions {
            mode: RestoreMode::Create,
            databases: vec![DatabaseMapping {
                from: "shop".into(),
                to: "shop2".into(),
            }],
            ..RestoreOptions::default()
        },
        request_id: None,
    }
}

on_both! {
    async fn two_claimers_never_both_win(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "nightly", BackupOptions::default()).await;
        let replica = world.replica().await;
        for _ in 0..5 {
            let execution = world.run(&job).await;
            let mut claiming = tokio::task::JoinSet::new();
            for index in 0..8 {
                let services = if index % 2 == 0 { &world.services } else { &replica };
                let agent = agent.at(services);
                claiming.spawn(async move { agent.claim().await });
            }
            let won: Vec<_> = claiming.join_all().await.into_iter().flatten().collect();
            assert_eq!(won.len(), 1);
            assert_eq!(won[0].fence.execution, execution.id);
            world.services.executions.cancel(execution.id).await.unwrap();
            world.services.assignments.decline(agent.id, won[0].fence, "busy").await.unwrap();
        }
    }

    async fn an_agent_gets_as_much_as_its_limits_allow(world: &World) {
        let agent = world.agent("db1").await;
        for name in ["a", "b", "c"] {
            let job = world.job(agent.id, name, BackupOptions::default()).await;
            world.run(&job).await;
            world.run(&job).await;
        }
        assert!(world.services.assignments.claim(Worker::Backup, agent.id, FreeSlots(0)).await.unwrap().is_none());
        let first = agent.begin().await;
        assert!(agent.claim().await.is_none(), "one dump at a time");
        assert_eq!(backup(&first).datasource_name.as_str(), "a");
        agent.fail(first.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        let mut order = Vec::new();
        while let Some(next) = agent.claim().await {
            order.push(backup(&next).datasource_name.to_string());
            world.services.assignments.accept(agent.id, next.fence).await.unwrap();
            agent.fail(next.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        }
        assert_eq!(order, ["a", "b", "b", "c", "c"], "in the order in which they were queued");
    }

    async fn another_agents_work_is_not_to_be_had(world: &World) {
        let (one, two) = (world.agent("one").await, world.agent("two").await);
        let job = world.job(one.id, "nightly", BackupOptions::default()).await;
        world.run(&job).await;
        assert!(two.claim().await.is_none());
        let assignment = one.claim().await.unwrap();
        let stolen = world.services.assignments.accept(two.id, assignment.fence).await.unwrap_err();
        assert_eq!(stolen.reason(), "STALE_FENCE");
        assert_eq!(two.fail(assignment.fence, FailureKind::Internal).await.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn an_assignment_brings_everything_for_a_backup(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { compression_level: 9, ..BackupOptions::default() };
        let job = world.job(agent.id, "sealed", options.clone()).await;
        world.run(&job).await;
        let assignment = agent.begin().await;
        let work = backup(&assignment);
        assert_eq!(assignment.fence.attempt, 1);
        assert_eq!(work.options, options);
        assert_eq!(work.connection.password.as_ref().unwrap().expose(), "hunter2-hunter2");
        assert_eq!(work.repositories.len(), 1);
        let keys = world.services.keys.of_datasource(job.datasource).await.unwrap().to_bytes();
        assert_eq!(work.datasource_keys, Some(keys));
        assert!(!format!("{assignment:?}").contains("hunter2"));
        agent.fail(assignment.fence, FailureKind::DatabaseMissing).await.unwrap();

        let plain = BackupOptions { encryption: Encryption::Plain, ..BackupOptions::default() };
        let job = world.job(agent.id, "plain", plain).await;
        world.run(&job).await;
        assert_eq!(backup(&agent.begin().await).datasource_keys, None);
    }

    async fn a_restore_keeps_its_datasource_for_itself(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let made = agent.back_up().await;
        let target = world.datasource(agent.id, "target").await;
        let other = world.datasource(agent.id, "other").await;
        let start = |into| world.services.restores.start(new_restore(job.datasource, into));
        let (first, second) = (start(target).await.unwrap(), start(target).await.unwrap());
        world.run(&job).await;

        let assignment = agent.begin().await;
        assert_eq!(assignment.fence.execution, first.id);
        let work = restore(&assignment);
        assert_eq!(Some(work.backup), made.backup());
        assert_eq!(work.agent_public_key, agent.signing.verifying_key().as_bytes());
        let control_plane = world.context.installation.signing.verifying_key();
        assert_eq!(work.control_plane_public_key, control_plane.as_bytes());
        assert_eq!(work.source_datasource, job.datasource);
        let dump = agent.begin().await;
        assert!(matches!(dump.work, Work::Backup(_)), "a dump of another datasource may run beside it");
        assert!(agent.claim().await.is_none());
        agent.fail(dump.fence, FailureKind::DatabaseMissing).await.unwrap();
        let of_target = new_job("target", target, &[job.storages[0].id]);
        let of_target = world.services.jobs.create(of_target).await.unwrap();
        world.run(&of_target).await;
        assert!(agent.claim().await.is_none(), "no dump of what is being restored into");
        agent.fail(assignment.fence, FailureKind::DatabaseConnectionLost).await.unwrap();
        let failed = world.services.executions.get(first.id).await.unwrap();
        assert_eq!(failed.state, ExecutionState::Failed, "a restore never repeats itself");
        assert_eq!(agent.begin().await.fence.execution, second.id);
        start(other).await.unwrap();
    }

    async fn work_whose_storage_is_gone_fails_instead_of_waiting_for_ever(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let done = agent.back_up().await;
        let execution = world.services.restores.start(new_restore(job.datasource, job.datasource)).await.unwrap();
        // Behind the back of whoever refuses to delete what a restore waits for.
        let sql = format!("UPDATE backups SET completed_at = NULL WHERE id = {}", world.id_literal(done.backup().unwrap().as_uuid()));
        world.sql(&sql).await;
        assert!(agent.claim().await.is_none());
        let failed = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(failed.state, ExecutionState::Failed);
        assert!(failed.failure.unwrap().message.contains("the backup"), "it says what is gone");
    }

    async fn a_declined_or_forgotten_offer_uses_no_attempt(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "nightly", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let first = agent.claim().await.unwrap();
        world.services.assignments.decline(agent.id, first.fence, "no slot").await.unwrap();
        world.services.assignments.decline(agent.id, first.fence, "no slot").await.unwrap();
        assert!(agent.claim().await.is_none(), "not again at once");
        world.advance(TimeDelta::seconds(5));
        let second = agent.claim().await.unwrap();
        assert_ne!(second.fence, first.fence);
        assert_eq!(second.fence.attempt, 1);
        world.advance(TimeDelta::seconds(9));
        assert_eq!(world.services.executions.expire().await.unwrap().offers, 0);
        world.advance(TimeDelta::seconds(1));
        assert_eq!(world.services.executions.expire().await.unwrap().offers, 1);
        assert_eq!(world.services.executions.expire().await.unwrap().offers, 0);
        let late = world.services.assignments.accept(agent.id, second.fence).await.unwrap_err();
        assert_eq!(late.reason(), "STALE_FENCE");
        world.advance(TimeDelta::seconds(5));
        let third = agent.begin().await;
        assert_eq!(third.fence.attempt, 1);
        let now = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((now.state, now.attempt, now.attempts.len()), (ExecutionState::Running, 1, 1));
    }
}
