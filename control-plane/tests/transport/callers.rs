//! Callers are told apart by where they come from: nobody takes all places, tries forever, or passes for somebody else.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_proto::agent::v1::enrollment_service_client::EnrollmentServiceClient;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use rcgen::KeyPair;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::agent::{certificate_request, enroll_request, join_token};
use crate::raw::get_over;
use crate::server::{PASSWORD, Server, refused};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A TCP connection to the API from that address of this machine.
async fn connect_from(server: &Server, address: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((address, 0))).unwrap();
    socket.connect(server.api).await.unwrap()
}

/// Whether the other side hangs up without a word, soon.
async fn hung_up_on(mut stream: TcpStream) -> bool {
    let mut sink = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut sink)).await;
    reading.is_ok() && sink.is_empty()
}

#[tokio::test]
async fn one_address_does_not_take_every_place() {
    let server = Server::start_with(|config| config.api.limits.max_connections_per_address = 3).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(connect_from(&server, HERE).await);
    }
    assert!(hung_up_on(connect_from(&server, HERE).await).await);
    let other = get_over(&server, connect_from(&server, THERE).await, "/health").await;
    assert_eq!(other.unwrap().status, 200);
    open.pop();
    let again = async {
        loop {
            let stream = connect_from(&server, HERE).await;
            match get_over(&server, stream, "/health").await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(10), again).await;
    assert_eq!(again.expect("a place is free again").status, 200);
}

#[tokio::test]
async fn a_trusted_proxy_says_who_calls_and_nobody_else_does() {
    let server = Server::start_with(|config| {
        config.api.trusted_proxies = vec!["127.0.0.2/32".parse().unwrap()];
    })
    .await;
    // The metrics are open to loopback, and to nobody else without a token.
    let cases = [
        (THERE, "PROXY TCP4 203.0.113.7 192.0.2.9 5555 8443\r\n", Some(401)),
        (THERE, "PROXY TCP4 127.0.0.1 192.0.2.9 5555 8443\r\n", Some(200)),
        (THERE, "PROXY UNKNOWN\r\n", Some(200)),
        (THERE, "", None),
        (HERE, "", Some(200)),
        (HERE, "PROXY TCP4 203.0.113.7 192.0.2.9 5555 8443\r\n", None),
    ];
    for (from, header, expected) in cases {
        let mut stream = connect_from(&server, from).await;
        stream.write_all(header.as_bytes()).await.unwrap();
        let answered = get_over(&server, stream, "/metrics").await.ok();
        let status = answered.map(|answer| answer.status);
        assert_eq!(status, expected, "{header:?} from {from}");
    }
}

#[tokio::test]
async fn join_tokens_are_not_tried_forever_and_keep_nobody_from_signing_in() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    let token = join_token(&admin, "db1").await;
    let key = KeyPair::generate().unwrap();
    let mut client = EnrollmentServiceClient::new(server.channel());
    let mut enroll = async |token: &str| {
        let request = enroll_request(token, certificate_request(&key, |_| {}));
        client.enroll(request).await
    };
    for _ in 0..30 {
        let error = refused(enroll("dgj_wrong").await);
        assert_eq!(error.reason, "JOIN_TOKEN_UNKNOWN");
    }
    let error = refused(enroll(&token).await);
    assert_eq!(
        (error.reason.as_str(), error.retry_after),
        ("TOO_MANY_TRIES", Some(Duration::from_secs(1)))
    );
    let login = v1::LoginRequest {
        username: "admin".to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    AuthServiceClient::new(server.channel())
        .login(login)
        .await
        .expect("signing in is another matter");
    clock.advance(chrono::TimeDelta::seconds(1));
    enroll(&token).await.expect("whoever waited may try again");
}
