use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::access::{Permission, methods};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::agent_service_client::AgentServiceClient as AgentSideClient;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use tokio::time::Instant;
use tonic::Code;
use wire::session_request::Message as Said;
use wire::session_response::Message as Heard;

use crate::agent::{TestAgent, TestSession};
use crate::faults::tell;
use crate::raw;
use crate::scene::{Scene, failure};
use crate::server::{PASSWORD, Server, refused};

/// A section of the report.
const CERTIFICATES: &str = "what an agent's certificate is good for; the time is that of the test";

#[tokio::test]
async fn nobody_calls_anything_without_proving_who_he_is() {
    let server = Server::start().await;
    let closed = methods()
        .unwrap()
        .into_iter()
        .filter(|(_, access)| access.permission != Permission::Open);
    let mut seen = 0;
    for (path, _) in closed.filter(|(path, _)| path.starts_with("/dataguardian.v1.")) {
        let headers = "content-type: application/grpc-web+proto\r\nx-grpc-web: 1\r\n";
        let answer = raw::post(&server, &path, headers, &[0, 0, 0, 0, 0]).await;
        assert!(
            answer.head.contains("grpc-status: 16") || answer.text().contains("grpc-status:16"),
            "{path}: {}",
            answer.head
        );
        seen += 1;
    }
    assert!(seen > 25, "only {seen} methods were tried");
}

#[tokio::test]
async fn a_wrong_token_is_refused_with_a_reason() {
    let server = Server::start().await;
    let token = server.set_up().await.api_token;
    let mut other = token.clone();
    let last = if other.pop() == Some('0') { '1' } else { '0' };
    other.push(last);
    for wrong in ["", "x", "dg_", &other] {
        let mut client = SystemServiceClient::new(server.signed(wrong));
        let error = refused(client.get_system_info(v1::GetSystemInfoRequest {}).await);
        assert_eq!(error.code, ErrorCode::Unauthenticated, "{wrong}: {error:?}");
        assert_ne!(error.reason, "UNKNOWN");
    }
    let mut client = SystemServiceClient::new(server.signed(&token));
    let info = client
        .get_system_info(v1::GetSystemInfoRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(info.metadata_backend, "sqlite");
}

#[tokio::test]
async fn a_token_ends() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let token = server.set_up().await.api_token;
    let mut client = SystemServiceClient::new(server.signed(&token));
    assert!(client.get_system_info(v1::GetSystemInfoRequest {}).await.is_ok());
    clock.advance(TimeDelta::days(400));
    let error = refused(client.get_system_info(v1::GetSystemInfoRequest {}).await);
    assert_eq!(error.code, ErrorCode::Unauthenticated, "{error:?}");
}

#[tokio::test]
async fn signing_in_and_out() {
    let server = Server::start().await;
    server.set_up().await;
    let mut open = AuthServiceClient::new(server.channel());
    let login = |password: &str| v1::LoginRequest {
        username: "admin".to_owned(),
        password: password.to_owned(),
        ..Default::default()
    };
    let wrong = refused(open.login(login("not the right one")).await);
    assert_eq!(wrong.code, ErrorCode::Unauthenticated);
    let token = open.login(login(PASSWORD)).await.unwrap().into_inner().api_token;
    let mut signed = AuthServiceClient::new(server.signed(&token));
    let who = signed.who_am_i(v1::WhoAmIRequest {}).await.unwrap().into_inner();
    assert_eq!(who.user.unwrap().username, "admin");
    signed.logout(v1::LogoutRequest {}).await.unwrap();
    let error = refused(signed.who_am_i(v1::WhoAmIRequest {}).await);
    assert_eq!(error.code, ErrorCode::Unauthenticated);
}

#[tokio::test]
async fn setup_works_once() {
    let server = Server::start().await;
    server.set_up().await;
    let again = v1::SetupRequest {
        setup_token: "dgsetup_x".to_owned(),
        username: "second".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    let error = refused(AuthServiceClient::new(server.channel()).setup(again).await);
    assert!(
        matches!(
            error.code,
            ErrorCode::Unauthenticated | ErrorCode::FailedPrecondition
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_agents_certificate_opens_no_door_of_the_api_and_a_token_none_of_the_agents() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;

    // The agent on the API port: it shows a certificate, nobody asks for it.
    let mut api = JobServiceClient::new(agent_on_api(&agent, &server));
    assert_eq!(
        refused(api.list_jobs(v1::ListJobsRequest::default()).await).code,
        ErrorCode::Unauthenticated
    );

    // The API's services on the agent port.
    let mut admin_side = AgentServiceClient::new(agent.channel(&server));
    let error = refused(admin_side.list_agents(v1::ListAgentsRequest::default()).await);
    assert_eq!(error.code, ErrorCode::PermissionDenied, "{error:?}");

    // The agents' service on the API port, even for the administrator.
    let mut agent_side = AgentSideClient::new(admin.clone());
    let status = agent_side
        .append_logs(wire::AppendLogsRequest::default())
        .await
        .unwrap_err();
    assert!(
        matches!(status.code(), Code::PermissionDenied | Code::Unimplemented),
        "{status:?}"
    );

    // The agent port without a certificate: not even the handshake.
    let mut nobody = AgentSideClient::new(server_channel_without_certificate(&server, &agent));
    assert!(
        nobody
            .append_logs(wire::AppendLogsRequest::default())
            .await
            .is_err()
    );
}

/// The agents' own methods that name an attempt.
const REPORTS: [&str; 6] = [
    "AppendLogs",
    "CompleteAttempt",
    "ConfirmCommit",
    "FetchManifest",
    "ListPacks",
    "ReportPacks",
];

#[tokio::test]
async fn of_all_methods_an_agents_certificate_opens_the_agents_own_and_on_the_agents_port_alone() {
    let began = Instant::now();
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    let (mut own, mut foreign) = (Vec::new(), 0);
    for (path, access) in methods().unwrap() {
        let own_method = access.permission == Permission::Named("agent.self".to_owned());
        let on_agents_port = call_empty(agent.channel(&server), &path).await;
        if own_method {
            assert!(
                !matches!(
                    on_agents_port,
                    Some(Code::PermissionDenied | Code::Unimplemented | Code::Unauthenticated)
                ),
                "{path}: {on_agents_port:?}"
            );
            own.push(path.clone());
        } else {
            assert_eq!(on_agents_port, Some(Code::PermissionDenied), "{path}");
            foreign += 1;
        }
        if access.permission != Permission::Open {
            let on_api = call_empty(agent_on_api(&agent, &server), &path).await;
            // The agents' own methods are not even there.
            let refusal = if own_method {
                Code::Unimplemented
            } else {
                Code::Unauthenticated
            };
            assert_eq!(on_api, Some(refusal), "{path}");
        }
    }
    own.sort();
    // What SendBackup names is a transfer: whose that is, the tests of downloads show.
    let mut known: Vec<_> = REPORTS
        .iter()
        .chain(&["RenewCertificate", "SendBackup", "Session"])
        .map(|name| format!("/dataguardian.agent.v1.AgentService/{name}"))
        .collect();
    known.sort();
    assert_eq!(
        own, known,
        "a new method of the agents' needs its line in the tests of what names an attempt"
    );
    assert!(foreign > 35, "only {foreign} methods were tried");
    let outcome = format!("its own {} work, the other {foreign} are refused", own.len());
    tell(
        CERTIFICATES,
        "an agent's certificate is used to call every RPC on both ports",
        &outcome,
        began,
    );
}

#[tokio::test]
async fn an_attempt_of_another_agent_is_stale_by_whatever_method_it_is_named() {
    let began = Instant::now();
    let mut scene = Scene::set().await;
    let thief = TestAgent::enroll(&scene.server, &scene.admin, "thief").await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    let fence = offer.fence.clone();
    let mut client = thief.client(&scene.server);
    for method in REPORTS {
        let fence = fence.clone();
        let status = match method {
            "AppendLogs" => client
                .append_logs(wire::AppendLogsRequest {
                    fence,
                    ..Default::default()
                })
                .await
                .map(drop),
            "ListPacks" => client
                .list_packs(wire::ListPacksRequest {
                    fence,
                    standing: wire::PackStanding::Left.into(),
                    ..Default::default()
                })
                .await
                .map(drop),
            "ReportPacks" => client
                .report_packs(wire::ReportPacksRequest {
                    fence,
                    ..Default::default()
                })
                .await
                .map(drop),
            "CompleteAttempt" => {
                let outcome = Some(failure());
                client
                    .complete_attempt(wire::CompleteAttemptRequest {
                        fence,
                        outcome,
                        progress: None,
                    })
                    .await
                    .map(drop)
            }
            "ConfirmCommit" => client
                .confirm_commit(wire::ConfirmCommitRequest {
                    fence,
                    ..Default::default()
                })
                .await
                .map(drop),
            "FetchManifest" => client
                .fetch_manifest(wire::FetchManifestRequest { fence })
                .await
                .map(drop),
            other => panic!("{other} is not tried"),
        };
        assert_eq!(refused(status).reason, "STALE_FENCE", "{method}");
    }
    messages_about_another_ones_attempt_are_answered_with_a_cancel(&mut client, fence).await;
    // The attempt is its own agent's as before.
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    scene.complete(&offer, failure()).await;
    let fault = "an agent names another one's attempt in every report and message";
    tell(
        CERTIFICATES,
        fault,
        "STALE_FENCE, the attempt goes on as its own agent's",
        began,
    );
}

/// The messages of a session that name an attempt.
async fn messages_about_another_ones_attempt_are_answered_with_a_cancel(
    client: &mut AgentSideClient<tonic::transport::Channel>,
    fence: Option<wire::Fence>,
) {
    let hello = wire::Hello {
        in_flight: vec![wire::InFlight {
            fence: fence.clone(),
            running: true,
        }],
        ..crate::agent::hello()
    };
    let mut session = TestSession::open(client, hello).await.unwrap();
    assert_eq!(session.welcome.verdicts[0].kind(), wire::VerdictKind::Abandon);
    let progress = Said::Progress(wire::AttemptProgress {
        fence: fence.clone(),
        ..Default::default()
    });
    for said in [Said::Accept(wire::Accept { fence: fence.clone() }), progress] {
        session.say(said).await;
        match session.next().await.unwrap().unwrap() {
            Heard::Cancel(cancel) => assert_eq!(cancel.fence, fence),
            other => panic!("not told to stop: {other:?}"),
        }
    }
    session
        .say(Said::Decline(wire::Decline {
            fence,
            reason: "mine".into(),
        }))
        .await;
}

/// Calls a method with an empty message, and gives the status; none if it is a good one.
async fn call_empty(channel: tonic::transport::Channel, path: &str) -> Option<Code> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<(), ()>::default();
    let path = path.parse().unwrap();
    let called = client.unary(tonic::Request::new(()), path, codec).await;
    called.err().map(|status| status.code())
}

fn agent_on_api(agent: &TestAgent, server: &Server) -> tonic::transport::Channel {
    use tonic::transport::{Certificate, ClientTlsConfig, Identity};
    let identity = Identity::from_pem(crate::agent::pem(&agent.chain), agent.key.serialize_pem());
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&server.ca_pem))
        .identity(identity)
        .domain_name("localhost");
    crate::server::endpoint(server.api)
        .tls_config(tls)
        .unwrap()
        .connect_lazy()
}

fn server_channel_without_certificate(server: &Server, agent: &TestAgent) -> tonic::transport::Channel {
    use tonic::transport::{Certificate, ClientTlsConfig};
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&server.ca_pem))
        .domain_name(&agent.server_name);
    crate::server::endpoint(server.agents)
        .tls_config(tls)
        .unwrap()
        .connect_lazy()
}
