use std::time::Duration;

use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::raw::{connect, get};
use crate::server::{Server, refused};

/// Reads until the other side hangs up, and says how long that took.
async fn until_closed(mut stream: impl tokio::io::AsyncRead + Unpin) -> Duration {
    let begun = Instant::now();
    let mut sink = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut sink)).await;
    let _ = reading.expect("the server hangs up");
    begun.elapsed()
}

fn quick(config: &mut dataguardian_control_plane::config::Config) {
    config.api.limits.handshake_timeout_ms = 500;
    config.api.limits.max_handshakes = 2;
}

#[tokio::test]
async fn whoever_says_nothing_is_hung_up_on_and_holds_up_nobody() {
    let server = Server::start_with(quick).await;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(server.api).await.unwrap());
    }
    assert_eq!(
        get(&server, "/health", "").await.status,
        200,
        "others are served meanwhile"
    );
    for stream in silent {
        assert!(until_closed(stream).await < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn half_a_handshake_does_not_last() {
    let server = Server::start_with(quick).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(server.api).await.unwrap();
        stream.write_all(&[0x16, 0x03, 0x01, 0x02, 0x00]).await.unwrap();
        slow.push(stream);
    }
    for stream in slow {
        assert!(until_closed(stream).await < Duration::from_secs(10));
    }
    assert_eq!(get(&server, "/health", "").await.status, 200);
}

#[tokio::test]
async fn a_connection_without_a_call_does_not_last() {
    let server = Server::start_with(quick).await;
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let stream = connect(&server, protocol).await;
        assert!(until_closed(stream).await < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_and_nothing_else() {
    let server = Server::start().await;
    for nonsense in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 4096],
        b"\x16\x03\x01\x00\x05hello",
    ] {
        let mut stream = TcpStream::connect(server.api).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        until_closed(stream).await;
    }
    let mut stream = connect(&server, b"h2").await;
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff")
        .await
        .unwrap();
    until_closed(stream).await;
    assert_eq!(get(&server, "/health", "").await.status, 200);
}

#[tokio::test]
async fn wrong_passwords_cost_ever_more_time() {
    let server = Server::start().await;
    server.set_up().await;
    let mut client = AuthServiceClient::new(server.channel());
    let mut last = None;
    for _ in 0..8 {
        let request = v1::LoginRequest {
            username: "admin".to_owned(),
            password: "not the right one".to_owned(),
            ..Default::default()
        };
        last = Some(refused(client.login(request).await));
    }
    let last = last.unwrap();
    assert_eq!(last.reason, "TOO_MANY_TRIES");
    assert!(last.retry_after.is_some());
}

#[tokio::test]
async fn stopping_ends_idle_connections_at_once() {
    let server = Server::start().await;
    let mut client = AuthServiceClient::new(server.channel());
    drop(client.who_am_i(v1::WhoAmIRequest {}).await);
    let begun = Instant::now();
    server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10));
}
