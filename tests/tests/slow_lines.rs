//! Lines to buckets that are slow, and lines that are dead: the one is no trouble as long as something moves, the other is told
//! with its reason, and both are told apart although the kernel takes more than the line has carried.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use dataguardian_core::ids::DatasourceId;
use dataguardian_repository::id::PackId;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::storage::{PutOutcome, Storage, StorageErrorKind};
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::s3::{BUCKET, KEY, Kind, S3Server};
use dataguardian_tests::sample;
use dataguardian_tests::system::{Metadata, System};
use dataguardian_tests::tcp_proxy::TcpProxy;

/// How long nothing may move, here.
const STALL: Duration = Duration::from_secs(3);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(20);

fn object(size: usize) -> (ObjectKey, Bytes) {
    let bytes = Bytes::from(vec![7; size]);
    (ObjectKey::Pack(DatasourceId::new(), PackId::of(&bytes)), bytes)
}

/// An object takes four times as long as nothing may move, and the kernel alone would have taken most of it in a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_that_takes_long_is_put_as_long_as_something_moves() -> Result<()> {
    let s3 = S3Server::start(Kind::Rclone)?;
    let proxy = TcpProxy::start_slow(s3.address(), 512 << 10).await?;
    let storage = Storage::s3(&S3Settings {
        stall: STALL,
        ..s3.settings(proxy.address(), "")
    })?;
    let (key, bytes) = object(6 << 20);
    let begun = Instant::now();
    let put = storage.put_if_absent(&key, bytes.clone()).await;
    ensure!(matches!(put, Ok(PutOutcome::Created)), "{put:?}");
    ensure!(begun.elapsed() > STALL * 3, "the line was not slow");
    ensure!(storage.get(&key).await? == bytes);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_dies_under_an_object_is_told_in_time() -> Result<()> {
    let s3 = S3Server::start(Kind::Rclone)?;
    let proxy = TcpProxy::start_slow(s3.address(), 1 << 20).await?;
    let storage = Storage::s3(&S3Settings {
        stall: STALL,
        ..s3.settings(proxy.address(), "")
    })?;
    let (key, bytes) = object(6 << 20);
    let dying = async {
        proxy.wait_until(|totals| totals.from_client > 1 << 20).await?;
        proxy.stall();
        anyhow::Ok(Instant::now())
    };
    let (put, stalled) = tokio::join!(storage.put_if_absent(&key, bytes), dying);
    let error = put.err().context("a put that fails")?;
    ensure!(error.kind == StorageErrorKind::Stalled, "{error:?}");
    let told = error.failure().message;
    ensure!(told.contains("nothing moved on the connection for 3 s"), "{told}");
    let took = stalled?.elapsed();
    ensure!(took < STALL + SLACK, "{took:?}");
    Ok(())
}

/// A whole backup over such a line; then the line dies under the next one, and never comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_completes_over_a_slow_line_and_fails_over_a_dead_one() -> Result<()> {
    let (server, s3) = (Postgres::start(Version::V15)?, S3Server::start(Kind::Rclone)?);
    sample::load_bulk(&server, "shop", 60_000)?;
    let config = format!(
        "storage_stall_seconds = {}\nstorage_patience_seconds = 1\n",
        STALL.as_secs()
    );
    let system = System::start_with(Metadata::Embedded, &config)?;
    let proxy = TcpProxy::start_slow(s3.address(), 700 << 10).await?;
    system.add_datasource("main", &server, &["shop"])?;
    let secret = system.folder().join("s3.secret");
    fs::write(&secret, KEY.1)?;
    let (endpoint, secret) = (
        format!("http://{}", proxy.address()),
        secret.display().to_string(),
    );
    let words = [
        "storage",
        "create",
        "s3",
        "--name",
        "far",
        "--bucket",
        BUCKET,
        "--path-style",
    ];
    let place = ["--endpoint", &endpoint, "--access-key-id", KEY.0];
    system
        .dgctl(&[&words[..], &place, &["--secret-key-file", &secret]].concat())
        .succeed()?;
    let job = [
        "job",
        "create",
        "--name",
        "main",
        "--datasource",
        "main",
        "--storage",
    ];
    system
        .dgctl(&[&job[..], &["far", "--max-attempts", "1"]].concat())
        .succeed()?;

    let (before, begun) = (proxy.totals().from_client, Instant::now());
    system.run_job("main").succeed()?;
    let sent = proxy.totals().from_client - before;
    ensure!(
        sent > 3 << 20 && begun.elapsed() > STALL,
        "{sent} bytes in {:?} are no slow line",
        begun.elapsed()
    );
    system
        .restore_latest("main", &["--database", "shop=restored"])
        .succeed()?;
    let compared = Comparison::new(Database::of(&server, "shop"), Database::of(&server, "restored"));
    compared.run().await?.equal()?;

    server.psql(
        "shop",
        "update shop.purchase set note = md5(random()::text) || md5(random()::text)",
    )?;
    let before = proxy.totals().from_client;
    let id = system.start_job("main")?;
    proxy
        .wait_until(|totals| totals.from_client > before + (1 << 20))
        .await?;
    proxy.stall();
    let stalled = Instant::now();
    let ended = system.wait_for_state(&id, "failed")?;
    ensure!(ended["failure"]["reason"] == "STORAGE_UNREACHABLE", "{ended:#}");
    let told = ended["failure"]["message"].as_str().unwrap_or_default();
    ensure!(
        told.contains("storage far") && told.contains("nothing moved on the connection for 3 s"),
        "{ended:#}"
    );
    // The only storage: five times its patience, and what the first and the last try took to be sure.
    let documented = Duration::from_secs(5) + STALL * 2;
    ensure!(stalled.elapsed() < documented + SLACK, "{:?}", stalled.elapsed());
    proxy.resume();
    system.check_invariants()
}
