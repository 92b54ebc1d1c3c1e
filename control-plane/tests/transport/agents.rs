use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::enrollment_service_client::EnrollmentServiceClient;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use rcgen::KeyPair;
use wire::session_request::Message as Said;
use wire::session_response::Message as Heard;

use crate::agent::{TestAgent, TestSession, certificate_request, enroll_request, hello, join_token};
use crate::server::{Server, Signed, eventually, refused};

pub(crate) async fn shown(admin: &Signed, agent: &TestAgent) -> v1::Agent {
    let request = v1::GetAgentRequest {
        agent: agent.name.clone(),
    };
    AgentServiceClient::new(admin.clone())
        .get_agent(request)
        .await
        .unwrap()
        .into_inner()
        .agent
        .unwrap()
}

pub(crate) fn fence() -> wire::Fence {
    wire::Fence {
        execution_id: uuid::Uuid::now_v7().to_string(),
        attempt: 1,
        lease_token: uuid::Uuid::now_v7().to_string(),
    }
}

#[tokio::test]
async fn a_host_enrolls_opens_a_session_and_is_seen() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    assert!(!shown(&admin, &agent).await.connected);
    let mut session = agent.open_session(&server).await.unwrap();
    assert_eq!((session.welcome.epoch, session.welcome.protocol), (1, 1));
    assert_eq!(session.welcome.heartbeat_interval.unwrap().seconds, 10);
    session
        .say(Said::Heartbeat(wire::Heartbeat {
            sequence: 41,
            free_slots: 1,
            now: None,
        }))
        .await;
    match session.next().await.unwrap().unwrap() {
        Heard::HeartbeatSeen(seen) => assert_eq!(seen.sequence, 41),
        other => panic!("not a heartbeat's answer: {other:?}"),
    }
    let shown = shown(&admin, &agent).await;
    assert!(
        shown.connected && shown.hostname == "db1.example.org",
        "{shown:?}"
    );
    drop(session);
    eventually("the session is forgotten", Duration::from_secs(5), || {
        server.sessions.count() == 0
    })
    .await;
}

#[tokio::test]
async fn the_command_to_paste_names_the_server_and_the_pin() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let request = v1::CreateJoinTokenRequest {
        name: "db1".into(),
        ..v1::CreateJoinTokenRequest::default()
    };
    let made = AgentServiceClient::new(admin)
        .create_join_token(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.ca_pin, server.pin);
    for (command, word) in [
        (&made.enroll_command, "enroll"),
        (&made.install_command, "install"),
    ] {
        let expected = format!(
            "dataguardian-agent {word} --server https://{} --ca-pin {} --token-file -",
            server.api, server.pin
        );
        assert_eq!(command, &expected);
        assert!(!command.contains(&made.token));
    }
}

#[tokio::test]
async fn a_join_token_makes_one_agent_and_the_same_host_may_ask_again() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let token = join_token(&admin, "db1").await;
    let mut client = EnrollmentServiceClient::new(server.channel());
    let key = KeyPair::generate().unwrap();
    let request = || enroll_request(&token, certificate_request(&key, |_| {}));
    let first = client.enroll(request()).await.unwrap().into_inner();
    let second = client.enroll(request()).await.unwrap().into_inner();
    assert_eq!(first.agent_id, second.agent_id);
    let other = KeyPair::generate().unwrap();
    let stolen = enroll_request(&token, certificate_request(&other, |_| {}));
    assert_eq!(
        refused(client.enroll(stolen).await).code,
        ErrorCode::Unauthenticated
    );
}

#[tokio::test]
async fn reports_on_what_is_not_the_agents_own_are_stale() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let mut client = agent.client(&server);
    let logs = wire::AppendLogsRequest {
        fence: Some(fence()),
        ..wire::AppendLogsRequest::default()
    };
    assert_eq!(refused(client.append_logs(logs).await).reason, "STALE_FENCE");
    let packs = wire::ReportPacksRequest {
        fence: Some(fence()),
        packs: Vec::new(),
    };
    assert_eq!(refused(client.report_packs(packs).await).reason, "STALE_FENCE");
    let none = refused(client.report_packs(wire::ReportPacksRequest::default()).await);
    assert_eq!(none.fields[0].field, "fence");
}

#[tokio::test]
async fn an_attempt_that_nobody_knows_is_to_be_abandoned() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let named = wire::InFlight {
        fence: Some(fence()),
        running: true,
    };
    let hello = wire::Hello {
        in_flight: vec![named.clone()],
        ..hello()
    };
    let session = TestSession::open(&mut agent.client(&server), hello)
        .await
        .unwrap();
    let verdicts = &session.welcome.verdicts;
    assert_eq!(verdicts.len(), 1);
    assert_eq!(
        (verdicts[0].fence.clone(), verdicts[0].kind()),
        (named.fence, wire::VerdictKind::Abandon)
    );
}

#[tokio::test]
async fn a_newer_session_replaces_the_older_one() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let first = agent.open_session(&server).await.unwrap();
    let second = agent.open_session(&server).await.unwrap();
    assert!(second.welcome.epoch > first.welcome.epoch);
    let status = first.end().await.expect("the older stream ends with a reason");
    assert_eq!(ApiError::from(&status).reason, "SESSION_REPLACED");
    assert_eq!(server.sessions.count(), 1);
}

#[tokio::test]
async fn an_agent_that_falls_silent_is_gone_after_three_heartbeats() {
    let server = Server::start_with(|config| config.agents.heartbeat_interval_ms = 300).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let session = agent.open_session(&server).await.unwrap();
    let status = session.end().await.expect("the stream ends with a reason");
    assert_eq!(ApiError::from(&status).reason, "AGENT_SILENT");
    eventually("the session is forgotten", Duration::from_secs(5), || {
        server.sessions.count() == 0
    })
    .await;
}

#[tokio::test]
async fn hello_comes_first_and_in_a_version_that_both_speak() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let newer = wire::Hello {
        protocol_min: 2,
        protocol_max: 9,
        ..hello()
    };
    let error = refused(TestSession::open(&mut agent.client(&server), newer).await);
    assert_eq!(error.reason, "PROTOCOL_MISMATCH");
    let heartbeat = wire::SessionRequest {
        message: Some(Said::Heartbeat(wire::Heartbeat::default())),
    };
    let error = refused(
        agent
            .client(&server)
            .session(tokio_stream::iter([heartbeat]))
            .await,
    );
    assert_eq!(error.fields[0].field, "hello");
}

#[tokio::test]
async fn a_storage_is_made_by_asking_the_agent() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let mut storages = StorageServiceClient::new(admin);
    let local = v1::LocalStorage {
        agent: "db1".to_owned(),
        path: "/var/backups".to_owned(),
    };
    let request = v1::CreateStorageRequest {
        name: "disk".to_owned(),
        location: Some(v1::create_storage_request::Location::Local(local)),
        ..v1::CreateStorageRequest::default()
    };
    let absent = refused(storages.create_storage(request.clone()).await);
    assert_eq!(absent.reason, "AGENT_NOT_CONNECTED");
    let mut session = agent.open_session(&server).await.unwrap();
    let answering = async {
        let Some(Heard::Question(question)) = session.next().await.unwrap() else {
            panic!("not a question")
        };
        let Some(wire::question::Question::PrepareStorage(prepare)) = question.question else {
            panic!("not that one")
        };
        let answer = wire::PrepareStorageAnswer {
            repository_id: prepare.repository.unwrap().repository_id,
            conditional_put: true,
            free_bytes: None,
        };
        let answer = wire::Answer {
            request_id: question.request_id,
            answer: Some(wire::answer::Answer::PrepareStorage(answer)),
        };
        session.say(Said::Answer(answer)).await;
    };
    let (made, ()) = tokio::join!(storages.create_storage(request), answering);
    let made = made.unwrap().into_inner().storage.unwrap();
    assert!(made.conditional_put && !made.protected_from_agents);

    let next = v1::CreateStorageRequest {
        name: "second".to_owned(),
        location: Some(v1::create_storage_request::Location::Local(v1::LocalStorage {
            agent: "db1".to_owned(),
            path: "/mnt/second".to_owned(),
        })),
        ..v1::CreateStorageRequest::default()
    };
    let looking = async {
        let Some(Heard::Question(question)) = session.next().await.unwrap() else {
            panic!("not a question")
        };
        let Some(wire::question::Question::PrepareStorage(prepare)) = question.question else {
            panic!("not that one")
        };
        let failure = v1::Failure {
            reason: "STORAGE_DENIED".to_owned(),
            message: "it leads there, too".to_owned(),
            ..v1::Failure::default()
        };
        session
            .say(Said::Answer(wire::Answer {
                request_id: question.request_id,
                answer: Some(wire::answer::Answer::Failure(failure)),
            }))
            .await;
        prepare.neighbours
    };
    let (refusal, neighbours) = tokio::join!(storages.create_storage(next), looking);
    assert_eq!(refused(refusal).reason, "STORAGE_DENIED");
    let first = wire::NeighbouringStorage {
        name: "disk".to_owned(),
        local_path: "/var/backups".to_owned(),
    };
    assert_eq!(
        neighbours,
        [first],
        "the agent has to know what to keep apart from"
    );
}

#[tokio::test]
async fn stopping_sends_agents_away_with_a_word() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let mut session = agent.open_session(&server).await.unwrap();
    let stopping = async { server.stop().await };
    let leaving = async {
        assert!(matches!(session.next().await.unwrap(), Some(Heard::Drain(_))));
        let status = session.end().await.expect("the stream ends with a reason");
        assert_eq!(ApiError::from(&status).reason, "STOPPING");
    };
    tokio::join!(stopping, leaving);
}
