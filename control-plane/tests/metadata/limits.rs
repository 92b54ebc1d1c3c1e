//! How much runs at the same time, what the rest waits for, and what is seen of agents that are silent or stuck.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_control_plane::domain::agent::Opening;
use dataguardian_control_plane::domain::execution::{Execution, Progress, WaitingReason};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::storage::StorageChange;
use dataguardian_control_plane::services::Services;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;

use crate::claims::new_restore;
use crate::identity::opening;
use crate::world::{World, new_job, on_both};

/// A session of an agent that takes on so many attempts, if it says.
fn with_slots(slots: Option<u32>) -> Opening {
    Opening {
        slots,
        ..opening("a", None)
    }
}

/// Services with other limits over the same database.
async fn limited(
    world: &World,
    change: impl FnOnce(&mut dataguardian_control_plane::domain::eligibility::Limits),
) -> Services {
    let mut context = world.context.clone();
    change(&mut context.limits);
    Services::start(context).await.unwrap()
}

async fn waits_for(services: &Services, execution: &Execution) -> (WaitingReason, String) {
    let seen = services.executions.get(execution.id).await.unwrap();
    let waits = seen.outlook.waits_for.expect("it waits");
    (waits.reason, waits.message)
}

on_both! {
    async fn what_waits_says_what_for(world: &World) {
        let agent = world.agent("host1").await;
        world.services.sessions.open(agent.id, with_slots(Some(1))).await.unwrap();
        let services = limited(world, |limits| limits.dumps_per_agent = 2).await;
        let (shop, blog) = (
            world.job(agent.id, "shop", BackupOptions::default()).await,
            world.job(agent.id, "blog", BackupOptions::default()).await,
        );
        let first = world.run(&shop).await;
        assert_eq!(waits_for(&services, &first).await.0, WaitingReason::Turn);
        let running = agent.at(&services).begin().await;
        let other = world.run(&blog).await;
        let expected = "waits for a free slot of agent host1";
        assert_eq!(waits_for(&services, &other).await, (WaitingReason::AgentSlot, expected.to_owned()));
        let again = world.run(&shop).await;
        let expected = format!("waits for the backup {} on datasource shop", first.id);
        assert_eq!(waits_for(&services, &again).await, (WaitingReason::Datasource, expected));
        let listed = services.executions.list(&Default::default(), &dataguardian_control_plane::domain::page::PageRequest::parse(10, "").unwrap()).await.unwrap();
        assert_eq!(listed.items.iter().filter(|execution| execution.outlook.waits_for.is_some()).count(), 2);
        assert!(agent.at(&services).claim().await.is_none(), "the agent has one slot");
        world.advance(TimeDelta::minutes(2));
        let (reason, message) = waits_for(&services, &other).await;
        assert_eq!(reason, WaitingReason::AgentAway);
        assert!(message.starts_with("waits for agent host1 to connect; it was last heard of at 20"), "{message}");
        agent.fail(running.fence, FailureKind::DatabaseAuthentication).await.unwrap();
    }

    async fn a_restore_and_a_backup_wait_for_each_other(world: &World) {
        let agent = world.agent("host1").await;
        world.services.sessions.open(agent.id, with_slots(None)).await.unwrap();
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        agent.back_up().await;
        let restore = || world.services.restores.start(new_restore(job.datasource, job.datasource));
        for restore_first in [true, false] {
            let (first, second) = if restore_first {
                let restore = restore().await.unwrap();
                (restore, world.run(&job).await)
            } else {
                let backup = world.run(&job).await;
                (backup, restore().await.unwrap())
            };
            let begun = agent.begin().await;
            assert_eq!(begun.fence.execution, first.id);
            assert!(agent.claim().await.is_none());
            let expected = format!("waits for the {} {} on datasource shop", first.kind(), first.id);
            assert_eq!(waits_for(&world.services, &second).await, (WaitingReason::Datasource, expected));
            agent.fail(begun.fence, FailureKind::DatabaseAuthentication).await.unwrap();
            let begun = agent.begin().await;
            assert_eq!(begun.fence.execution, second.id);
            agent.fail(begun.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        }
    }

    async fn a_storage_takes_as_many_backups_as_it_may(world: &World) {
        let agent = world.agent("host1").await;
        world.services.sessions.open(agent.id, with_slots(None)).await.unwrap();
        let services = limited(world, |limits| limits.dumps_per_agent = 9).await;
        let shop = world.job(agent.id, "shop", BackupOptions::default()).await;
        let storage = shop.storages[0].id;
        let blog = world.datasource(agent.id, "blog").await;
        let blog = world.services.jobs.create(new_job("blog", blog, &[storage])).await.unwrap();
        let change = |max_concurrent| StorageChange { max_concurrent: Some(max_concurrent), ..StorageChange::default() };
        let update = async |change| {
            let storages = &world.services.storages;
            let begun = storages.begin_update(&Reference::Id(storage), &change).await?;
            storages.finish_update(begun).await
        };
        assert!(update(change(Some(0))).await.is_err());
        let changed = update(change(Some(1))).await.unwrap().after;
        assert_eq!((changed.max_concurrent, changed.revision), (Some(1), 2));
        let stale = StorageChange { expected_revision: Some(1), ..change(None) };
        assert_eq!(update(stale).await.unwrap_err().reason(), "ETAG_MISMATCH");
        world.run(&shop).await;
        let second = world.run(&blog).await;
        let agent = agent.at(&services);
        agent.begin().await;
        assert!(agent.claim().await.is_none());
        let expected = "waits for storage shop, which takes 1 backups at the same time";
        assert_eq!(waits_for(&services, &second).await, (WaitingReason::Storage, expected.to_owned()));
        update(change(None)).await.unwrap();
        assert_eq!(agent.begin().await.fence.execution, second.id);
    }

    async fn claims_on_all_replicas_respect_the_limit_on_all(world: &World) {
        let services = limited(world, |limits| limits.total = Some(2)).await;
        let replica = limited(world, |limits| limits.total = Some(2)).await;
        let mut agents = Vec::new();
        for name in ["a", "b", "c", "d", "e"] {
            let agent = world.agent(name).await;
            let job = world.job(agent.id, name, BackupOptions::default()).await;
            world.run(&job).await;
            agents.push(agent);
        }
        let mut claiming = tokio::task::JoinSet::new();
        for (index, agent) in agents.iter().enumerate() {
            for services in [&services, &replica] {
                let agent = agent.at(services);
                claiming.spawn(async move { agent.claim().await.map(|assignment| (index, assignment)) });
            }
        }
        let won: Vec<_> = claiming.join_all().await.into_iter().flatten().collect();
        assert_eq!(won.len(), 2);
        let left: Vec<_> = (0..5).filter(|index| won.iter().all(|(winner, _)| winner != index)).collect();
        assert!(agents[left[0]].at(&services).claim().await.is_none());
        let (winner, assignment) = &won[0];
        world.services.assignments.accept(agents[*winner].id, assignment.fence).await.unwrap();
        agents[*winner].fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        assert!(agents[left[0]].at(&services).claim().await.is_some());
        assert!(agents[left[1]].at(&services).claim().await.is_none());
    }

    async fn a_silent_agents_attempt_is_shown_as_such_and_not_ended(world: &World) {
        let agent = world.agent("host1").await;
        world.services.sessions.open(agent.id, with_slots(None)).await.unwrap();
        let options = BackupOptions { max_duration: Duration::from_secs(3 * 3600), ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        world.services.progress.report(agent.id, assignment.fence, Progress::default()).await.unwrap();
        let last = world.now();
        world.advance(TimeDelta::minutes(29));
        assert_eq!(world.services.executions.get(execution.id).await.unwrap().outlook.no_contact_since, None);
        world.advance(TimeDelta::minutes(61));
        world.services.executions.expire().await.unwrap();
        let seen = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((seen.state, seen.outlook.no_contact_since), (ExecutionState::Running, Some(last)));
        let restarted = world.replica().await;
        assert_eq!(restarted.executions.get(execution.id).await.unwrap().outlook.no_contact_since, None, "it gets time to come back");
        world.services.sessions.heard(agent.id, None);
        world.services.sessions.save_heard().await.unwrap();
        assert_eq!(world.services.executions.get(execution.id).await.unwrap().outlook.no_contact_since, None);
        // Counted from the moment at which the agent was given it, and not from the last word of it.
        world.advance(TimeDelta::minutes(120));
        assert_eq!(world.services.executions.expire().await.unwrap().overruns, 0);
        world.advance(TimeDelta::minutes(1));
        assert_eq!(world.services.executions.expire().await.unwrap().overruns, 1);
        let packs = agent.packs(&assignment);
        assert_eq!(agent.report(&assignment, &packs).await.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn an_attempt_that_stands_still_is_ended_when_its_agent_does_not_do_it(world: &World) {
        let agent = world.agent("host1").await;
        let options = BackupOptions { no_progress_timeout: Duration::from_secs(600), ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        assert_eq!(assignment.no_progress_timeout, Duration::from_secs(600));
        world.advance(TimeDelta::minutes(10));
        let at = |rows, unmeasured| Progress { stage: "rows".into(), rows, unmeasured, ..Progress::default() };
        let told = |progress| world.services.progress.report(agent.id, assignment.fence, progress);
        let stuck = || async { world.services.executions.expire().await.unwrap().stuck };
        told(at(1, false)).await.unwrap();
        for _ in 0..20 {
            world.advance(TimeDelta::minutes(1));
            told(at(1, false)).await.unwrap();
            assert_eq!(stuck().await, 0);
        }
        told(at(2, true)).await.unwrap();
        for _ in 0..40 {
            world.advance(TimeDelta::minutes(1));
            told(at(2, true)).await.unwrap();
            assert_eq!(stuck().await, 0, "building indexes moves nothing");
        }
        told(at(3, false)).await.unwrap();
        world.advance(TimeDelta::minutes(30));
        assert_eq!(stuck().await, 0, "it told nothing for long: nobody knows");
        told(at(3, false)).await.unwrap();
        assert_eq!(stuck().await, 1);
        let ended = world.services.executions.get(execution.id).await.unwrap();
        let failure = ended.failure.unwrap();
        assert_eq!(failure.kind, FailureKind::NoProgress);
        assert!(failure.message.contains("rows"), "{failure}");
        assert_eq!(told(at(4, false)).await.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn a_partial_backup_says_what_it_lacks_and_restores_nothing_else(world: &World) {
        use dataguardian_control_plane::domain::assignment::AttemptOutcome;
        use dataguardian_core::database::MissingDatabase;
        use dataguardian_core::failure::Failure;
        let agent = world.agent("host1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        let mut outcome = agent.outcome(&assignment, &packs);
        let missing = MissingDatabase { name: "crm".into(), failure: Failure::new(FailureKind::DatabaseMissing, "it was dropped") };
        outcome.summary.missing = vec![missing.clone()];
        let storages = outcome.complete_storages.clone();
        agent.complete(assignment.fence, AttemptOutcome::Backup(Box::new(outcome))).await.unwrap();
        agent.confirm(assignment.fence, &storages).await.unwrap();
        let ended = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((ended.state, &ended.missing), (ExecutionState::Completed, &vec![missing.clone()]));
        let mut wanted = new_restore(job.datasource, job.datasource);
        wanted.options.databases[0].from = "crm".into();
        let refused = world.services.restores.start(wanted).await.unwrap_err();
        let told = format!("{:?}", refused.fields());
        assert!(told.contains("partial") && told.contains("crm") && told.contains("it was dropped"), "{told}");
        world.services.restores.start(new_restore(job.datasource, job.datasource)).await.unwrap();
    }
}
