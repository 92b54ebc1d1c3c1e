//! Following, cancelling and ending executions.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{Accepted, AttemptOutcome, Completion};
use dataguardian_control_plane::domain::execution::{ExecutionFilter, Progress};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::worker::Worker;
use dataguardian_control_plane::queue::{Heard, Signal};
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;

use crate::world::{World, on_both};

on_both! {
    async fn a_waiting_execution_is_cancelled_at_once(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let cancelled = world.services.executions.cancel(execution.id).await.unwrap();
        assert_eq!((cancelled.state, cancelled.ended_at), (ExecutionState::Cancelled, Some(world.now())));
        world.services.executions.cancel(execution.id).await.unwrap();
        assert!(agent.claim().await.is_none());
    }

    async fn a_running_one_is_cancelled_once_the_agent_says_so(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let mut listener = world.context.queue.listen();
        let wished = world.services.executions.cancel(execution.id).await.unwrap();
        assert_eq!(wished.state, ExecutionState::Cancelling);
        loop {
            match listener.next().await {
                Heard::Signal(Signal::CancelRequested(id, fence)) => {
                    assert_eq!((id, fence), (agent.id, assignment.fence));
                    break;
                }
                Heard::Signal(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        let done = AttemptOutcome::Backup(Box::new(agent.outcome(&assignment, &packs)));
        assert_eq!(agent.complete(assignment.fence, done.clone()).await.unwrap_err().reason(), "EXECUTION_CANCELLING");
        for _ in 0..2 {
            let settled = agent.complete(assignment.fence, AttemptOutcome::Cancelled).await.unwrap();
            assert_eq!(settled, Completion::Settled);
        }
        assert_eq!(agent.complete(assignment.fence, done).await.unwrap_err().reason(), "STALE_FENCE");
        let ended = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(ended.state, ExecutionState::Cancelled);
        assert!(ended.attempts[0].ended_at.is_some());
    }

    /// Its slot is free until the next attempt: what waits for one need not wait for the next look.
    async fn a_failed_attempt_makes_room_at_once(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { max_attempts: 2, ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let mut listener = world.context.queue.listen();
        agent.fail(assignment.fence, FailureKind::DatabaseUnreachable).await.unwrap();
        let waiting = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(waiting.state, ExecutionState::RetryWait);
        let told = async {
            while listener.next().await != Heard::Signal(Signal::WorkQueued(agent.id, Worker::Backup)) {}
        };
        tokio::time::timeout(Duration::from_secs(5), told).await.expect("a word that there is room");
    }

    async fn an_offer_may_be_cancelled_before_it_is_accepted(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.claim().await.unwrap();
        world.services.executions.cancel(execution.id).await.unwrap();
        let accepted = world.services.assignments.accept(agent.id, assignment.fence).await.unwrap();
        assert_eq!(accepted, Accepted::Cancelling);
        agent.complete(assignment.fence, AttemptOutcome::Cancelled).await.unwrap();
        let ended = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!((ended.state, ended.attempt), (ExecutionState::Cancelled, 0));
    }

    async fn a_silent_agent_holds_no_slot_for_ever(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        world.services.executions.cancel(execution.id).await.unwrap();
        world.advance(TimeDelta::minutes(4));
        assert_eq!(world.services.executions.expire().await.unwrap().cancels, 0);
        world.advance(TimeDelta::minutes(2));
        assert_eq!(world.services.executions.expire().await.unwrap().cancels, 1);
        world.run(&job).await;
        assert!(agent.claim().await.is_some());
        assert!(agent.complete(assignment.fence, AttemptOutcome::Cancelled).await.is_ok());
    }

    async fn an_attempt_that_overran_by_far_is_ended(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { max_duration: Duration::from_secs(3600), ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        world.advance(TimeDelta::minutes(80));
        assert_eq!(world.services.executions.expire().await.unwrap().overruns, 0);
        world.advance(TimeDelta::minutes(20));
        let restarted = world.replica().await;
        assert_eq!(restarted.executions.expire().await.unwrap().overruns, 0, "after a start silence does not count");
        assert_eq!(world.services.executions.expire().await.unwrap().overruns, 1);
        let ended = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(ended.failure.unwrap().kind, FailureKind::TimedOut);
        let packs = agent.packs(&assignment);
        assert_eq!(agent.report(&assignment, &packs).await.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn progress_is_seen_at_once_and_saved_later(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let assignment = agent.begin().await;
        let progress = |rows| Progress { stage: "dump".into(), rows, ..Progress::default() };
        let report = |rows| world.services.progress.report(agent.id, assignment.fence, progress(rows));
        report(1).await.unwrap();
        report(2).await.unwrap();
        let seen = world.services.executions.get(execution.id).await.unwrap();
        assert_eq!(seen.progress, Some(progress(2)));
        let replica = world.replica().await;
        assert_eq!(replica.executions.get(execution.id).await.unwrap().progress, None);
        assert_eq!(world.services.progress.save().await.unwrap(), 1);
        assert_eq!(world.services.progress.save().await.unwrap(), 0);
        let saved = replica.executions.get(execution.id).await.unwrap();
        assert_eq!(saved.progress, Some(progress(2)));
        assert!(saved.revision > seen.revision);
        report(3).await.unwrap();
        agent.fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        let ended = replica.executions.get(execution.id).await.unwrap();
        assert_eq!(ended.progress, Some(progress(3)), "the last one is kept with the end");
        assert_eq!(report(4).await.unwrap_err().reason(), "STALE_FENCE");
    }

    async fn a_watcher_sees_every_state_until_the_end(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let mut watch = world.services.executions.watch(execution.id).await.unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().state, ExecutionState::Queued);
        let assignment = agent.claim().await.unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().state, ExecutionState::Leased);
        world.services.assignments.accept(agent.id, assignment.fence).await.unwrap();
        assert_eq!(watch.next().await.unwrap().unwrap().state, ExecutionState::Running);
        let following = async {
            let last = watch.next().await.unwrap().unwrap();
            (last.state, watch.next().await.unwrap().is_none())
        };
        let following = tokio::time::timeout(Duration::from_secs(20), following);
        let (seen, failed) = tokio::join!(following, agent.fail(assignment.fence, FailureKind::ClientMissing));
        failed.unwrap();
        let (state, over) = seen.unwrap();
        assert_eq!((state, over), (ExecutionState::Failed, true));
        let mut late = world.services.executions.watch(execution.id).await.unwrap();
        assert_eq!(late.next().await.unwrap().unwrap().state, ExecutionState::Failed);
        assert!(late.next().await.unwrap().is_none());
    }

    async fn lists_are_filtered_and_newest_first(world: &World) {
        let agent = world.agent("db1").await;
        let one = world.job(agent.id, "one", BackupOptions::default()).await;
        let two = world.job(agent.id, "two", BackupOptions::default()).await;
        let (a, b, c) = (world.run(&one).await, world.run(&two).await, world.run(&one).await);
        world.services.executions.cancel(a.id).await.unwrap();
        let list = async |filter: ExecutionFilter| {
            let page = world.services.executions.list(&filter, &PageRequest::default()).await.unwrap();
            page.items.into_iter().map(|execution| execution.id).collect::<Vec<_>>()
        };
        assert_eq!(list(ExecutionFilter::default()).await, [c.id, b.id, a.id]);
        let of_job = ExecutionFilter { job: Some(Reference::Id(one.id)), ..ExecutionFilter::default() };
        assert_eq!(list(of_job).await, [c.id, a.id]);
        let queued = ExecutionFilter {
            datasource: Some(Reference::Name("one".parse().unwrap())),
            states: vec![ExecutionState::Queued],
            ..ExecutionFilter::default()
        };
        assert_eq!(list(queued).await, [c.id]);
        let first = world.services.executions.list(&ExecutionFilter::default(), &PageRequest::parse(2, "").unwrap()).await.unwrap();
        let next = PageRequest::parse(2, &first.next_page_token).unwrap();
        let second = world.services.executions.list(&ExecutionFilter::default(), &next).await.unwrap();
        assert_eq!(second.items.iter().map(|execution| execution.id).collect::<Vec<_>>(), [a.id]);
    }
}
