//! The certificate authority is replaced while everything runs, and nobody is locked out.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use tonic::Code;
use wire::session_response::Message as Heard;

use dataguardian_proto::agent::v1 as wire;

use crate::agent::{TestAgent, join_token, pem};
use crate::server::{Server, Signed, eventually};

async fn rotate(admin: &Signed) -> v1::RotateAuthorityResponse {
    SystemServiceClient::new(admin.clone())
        .rotate_authority(v1::RotateAuthorityRequest {})
        .await
        .unwrap()
        .into_inner()
}

async fn trusted(admin: &Signed) -> Vec<v1::CertificateAuthority> {
    let info = SystemServiceClient::new(admin.clone())
        .get_system_info(v1::GetSystemInfoRequest {})
        .await;
    info.unwrap().into_inner().authorities
}

#[tokio::test]
async fn nobody_is_locked_out_by_a_rotation() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |config| config.agents.renew_within_seconds = 0).await;
    let admin = server.administrator().await;
    let (online, away) = (
        TestAgent::enroll(&server, &admin, "online").await,
        TestAgent::enroll(&server, &admin, "away").await,
    );
    let token = join_token(&admin, "late").await;
    let mut session = online.open_session(&server).await.unwrap();
    let rotated = rotate(&admin).await;
    assert_eq!(rotated.authorities.len(), 2);
    assert!(rotated.authorities[0].signs && !rotated.authorities[1].signs);
    assert_eq!(rotated.authorities[1].pin, server.pin);
    assert_eq!(rotated.authorities[1].agents, 2);

    // Who is connected is asked for a renewal; who was away is when it comes back, and gets in with what it has.
    assert!(matches!(session.next().await.unwrap(), Some(Heard::RenewSoon(_))));
    let mut back = away
        .open_session(&server)
        .await
        .expect("it trusts the old one, and is trusted");
    assert!(matches!(back.next().await.unwrap(), Some(Heard::RenewSoon(_))));
    let renewed = online.renewed(&server).await.unwrap();
    assert_eq!(renewed.authorities.len(), 2);
    let newest_alone = TestAgent {
        authorities: renewed.authorities[..1].to_vec(),
        id: renewed.id.clone(),
        name: renewed.name.clone(),
        chain: renewed.chain.clone(),
        key: rcgen::KeyPair::from_pem(&renewed.key.serialize_pem()).unwrap(),
        server_name: renewed.server_name.clone(),
    };
    drop(
        newest_alone
            .open_session(&server)
            .await
            .expect("the listener shows the new one"),
    );

    // The command with the old pin, the file for clients, the pin that is given out now.
    let ca_pem = std::fs::read_to_string(server.ca_file()).unwrap();
    assert_eq!(ca_pem, rotated.certificate_pem);
    assert_ne!(ca_pem, server.ca_pem);
    drop(TestAgent::enroll_with(&server, &token).await);
    let made = AgentServiceClient::new(admin.clone())
        .create_join_token(v1::CreateJoinTokenRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.ca_pin, rotated.authorities[0].pin);
    for known in [&server.ca_pem, &ca_pem] {
        let signed_in = server.administrator_again(known).await;
        signed_in.expect("the old file and the new one work");
    }

    // Once nobody needs the old one, it is let go, without a restart.
    let away = away.renewed(&server).await.unwrap();
    drop(away.open_session(&server).await.unwrap());
    clock.advance(TimeDelta::days(8));
    let mut left = 2;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while left > 1 && tokio::time::Instant::now() < deadline {
        left = trusted(&server.administrator_again(&ca_pem).await.unwrap())
            .await
            .len();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(left, 1);
    let old_file = server.administrator_again(&server.ca_pem).await;
    assert!(old_file.is_err(), "the old one is trusted by nobody any more");
    let recovered = away.renewed(&server).await.expect("within its 30 days");
    drop(recovered.open_session(&server).await.unwrap());
    assert!(!pem(&recovered.chain).is_empty());
}

#[tokio::test]
async fn an_agent_that_was_away_through_two_rotations_comes_back() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    for _ in 0..2 {
        rotate(&admin).await;
        clock.advance(TimeDelta::days(10));
    }
    assert_eq!(trusted(&admin).await.len(), 3);
    let renewed = agent
        .renewed(&server)
        .await
        .expect("its certificate ended 19 days ago");
    drop(renewed.open_session(&server).await.unwrap());
    eventually("it is gone", Duration::from_secs(5), || {
        server.sessions.count() == 0
    })
    .await;
}

#[tokio::test]
async fn the_key_of_backups_is_replaced_once_by_a_call_that_is_made_again() {
    let server = Server::start().await;
    let mut system = SystemServiceClient::new(server.administrator().await);
    let info = system.get_system_info(v1::GetSystemInfoRequest {}).await;
    let before = info.unwrap().into_inner().installation_keys;
    assert_eq!(before.len(), 1);
    let request = v1::RotateKeyRequest {
        compromised: false,
        expected_key_id: before[0].key_id.clone(),
    };
    let made = system.rotate_key(request.clone()).await.unwrap().into_inner();
    assert_eq!(made.installation_keys.len(), 2);
    assert_eq!(made.installation_keys[1..], before);
    let again = system.rotate_key(request).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition, "{again}");
    let nonsense = v1::RotateKeyRequest {
        compromised: true,
        expected_key_id: "nonsense".to_owned(),
    };
    let refused = system.rotate_key(nonsense).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let info = system.get_system_info(v1::GetSystemInfoRequest {}).await;
    assert_eq!(
        info.unwrap().into_inner().installation_keys,
        made.installation_keys
    );
}
