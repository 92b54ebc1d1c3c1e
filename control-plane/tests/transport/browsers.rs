//! Browsers: signed in by a cookie that counts from our own pages alone.

use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use prost::Message;

use crate::raw::{self, Answer};
use crate::server::{PASSWORD, Server, refused};

const AUTH: &str = "/dataguardian.v1.AuthService";
/// What a page of ours sends.
const OWN: &str = "x-dg-csrf: 1\r\norigin: https://localhost\r\n";

fn framed(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// The message in the first frame of an answer.
fn message<M: Message + Default>(answer: &Answer) -> M {
    let length = u32::from_be_bytes(answer.body[1..5].try_into().unwrap()) as usize;
    M::decode(&answer.body[5..5 + length]).unwrap()
}

async fn web(server: &Server, method: &str, headers: &str, message: &impl Message) -> Answer {
    let headers = format!("content-type: application/grpc-web+proto\r\n{headers}");
    raw::post(server, &format!("{AUTH}/{method}"), &headers, &framed(message)).await
}

fn login(cookie: bool) -> v1::LoginRequest {
    v1::LoginRequest {
        username: "admin".to_owned(),
        password: PASSWORD.to_owned(),
        cookie,
        ..Default::default()
    }
}

/// The whole line that sets the cookie.
fn set_cookie(answer: &Answer) -> &str {
    let line = answer.head.lines().find(|line| line.starts_with("set-cookie: "));
    line.unwrap_or_else(|| panic!("no cookie: {} {}", answer.head, answer.text()))
}

fn cookie_header(answer: &Answer) -> String {
    let line = set_cookie(answer).trim_start_matches("set-cookie: ");
    format!("cookie: {}\r\n", line.split(';').next().unwrap())
}

fn has_status(answer: &Answer, code: u8) -> bool {
    answer.head.contains(&format!("grpc-status: {code}\r\n"))
        || answer.head.ends_with(&format!("grpc-status: {code}"))
        || answer.text().contains(&format!("grpc-status:{code}\r\n"))
}

#[tokio::test]
async fn a_page_of_ours_signs_in_with_a_cookie_that_no_script_reads() {
    let server = Server::start().await;
    server.set_up().await;
    let answer = web(&server, "Login", OWN, &login(true)).await;
    let line = set_cookie(&answer).to_owned();
    for part in [
        "dg_session=dgs_",
        "; httponly",
        "; samesite=strict",
        "; path=/",
        "; secure",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let told: v1::LoginResponse = message(&answer);
    assert_eq!(told.api_token, "");
    assert_eq!(told.user.unwrap().username, "admin");

    let signed = format!("{OWN}{}", cookie_header(&answer));
    let who: v1::WhoAmIResponse = message(&web(&server, "WhoAmI", &signed, &v1::WhoAmIRequest {}).await);
    assert_eq!(who.user.unwrap().username, "admin");
    let second = |time: Option<prost_types::Timestamp>| time.unwrap().seconds;
    assert_eq!(second(who.session_expires_at), second(told.expires_at));
    assert!(
        who.permissions.contains(&"jobs.run".to_owned()),
        "{:?}",
        who.permissions
    );
    assert!(!who.permissions.iter().any(|name| name.ends_with(".self")));

    let bye = web(&server, "Logout", &signed, &v1::LogoutRequest {}).await;
    assert!(set_cookie(&bye).contains("dg_session=; "), "{}", bye.head);
    assert!(has_status(
        &web(&server, "WhoAmI", &signed, &v1::WhoAmIRequest {}).await,
        16
    ));
}

#[tokio::test]
async fn the_first_administrator_gets_a_cookie_too() {
    let server = Server::start().await;
    let file = server.setup_token.as_ref().unwrap();
    let request = v1::SetupRequest {
        setup_token: std::fs::read_to_string(file).unwrap().trim().to_owned(),
        username: "admin".to_owned(),
        password: PASSWORD.to_owned(),
        cookie: true,
    };
    let answer = web(&server, "Setup", OWN, &request).await;
    let signed = format!("{OWN}{}", cookie_header(&answer));
    assert!(has_status(
        &web(&server, "WhoAmI", &signed, &v1::WhoAmIRequest {}).await,
        0
    ));
}

#[tokio::test]
async fn a_cookie_counts_from_no_other_page_and_from_no_program() {
    let server = Server::start().await;
    server.set_up().await;
    let answer = web(&server, "Login", OWN, &login(true)).await;
    let cookie = cookie_header(&answer);
    for foreign in [
        "",
        "x-dg-csrf: 1\r\n",
        "origin: https://localhost\r\n",
        "x-dg-csrf: 0\r\norigin: https://localhost\r\n",
        "x-dg-csrf: 1\r\norigin: https://evil.example\r\n",
        "x-dg-csrf: 1\r\norigin: http://localhost\r\n",
        "x-dg-csrf: 1\r\norigin: null\r\n",
        "x-dg-csrf: 1\r\norigin: https://localhost:1\r\n",
    ] {
        let refused = web(
            &server,
            "WhoAmI",
            &format!("{foreign}{cookie}"),
            &v1::WhoAmIRequest {},
        )
        .await;
        assert!(has_status(&refused, 16), "{foreign:?}: {}", refused.head);
        // Nor is one given there.
        let login = web(&server, "Login", foreign, &login(true)).await;
        assert!(has_status(&login, 7), "{foreign:?}: {}", login.head);
        assert!(!login.head.contains("set-cookie"), "{foreign:?}");
    }
    // By plain gRPC, whatever the headers.
    let mut client = AuthServiceClient::new(server.channel());
    let mut request = tonic::Request::new(v1::WhoAmIRequest {});
    let value = cookie.trim().trim_start_matches("cookie: ").parse().unwrap();
    let headers = request.metadata_mut();
    headers.insert("cookie", value);
    headers.insert("x-dg-csrf", "1".parse().unwrap());
    headers.insert("origin", "https://localhost".parse().unwrap());
    let error = refused(client.who_am_i(request).await);
    assert_eq!(
        (error.code, error.reason.as_str()),
        (ErrorCode::Unauthenticated, "COOKIE_REFUSED")
    );
    let error = refused(client.login(login(true)).await);
    assert_eq!(
        (error.code, error.reason.as_str()),
        (ErrorCode::PermissionDenied, "COOKIE_REFUSED")
    );
    // As a token it is none.
    let token = cookie.trim().trim_start_matches("cookie: dg_session=").to_owned();
    let mut client = AuthServiceClient::new(server.signed(&token));
    assert_eq!(
        refused(client.who_am_i(v1::WhoAmIRequest {}).await).reason,
        "BAD_TOKEN"
    );
}

#[tokio::test]
async fn a_browser_is_signed_out_when_nobody_uses_it() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    server.set_up().await;
    let answer = web(&server, "Login", OWN, &login(true)).await;
    let signed = format!("{OWN}{}", cookie_header(&answer));
    let status = async || web(&server, "WhoAmI", &signed, &v1::WhoAmIRequest {}).await;
    for _ in 0..3 {
        clock.advance(TimeDelta::hours(11));
        assert!(has_status(&status().await, 0), "it is used");
    }
    clock.advance(TimeDelta::hours(12));
    assert!(has_status(&status().await, 16));
}

#[tokio::test]
async fn sign_ins_are_listed_and_ended_one_by_one_and_by_another_password() {
    let server = Server::start().await;
    let mut first = AuthServiceClient::new(server.administrator().await);
    let browser = web(&server, "Login", OWN, &login(true)).await;
    let signed = format!("{OWN}{}", cookie_header(&browser));
    let other = AuthServiceClient::new(server.channel())
        .login(login(false))
        .await
        .unwrap();
    let mut other = AuthServiceClient::new(server.signed(&other.into_inner().api_token));

    let listed = first
        .list_sessions(v1::ListSessionsRequest {})
        .await
        .unwrap()
        .into_inner()
        .sessions;
    let kinds: Vec<_> = listed
        .iter()
        .map(|session| (session.kind(), session.current))
        .collect();
    use v1::SessionKind::{Browser, Program};
    assert_eq!(kinds, [(Program, false), (Browser, false), (Program, true)]);
    assert!(listed.iter().all(|session| session.address == "127.0.0.1"));

    let revoke = |id: &str| v1::RevokeSessionRequest {
        session_id: id.to_owned(),
    };
    first.revoke_session(revoke(&listed[0].id)).await.unwrap();
    let gone = refused(first.revoke_session(revoke(&listed[0].id)).await);
    assert_eq!(gone.reason, "SESSION_NOT_FOUND");
    assert_eq!(
        refused(other.who_am_i(v1::WhoAmIRequest {}).await).code,
        ErrorCode::Unauthenticated
    );

    let change = |old: &str, new: &str| v1::ChangePasswordRequest {
        old_password: old.to_owned(),
        new_password: new.to_owned(),
    };
    let wrong = refused(
        first
            .change_password(change("not the right one", "another long password"))
            .await,
    );
    assert_eq!(wrong.reason, "WRONG_PASSWORD");
    let short = refused(first.change_password(change(PASSWORD, "short")).await);
    assert_eq!(short.fields[0].field, "new_password");
    first
        .change_password(change(PASSWORD, "another long password"))
        .await
        .unwrap();
    assert!(has_status(
        &web(&server, "WhoAmI", &signed, &v1::WhoAmIRequest {}).await,
        16
    ));
    first.who_am_i(v1::WhoAmIRequest {}).await.unwrap();
    let old = refused(AuthServiceClient::new(server.channel()).login(login(false)).await);
    assert_eq!(old.reason, "WRONG_CREDENTIALS");
}
