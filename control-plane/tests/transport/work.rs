//! Work on its way: from a person's request over the queue to an agent and back.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::v1;
use dataguardian_proto::v1::ExecutionState;
use wire::session_request::Message as Said;
use wire::session_response::Message as Heard;

use crate::agent::TestSession;
use crate::server::{bad_fields, refused};

use crate::scene::{Scene, failure, until};

#[tokio::test]
async fn a_job_reaches_its_agent_at_once_with_all_that_it_needs() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = tokio::time::timeout(Duration::from_secs(2), scene.offer())
        .await
        .expect("no tick is waited for");
    assert_eq!(offer.fence.as_ref().unwrap().execution_id, execution.id);
    let Some(wire::assignment::Work::Backup(work)) = &offer.work else {
        panic!("not a backup")
    };
    assert_eq!(work.connection.as_ref().unwrap().password, "s3cret");
    assert_eq!(work.repositories.len(), 1);
    assert!(!work.datasource_keys.is_empty() && !work.control_plane_id.is_empty());
}

#[tokio::test]
async fn an_attempt_is_watched_from_its_beginning_to_its_end() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let mut watch = scene.watch(&execution.id).await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    until(&mut watch, |execution| {
        execution.state() == ExecutionState::Running && execution.attempt == 1
    })
    .await;
    let progress = v1::Progress {
        stage: "copying".to_owned(),
        rows: 7,
        ..v1::Progress::default()
    };
    let progress = wire::AttemptProgress {
        fence: offer.fence.clone(),
        progress: Some(progress),
    };
    scene.session.say(Said::Progress(progress)).await;
    until(&mut watch, |execution| {
        execution
            .progress
            .as_ref()
            .is_some_and(|progress| progress.rows == 7)
    })
    .await;
    scene.complete(&offer, failure()).await;
    let ended = until(&mut watch, |execution| {
        execution.state() == ExecutionState::Failed
    })
    .await;
    assert_eq!(ended.failure.unwrap().reason, "DATABASE_AUTHENTICATION");
    assert!(
        watch.message().await.unwrap().is_none(),
        "the watch ends with the execution"
    );
}

#[tokio::test]
async fn logs_are_tailed_while_they_come() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let request = v1::TailLogsRequest {
        execution_id: execution.id.clone(),
        offset: 0,
        follow: true,
    };
    let mut tail = scene.executions().tail_logs(request).await.unwrap().into_inner();
    let line = |message: &str| v1::LogLine {
        time: Some(prost_types::Timestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }),
        level: v1::LogLevel::Info.into(),
        message: message.to_owned(),
    };
    let append = wire::AppendLogsRequest {
        fence: offer.fence.clone(),
        offset: 0,
        lines: vec![line("one"), line("two")],
    };
    let mut client = scene.agent.client(&scene.server);
    assert_eq!(
        client
            .append_logs(append.clone())
            .await
            .unwrap()
            .into_inner()
            .next_offset,
        2
    );
    assert_eq!(
        client.append_logs(append).await.unwrap().into_inner().next_offset,
        2,
        "again changes nothing"
    );
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let chunk = tokio::time::timeout(Duration::from_secs(10), tail.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        seen.extend(chunk.lines.into_iter().map(|line| line.message));
    }
    assert_eq!(seen, ["one", "two"]);
    scene.complete(&offer, failure()).await;
    let end = tokio::time::timeout(Duration::from_secs(10), tail.message())
        .await
        .unwrap();
    assert!(end.unwrap().is_none_or(|chunk| chunk.lines.is_empty()));
}

#[tokio::test]
async fn a_cancel_reaches_the_agent_and_ends_when_the_agent_says_so() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let request = v1::CancelExecutionRequest {
        id: execution.id.clone(),
    };
    let answer = scene
        .executions()
        .cancel_execution(request)
        .await
        .unwrap()
        .into_inner()
        .execution
        .unwrap();
    assert_eq!(answer.state(), ExecutionState::Cancelling);
    match scene.session.next().await.unwrap() {
        Some(Heard::Cancel(cancel)) => assert_eq!(cancel.fence, offer.fence),
        other => panic!("not a cancel: {other:?}"),
    }
    let mut watch = scene.watch(&execution.id).await;
    scene
        .complete(
            &offer,
            wire::complete_attempt_request::Outcome::Cancelled(wire::Cancelled {}),
        )
        .await;
    until(&mut watch, |execution| {
        execution.state() == ExecutionState::Cancelled
    })
    .await;
}

#[tokio::test]
async fn an_offer_that_nobody_accepts_comes_again_without_using_an_attempt() {
    let clock = ManualClock::at(SystemClock.now());
    let mut scene = Scene::set_at(clock.clone()).await;
    let execution = scene.run_job().await;
    let first = scene.offer().await;
    clock.advance(TimeDelta::seconds(11));
    let mut watch = scene.watch(&execution.id).await;
    until(&mut watch, |execution| {
        execution.state() == ExecutionState::Queued
    })
    .await;
    clock.advance(TimeDelta::seconds(6));
    let heartbeat = wire::Heartbeat {
        sequence: 1,
        free_slots: 1,
        now: None,
    };
    scene.session.say(Said::Heartbeat(heartbeat)).await;
    let second = scene.offer().await;
    let (first, fence) = (first.fence.unwrap(), second.fence.clone().unwrap());
    assert_eq!((fence.execution_id, fence.attempt), (execution.id.clone(), 1));
    assert_ne!(fence.lease_token, first.lease_token);
    let late = wire::Accept {
        fence: Some(first.clone()),
    };
    scene.session.say(Said::Accept(late)).await;
    match scene.heard().await {
        Heard::Cancel(cancel) => assert_eq!(cancel.fence, Some(first), "the lapsed offer is to be dropped"),
        other => panic!("not a cancel: {other:?}"),
    }
    scene.accept(&second).await;
    scene.watch_running(&execution.id).await;
}

#[tokio::test]
async fn an_agent_that_comes_back_goes_on_with_what_it_has() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let named = wire::InFlight {
        fence: offer.fence.clone(),
        running: true,
    };
    let hello = wire::Hello {
        in_flight: vec![named],
        free_slots: 0,
        ..crate::agent::hello()
    };
    let session = TestSession::open(&mut scene.agent.client(&scene.server), hello)
        .await
        .unwrap();
    assert_eq!(session.welcome.verdicts[0].kind(), wire::VerdictKind::Continue);
    scene.complete(&offer, failure()).await;
}

#[tokio::test]
async fn watches_end_with_a_word_when_the_server_stops() {
    let scene = Scene::set().await;
    let execution = scene.run_job().await;
    let mut watch = scene.watch(&execution.id).await;
    let stopping = scene.server.stop();
    let watching = async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the execution has not ended"),
                Err(status) => return status,
            }
        }
    };
    let (status, ()) = tokio::join!(watching, stopping);
    assert_eq!(
        dataguardian_proto::status::ApiError::from(&status).reason,
        "STOPPING"
    );
}

#[tokio::test]
async fn reports_are_bounded() {
    let scene = Scene::set().await;
    let mut client = scene.agent.client(&scene.server);
    let fence = wire::Fence {
        execution_id: uuid::Uuid::now_v7().to_string(),
        attempt: 1,
        lease_token: uuid::Uuid::now_v7().to_string(),
    };
    let packs = vec![wire::StoredPack::default(); 1001];
    let request = wire::ReportPacksRequest {
        fence: Some(fence.clone()),
        packs,
    };
    assert_eq!(bad_fields(client.report_packs(request).await), ["packs"]);
    let packs = vec![wire::StoredPack {
        pack_id: vec![1; 31],
        ..wire::StoredPack::default()
    }];
    let request = wire::ReportPacksRequest {
        fence: Some(fence.clone()),
        packs,
    };
    assert_eq!(bad_fields(client.report_packs(request).await), ["packs.pack_id"]);
    let request = wire::CompleteAttemptRequest {
        fence: Some(fence),
        outcome: None,
        progress: None,
    };
    assert_eq!(bad_fields(client.complete_attempt(request).await), ["outcome"]);
    let none = wire::Fence {
        execution_id: "x".repeat(1 << 20),
        ..wire::Fence::default()
    };
    let error = refused(
        client
            .append_logs(wire::AppendLogsRequest {
                fence: Some(none),
                ..Default::default()
            })
            .await,
    );
    assert!(error.message.len() < 1000);
}
