//! The proxy cuts, stalls and refuses as it is told.

use std::time::Duration;

use anyhow::Result;
use dataguardian_tests::{
    postgres::{Postgres, Version},
    tcp_proxy::{Direction, Side, TcpProxy},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Sends back what it gets, for as many clients as come.
async fn echo(tasks: &mut JoinSet<()>) -> Result<std::net::SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tasks.spawn(async move {
        let mut clients = JoinSet::new();
        while let Ok((client, _)) = listener.accept().await {
            clients.spawn(async move {
                let (mut from, mut to) = client.into_split();
                // Its client may be cut off at any time.
                tokio::io::copy(&mut from, &mut to).await.unwrap_or_default();
            });
        }
    });
    Ok(address)
}

async fn answers(stream: &mut TcpStream, text: &[u8]) -> bool {
    let mut answer = vec![0; text.len()];
    stream.write_all(text).await.is_ok() && stream.read_exact(&mut answer).await.is_ok() && answer == text
}

#[tokio::test]
async fn bytes_pass_and_are_counted() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut stream, b"hello").await);
    let totals = proxy.wait_until(|totals| totals.from_server == 5).await.unwrap();
    assert_eq!((totals.connections, totals.open, totals.from_client), (1, 1, 5));
    drop(stream);
    proxy.wait_until(|totals| totals.open == 0).await.unwrap();
}

#[tokio::test]
async fn a_cut_resets_open_connections_and_new_ones_pass() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut stream, b"hello").await);
    proxy.cut();
    let error = stream.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut stream, b"again").await);
}

#[tokio::test]
async fn a_connection_is_cut_after_exactly_so_many_bytes() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    proxy.cut_after(Direction::FromServer, 7);
    assert!(answers(&mut stream, b"seven b").await);
    assert!(!answers(&mut stream, b"!").await);
    assert_eq!(proxy.totals().from_server, 7);
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut stream, &[7; 100_000]).await);
}

#[tokio::test]
async fn a_stalled_connection_goes_on_where_it_stopped() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut stream, b"before").await);
    proxy.stall();
    stream.write_all(b"held").await.unwrap();
    let mut answer = [0; 4];
    let silence = tokio::time::timeout(Duration::from_millis(100), stream.read_exact(&mut answer)).await;
    assert!(silence.is_err());
    proxy.resume();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"held");
}

#[tokio::test]
async fn a_refusing_proxy_keeps_what_is_open() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut old, b"old").await);
    proxy.refuse();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(!answers(&mut new, b"new").await);
    assert!(answers(&mut old, b"still").await);
    proxy.resume();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut new, b"new").await);
}

#[tokio::test]
async fn a_copy_from_postgres_breaks_in_the_middle() {
    let server = Postgres::start(Version::V15).unwrap();
    let port = server.connection().port;
    let proxy = TcpProxy::start(([127, 0, 0, 1], port).into()).await.unwrap();
    let options = server
        .connection()
        .options("postgres")
        .port(proxy.address().port());
    let pool = sqlx::PgPool::connect_with(options).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.unwrap();
    assert_eq!(one, 1);
    proxy.cut_after(Direction::FromServer, 1_000_000);
    let rows = sqlx::query("SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
        .fetch_all(&pool)
        .await;
    assert!(rows.is_err());
}

#[tokio::test]
async fn one_side_is_left_in_the_belief_that_it_lives() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    let mut left = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut left, b"before").await);
    proxy.half_open(Side::Client);
    left.write_all(b"anybody there?").await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(100), left.read(&mut [0])).await;
    assert!(silence.is_err());
    let mut told = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut told, b"new ones pass").await);
    proxy.half_open(Side::Server);
    let error = told.read(&mut [0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_silent_connection_is_forgotten_and_a_busy_one_is_not() {
    let mut tasks = JoinSet::new();
    let proxy = TcpProxy::start(echo(&mut tasks).await.unwrap()).await.unwrap();
    proxy.forget_idle(Duration::from_millis(400));
    let mut silent = TcpStream::connect(proxy.address()).await.unwrap();
    let mut busy = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(answers(&mut silent, b"once").await);
    while proxy.totals().forgotten == 0 {
        assert!(answers(&mut busy, b"again and again").await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    silent.write_all(b"anybody there?").await.unwrap();
    let silence = tokio::time::timeout(Duration::from_millis(100), silent.read(&mut [0])).await;
    assert!(silence.is_err());
    assert!(answers(&mut busy, b"still").await);
}
