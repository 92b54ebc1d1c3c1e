//! Certificates of agents over real connections: renewed, copied, ended, revoked, moved to another host.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use tokio::time::Instant;

use crate::agent::{TestAgent, TestSession};
use crate::agents::{fence, shown};
use crate::faults::tell;
use crate::scene::Scene;
use crate::server::{Server, Signed, refused};

/// A section of the report.
const CLOCKS: &str = "clocks and certificates; the time is that of the test";

fn logs() -> wire::AppendLogsRequest {
    wire::AppendLogsRequest {
        fence: Some(fence()),
        ..wire::AppendLogsRequest::default()
    }
}

/// Why the session ends.
async fn end_of(session: TestSession) -> String {
    let status = session.end().await.expect("the stream ends with a reason");
    ApiError::from(&status).reason
}

async fn reasons(admin: &Signed, agent: &TestAgent) -> Vec<String> {
    let notices = shown(admin, agent).await.notices;
    notices.into_iter().map(|notice| notice.reason).collect()
}

#[tokio::test]
async fn the_old_certificate_is_good_until_the_new_one_is_seen_and_a_copys_after_that() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let renewed = agent.renewed(&server).await.unwrap();
    let older = agent
        .open_session(&server)
        .await
        .expect("good until the new one is seen");
    drop(renewed.open_session(&server).await.expect("the new one is good"));
    drop(older);
    clock.advance(TimeDelta::minutes(1));
    let error = refused(agent.open_session(&server).await);
    assert_eq!(
        (error.code, error.reason.as_str()),
        (ErrorCode::Unauthenticated, "CERTIFICATE_SUPERSEDED")
    );
    assert!(
        error.message.contains("dgctl agent token create --for db1"),
        "{error}"
    );
    assert_eq!(
        refused(agent.renewed(&server).await).reason,
        "CERTIFICATE_SUPERSEDED"
    );
    assert_eq!(reasons(&admin, &agent).await, ["IDENTITY_COPIED"]);
    let notice = &shown(&admin, &agent).await.notices[0];
    assert!(
        notice.message.contains("127.0.0.1") && notice.advice.contains("clear-alert db1"),
        "{notice:?}"
    );
    drop(
        renewed
            .open_session(&server)
            .await
            .expect("the right one is not touched"),
    );
    let clear = v1::ClearAgentAlertRequest { agent: "db1".into() };
    AgentServiceClient::new(admin.clone())
        .clear_agent_alert(clear)
        .await
        .unwrap();
    assert_eq!(reasons(&admin, &agent).await, [""; 0]);
}

#[tokio::test]
async fn of_two_processes_with_one_certificate_one_goes_on_and_the_other_is_told() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let first = agent.open_session_of(&server, "first").await.unwrap();
    let second = agent.open_session_of(&server, "second").await.unwrap();
    assert_eq!(
        end_of(first).await,
        "SESSION_REPLACED",
        "the newer one displaces the older"
    );
    let first = agent.open_session_of(&server, "first").await.unwrap();
    assert_eq!(end_of(second).await, "SESSION_REPLACED");
    let error = refused(agent.open_session_of(&server, "second").await);
    assert_eq!(error.reason, "IDENTITY_SHARED");
    assert!(
        error.retry_after.is_some() && error.message.contains("stop one of the two"),
        "{error:?}"
    );
    assert_eq!(reasons(&admin, &agent).await, ["IDENTITY_SHARED"]);
    let first_again = agent
        .open_session_of(&server, "first")
        .await
        .expect("the one that was there may come back");
    assert_eq!(end_of(first).await, "SESSION_REPLACED");
    drop(first_again);
}

#[tokio::test]
async fn a_certificate_that_has_ended_fetches_a_new_one_and_nothing_else() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let session = agent.open_session(&server).await.unwrap();
    clock.advance(TimeDelta::hours(25));
    assert_eq!(end_of(session).await, "CERTIFICATE_EXPIRED");
    assert_eq!(
        refused(agent.open_session(&server).await).reason,
        "CERTIFICATE_EXPIRED"
    );
    clock.advance(TimeDelta::days(20));
    let renewed = agent.renewed(&server).await.unwrap();
    drop(renewed.open_session(&server).await.expect("the new one is good"));
    clock.advance(TimeDelta::minutes(1));
    assert_eq!(
        refused(agent.renewed(&server).await).reason,
        "CERTIFICATE_SUPERSEDED"
    );
}

#[tokio::test]
async fn after_forty_days_an_agent_recovers_once_a_person_approves() {
    let began = Instant::now();
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    drop(agent.open_session(&server).await.unwrap());
    clock.advance(TimeDelta::days(41));
    let admin = server.administrator_again(&server.ca_pem).await.unwrap();
    for _ in 0..2 {
        let error = refused(agent.renewed(&server).await);
        assert_eq!(error.reason, "RECOVERY_NEEDS_APPROVAL");
        assert!(error.message.contains("dgctl agent approve db1"), "{error}");
    }
    assert_eq!(
        refused(agent.open_session(&server).await).reason,
        "CERTIFICATE_EXPIRED"
    );
    assert_eq!(reasons(&admin, &agent).await, ["RECOVERY_NEEDS_APPROVAL"]);
    let approve = v1::ApproveAgentRecoveryRequest { agent: "db1".into() };
    let approved = AgentServiceClient::new(admin.clone())
        .approve_agent_recovery(approve)
        .await;
    let approved = approved.unwrap().into_inner().agent.unwrap();
    let until = approved.recovery_approved_until.unwrap().seconds;
    assert_eq!(until, (clock.now() + TimeDelta::hours(24)).timestamp());
    assert_eq!(
        refused(agent.open_session(&server).await).reason,
        "CERTIFICATE_EXPIRED",
        "for a renewal alone"
    );
    let renewed = agent.renewed(&server).await.unwrap();
    drop(renewed.open_session(&server).await.unwrap());
    assert_eq!(reasons(&admin, &agent).await, [""; 0]);
    tell(
        CLOCKS,
        "certificate expired while the agent was off for 41 days",
        "RECOVERY_NEEDS_APPROVAL, and after `dgctl agent approve` connected with a new one",
        began,
    );
}

#[tokio::test]
async fn a_clock_of_ours_that_is_set_back_by_a_day_shuts_nobody_out() {
    let began = Instant::now();
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    clock.set(TimeDelta::days(-1));
    drop(
        agent
            .open_session(&server)
            .await
            .expect("made before the clock was set back"),
    );
    let renewed = agent.renewed(&server).await.unwrap();
    clock.advance(TimeDelta::days(1));
    let error = refused(renewed.open_session(&server).await);
    assert_eq!(error.reason, "CERTIFICATE_EXPIRED", "it lived through that day");
    let renewed = renewed
        .renewed(&server)
        .await
        .expect("so it fetches the next one");
    drop(renewed.open_session(&server).await.unwrap());
    tell(
        CLOCKS,
        "the control plane's clock is set back by a day, and forward again",
        "connected",
        began,
    );
}

#[tokio::test]
async fn a_control_plane_whose_clock_is_days_ahead_is_trusted_by_its_agents() {
    let began = Instant::now();
    let clock = ManualClock::at(SystemClock.now() + TimeDelta::days(2));
    let server = Server::start_at(clock, |_| {}).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let now = Some(dataguardian_proto::convert::timestamp(SystemClock.now()));
    let hello = wire::Hello {
        now,
        ..crate::agent::hello()
    };
    let session = TestSession::open(&mut agent.client(&server), hello).await;
    drop(session.expect("its certificates are good on a clock that is two days behind"));
    let found = shown(&admin, &agent).await;
    let days = found.clock_skew.unwrap().seconds.div_euclid(86_400);
    assert!((-3..=-2).contains(&days), "{:?}", found.clock_skew);
    assert_eq!(reasons(&admin, &agent).await, ["CLOCK_SKEW"]);
    tell(
        CLOCKS,
        "the control plane's clock is two days ahead of the agent's",
        "connected, CLOCK_SKEW is shown",
        began,
    );
}

#[tokio::test]
async fn revoking_closes_everything_within_five_seconds_and_the_agent_stays_out() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let mut connected = agent.client(&server);
    let session = TestSession::open(&mut connected, crate::agent::hello())
        .await
        .unwrap();
    assert_eq!(refused(connected.append_logs(logs()).await).reason, "STALE_FENCE");
    let begun = Instant::now();
    let request = v1::RevokeAgentRequest { agent: "db1".into() };
    AgentServiceClient::new(admin.clone())
        .revoke_agent(request)
        .await
        .unwrap();
    assert_eq!(
        refused(connected.append_logs(logs()).await).reason,
        "AGENT_REVOKED",
        "on the open connection"
    );
    assert_eq!(end_of(session).await, "AGENT_REVOKED");
    assert_eq!(refused(agent.open_session(&server).await).reason, "AGENT_REVOKED");
    assert_eq!(
        refused(agent.client(&server).append_logs(logs()).await).reason,
        "AGENT_REVOKED"
    );
    assert_eq!(refused(agent.renewed(&server).await).reason, "AGENT_REVOKED");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_asks_something_of_a_revoked_agent_is_told_to_hand_over() {
    let scene = Scene::set().await;
    let request = v1::RevokeAgentRequest { agent: "db1".into() };
    AgentServiceClient::new(scene.admin.clone())
        .revoke_agent(request)
        .await
        .unwrap();
    assert_eq!(end_of(scene.session).await, "AGENT_REVOKED");
    let test = v1::TestDatasourceRequest {
        datasource: "shop".into(),
    };
    let told = refused(
        DatasourceServiceClient::new(scene.admin.clone())
            .test_datasource(test)
            .await,
    );
    assert_eq!(told.reason, "AGENT_REVOKED");
    assert!(
        told.message.contains("dgctl datasource update"),
        "{}",
        told.message
    );
    let test = v1::TestStorageRequest {
        storage: "disk".into(),
    };
    let told = refused(StorageServiceClient::new(scene.admin).test_storage(test).await);
    assert_eq!(told.reason, "AGENT_REVOKED");
}

#[tokio::test]
async fn a_rebuilt_host_becomes_its_agent_and_the_old_one_is_out_at_once() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let old = TestAgent::enroll(&server, &admin, "db1").await;
    let mut connected = old.client(&server);
    let session = TestSession::open(&mut connected, crate::agent::hello())
        .await
        .unwrap();
    let both = v1::CreateJoinTokenRequest {
        name: "db2".into(),
        for_agent: "db1".into(),
        ..v1::CreateJoinTokenRequest::default()
    };
    let error = refused(
        AgentServiceClient::new(admin.clone())
            .create_join_token(both)
            .await,
    );
    assert_eq!(error.fields[0].field, "name");
    let request = v1::CreateJoinTokenRequest {
        for_agent: "db1".into(),
        ..v1::CreateJoinTokenRequest::default()
    };
    let made = AgentServiceClient::new(admin.clone())
        .create_join_token(request)
        .await
        .unwrap();
    let new = TestAgent::enroll_with(&server, &made.into_inner().token).await;
    assert_eq!((&new.id, &new.name), (&old.id, &old.name));
    assert_eq!(
        refused(connected.append_logs(logs()).await).reason,
        "CERTIFICATE_SUPERSEDED"
    );
    assert_eq!(end_of(session).await, "CERTIFICATE_SUPERSEDED");
    assert_eq!(
        refused(old.open_session(&server).await).reason,
        "CERTIFICATE_SUPERSEDED"
    );
    drop(new.open_session_of(&server, "new").await.unwrap());
}

#[tokio::test]
async fn a_locked_agent_stays_and_a_job_on_it_says_so() {
    let mut scene = Scene::set().await;
    let mut agents = AgentServiceClient::new(scene.admin.clone());
    let lock = v1::LockAgentRequest { agent: "db1".into() };
    let locked = agents.lock_agent(lock).await.unwrap().into_inner().agent.unwrap();
    assert!(locked.connected && locked.state() == v1::AgentState::Locked);
    let run = v1::RunJobRequest {
        job: "nightly".into(),
        ..v1::RunJobRequest::default()
    };
    let error = refused(JobServiceClient::new(scene.admin.clone()).run_job(run).await);
    assert_eq!(
        (error.code, error.reason.as_str()),
        (ErrorCode::FailedPrecondition, "AGENT_LOCKED")
    );
    let unlock = v1::UnlockAgentRequest { agent: "db1".into() };
    agents.unlock_agent(unlock).await.unwrap();
    let execution = scene.run_job().await;
    assert_eq!(
        scene.offer().await.fence.unwrap().execution_id,
        execution.id,
        "on the same session"
    );
}
