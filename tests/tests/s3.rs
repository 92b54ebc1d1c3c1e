//! Storages in buckets: real S3 servers, good ones and bad ones, and the lines to them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use dataguardian_core::ids::DatasourceId;
use dataguardian_core::secret::Secret;
use dataguardian_repository::id::PackId;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::storage::{Listed, Listing, PutOutcome, Storage, StorageErrorKind};
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::s3::{BUCKET, DELETE_KEY, KEY, Kind, S3Server};
use dataguardian_tests::system::{AGENT, Metadata, Outcome, System, files};
use dataguardian_tests::tcp_proxy::{Direction, TcpProxy};
use dataguardian_tests::{sample, wait};
use futures::TryStreamExt as _;

const RESTORE: [&str; 8] = [
    "restore",
    "--backup",
    "latest",
    "--datasource",
    "main",
    "--database",
    "shop=restored",
    "--wait",
];

fn secret_file(system: &System, (id, secret): (&str, &str)) -> Result<PathBuf> {
    let file = system.folder().join(format!("{id}.secret"));
    std::fs::write(&file, secret)?;
    Ok(file)
}

fn create(system: &System, name: &str, at: SocketAddr, more: &[&str]) -> Result<Outcome> {
    let file = secret_file(system, KEY)?.display().to_string();
    let endpoint = format!("http://{at}");
    let words = [
        "storage",
        "create",
        "s3",
        "--name",
        name,
        "--bucket",
        BUCKET,
        "--path-style",
    ];
    let which = [
        "--endpoint",
        &endpoint,
        "--access-key-id",
        KEY.0,
        "--secret-key-file",
        &file,
    ];
    Ok(system.dgctl(&[&words[..], &which, more].concat()))
}

fn job(system: &System, storages: &[&str], more: &[&str]) -> Result<()> {
    let mut words = vec!["job", "create", "--name", "main", "--datasource", "main"];
    for storage in storages {
        words.extend(["--storage", storage]);
    }
    words.extend(more);
    system.dgctl(&words).succeed()?;
    Ok(())
}

/// A server with a database that makes several packs.
fn bulky(rows: u64) -> Result<Postgres> {
    let server = Postgres::start(Version::V15)?;
    sample::load_bulk(&server, "shop", rows)?;
    Ok(server)
}

async fn listed(storage: &Storage) -> Result<Vec<Listed>> {
    Ok(storage.list(Listing::Everything).try_collect().await?)
}

async fn equal(server: &Postgres) -> Result<()> {
    let report = Comparison::new(Database::of(server, "shop"), Database::of(server, "restored"))
        .run()
        .await?;
    report.equal().map(|_| ())
}

async fn round_trip(kind: Kind) -> Result<()> {
    let (server, s3) = (bulky(60_000)?, S3Server::start(kind)?);
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    create(&system, "bucket", s3.address(), &["--prefix", "dg/one"])?.succeed()?;
    let shown = system.json(&["storage", "get", "bucket"])?;
    assert_eq!(
        shown["storage"]["conditionalPut"] == true,
        kind == Kind::SeaweedFs,
        "{shown:#}"
    );
    system.dgctl(&["storage", "test", "bucket"]).succeed()?;
    job(&system, &["bucket"], &[])?;
    system.run_job("main").succeed()?;
    system.dgctl(&RESTORE).succeed()?;
    equal(&server).await?;
    let there = listed(&s3.storage("dg/one")?).await?;
    let manifests = there
        .iter()
        .filter(|object| matches!(object.key, ObjectKey::Manifest(..)));
    assert_eq!(manifests.count(), 1);
    nothing_shows(&system, &[KEY.1])?;
    system.check_invariants()
}

/// No secret lies about in plain: not in the metadata database, a log, the journal or an argument.
fn nothing_shows(system: &System, secrets: &[&str]) -> Result<()> {
    let mut places = files(&system.control_plane.data_dir())?;
    places.extend(files(&system.agent.state_dir())?);
    places.extend(
        files(system.folder())?
            .into_iter()
            .filter(|file| file.extension().is_some_and(|end| end == "log")),
    );
    for place in places {
        let content = std::fs::read(&place)?;
        for secret in secrets {
            let shown = content
                .windows(secret.len())
                .any(|part| part == secret.as_bytes());
            ensure!(!shown, "{} holds a secret in plain", place.display());
        }
    }
    for process in std::fs::read_dir("/proc")? {
        let line = dataguardian_tests::system::command_line(&process?.path());
        let program = line
            .split(' ')
            .next()
            .and_then(|program| program.rsplit('/').next());
        let ours = program.is_some_and(|name| name.starts_with("dataguardian") || name == "dgctl");
        ensure!(
            !ours || !secrets.iter().any(|secret| line.contains(secret)),
            "{line}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_goes_into_a_bucket_and_comes_back() -> Result<()> {
    round_trip(Kind::SeaweedFs).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_overwrites_is_known_and_served_all_the_same() -> Result<()> {
    round_trip(Kind::Rclone).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_reply_is_a_success_with_one_object() -> Result<()> {
    for kind in [Kind::SeaweedFs, Kind::Rclone] {
        let s3 = S3Server::start(kind)?;
        let proxy = TcpProxy::start(s3.address()).await?;
        let storage = Storage::s3(&s3.settings(proxy.address(), "lost"))?;
        let bytes = Bytes::from(vec![7_u8; 3 << 20]);
        let key = ObjectKey::Pack(DatasourceId::new(), PackId::of(&bytes));
        let before = proxy.totals().from_server;
        ensure!(storage.head(&key).await?.is_none());
        let answer = proxy.totals().from_server - before;
        // The first look is answered; of the answer to the PUT one byte comes through.
        proxy.cut_after(Direction::FromServer, answer + 1);
        let error = storage.put_if_absent(&key, bytes.clone()).await.unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Unreachable, "{kind:?}: {error:?}");
        assert_eq!(
            storage.put_if_absent(&key, bytes.clone()).await?,
            PutOutcome::AlreadyThere,
            "{kind:?}"
        );
        let there = listed(&storage).await?;
        assert_eq!(
            there,
            [Listed {
                key,
                size: bytes.len() as u64
            }],
            "{kind:?}"
        );
        // Whatever the server thinks of it, nothing is overwritten.
        let error = storage
            .put_if_absent(&key, Bytes::from_static(b"other"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Conflict, "{kind:?}");
        assert_eq!(storage.get(&key).await?, bytes, "{kind:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_with_what_mends_it() -> Result<()> {
    let s3 = S3Server::start(Kind::SeaweedFs)?;
    let right = s3.settings(s3.address(), "");
    let told = |settings: S3Settings| async move {
        let storage = Storage::s3(&settings)?;
        let error = storage.probe().await.err().context("a probe that fails")?;
        anyhow::Ok((error.kind, error.failure().message))
    };
    let wrong_key = S3Settings {
        access_key_id: "nobody".to_owned(),
        ..right.clone()
    };
    let wrong_secret = S3Settings {
        secret_access_key: Secret::new("wrong-secret"),
        ..right.clone()
    };
    let no_bucket = S3Settings {
        bucket: "elsewhere".to_owned(),
        ..right.clone()
    };
    let nobody = S3Settings {
        endpoint: "http://127.0.0.1:1".to_owned(),
        ..right.clone()
    };
    for (settings, kinds, advice) in [
        (wrong_key, &[StorageErrorKind::Denied][..], "access key"),
        (wrong_secret, &[StorageErrorKind::Denied], "secret"),
        (
            no_bucket,
            &[StorageErrorKind::NoPlace, StorageErrorKind::Denied],
            "",
        ),
        (nobody, &[StorageErrorKind::Unreachable], "check the endpoint"),
    ] {
        let (kind, message) = told(settings).await?;
        println!("{kind:?}: {message}");
        assert!(kinds.contains(&kind), "{kind:?}: {message}");
        assert!(
            message.contains(advice) && !message.contains("wrong-secret"),
            "{message}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_trusted_by_its_own_authority_alone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem())?;
    std::fs::write(&key, made.signing_key.serialize_pem())?;
    let s3 = S3Server::start_tls(&certificate, &key)?;
    let settings = s3.settings(s3.address(), "");
    let error = Storage::s3(&settings)?.probe().await.unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Denied);
    let message = error.failure().message;
    assert!(message.contains("--ca-file"), "{message}");
    let settings = S3Settings {
        ca_pem: made.cert.pem(),
        ..settings
    };
    Storage::s3(&settings)?.probe().await?;
    Ok(())
}

/// A system with a bucket behind a proxy, and a job into it.
async fn behind_a_proxy(s3: &S3Server, server: &Postgres, config: &str) -> Result<(System, TcpProxy)> {
    let proxy = TcpProxy::start(s3.address()).await?;
    let system = System::start_with(Metadata::Embedded, config)?;
    system.add_datasource("main", server, &["shop"])?;
    create(&system, "bucket", proxy.address(), &[])?.succeed()?;
    job(&system, &["bucket"], &["--max-attempts", "1"])?;
    Ok((system, proxy))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_for_a_moment_costs_nothing() -> Result<()> {
    let (server, mut s3) = (bulky(150_000)?, S3Server::start(Kind::SeaweedFs)?);
    let (system, proxy) = behind_a_proxy(&s3, &server, "storage_patience_seconds = 60\n").await?;
    let before = proxy.totals().from_client;
    let id = system.start_job("main")?;
    proxy
        .wait_until(|totals| totals.from_client > before + (4 << 20))
        .await?;
    s3.kill()?;
    let connections = proxy.totals().connections;
    proxy
        .wait_until(|totals| totals.connections > connections + 3)
        .await?;
    s3.start_again()?;
    let ended = system.wait_for_state(&id, "completed")?;
    assert_eq!(ended["attempt"], 1, "{ended:#}");
    system.dgctl(&RESTORE).succeed()?;
    equal(&server).await?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_in_the_middle_of_a_restore_costs_nothing() -> Result<()> {
    let (server, mut s3) = (bulky(150_000)?, S3Server::start(Kind::SeaweedFs)?);
    let (system, proxy) = behind_a_proxy(&s3, &server, "storage_patience_seconds = 12\n").await?;
    system.run_job("main").succeed()?;
    let before = proxy.totals().from_server;
    let [begin @ .., _] = RESTORE;
    let begun = system.json(&begin)?;
    let id = begun["execution"]["id"].as_str().context("the execution's id")?;
    proxy
        .wait_until(|totals| totals.from_server > before + (4 << 20))
        .await?;
    proxy.cut();
    s3.kill()?;
    let connections = proxy.totals().connections;
    proxy
        .wait_until(|totals| totals.connections > connections + 3)
        .await?;
    s3.start_again()?;
    system.wait_for_state(id, "completed")?;
    equal(&server).await?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_away_fails_the_backup_with_its_reason() -> Result<()> {
    let (server, s3) = (bulky(150_000)?, S3Server::start(Kind::Rclone)?);
    let (system, proxy) = behind_a_proxy(&s3, &server, "storage_patience_seconds = 1\n").await?;
    let before = proxy.totals().from_client;
    let id = system.start_job("main")?;
    proxy
        .wait_until(|totals| totals.from_client > before + (4 << 20))
        .await?;
    proxy.refuse();
    proxy.cut();
    let ended = system.wait_for_state(&id, "failed")?;
    let told = ended["failure"].to_string();
    assert!(
        told.contains("STORAGE_UNREACHABLE") && told.contains("storage bucket"),
        "{ended:#}"
    );
    assert!(told.contains("check the endpoint"), "{ended:#}");
    system.check_invariants()
}

fn packs(bucket: &Path) -> Result<Vec<PathBuf>> {
    let is_pack = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "packs");
    Ok(files(bucket)?.into_iter().filter(is_pack).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_missing_packs_are_named() -> Result<()> {
    let (server, mut s3) = (bulky(60_000)?, S3Server::start(Kind::Rclone)?);
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    create(&system, "bucket", s3.address(), &[])?.succeed()?;
    job(&system, &["bucket"], &[])?;
    system.run_job("main").succeed()?;
    let pack = packs(&s3.bucket())?.pop().context("a pack")?;
    let name = pack
        .file_name()
        .and_then(|name| name.to_str())
        .context("its name")?
        .to_owned();
    let whole = std::fs::read(&pack)?;
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&pack, damaged)?;
    let said = system.dgctl(&RESTORE);
    assert!(
        said.status != Some(0) && format!("{said:?}").contains(&name),
        "{said:?}"
    );
    std::fs::remove_file(&pack)?;
    // The server remembers for minutes what is in a folder, and does not see what is taken away behind its back.
    let restart = |s3: &mut S3Server| s3.kill().and_then(|()| s3.start_again());
    restart(&mut s3)?;
    let said = system.dgctl(&RESTORE);
    assert!(
        said.status != Some(0) && format!("{said:?}").contains(&name),
        "{said:?}"
    );
    std::fs::write(&pack, whole)?;
    restart(&mut s3)?;
    system.dgctl(&RESTORE).succeed()?;
    equal(&server).await?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_and_a_place_is_taken_once() -> Result<()> {
    let (server, s3) = (bulky(60_000)?, S3Server::start(Kind::SeaweedFs)?);
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    let file = secret_file(&system, DELETE_KEY)?.display().to_string();
    let own = [
        "--delete-access-key-id",
        DELETE_KEY.0,
        "--delete-secret-key-file",
        &file,
    ];
    // A key of the control plane's own that does not fit is told at once: nobody would miss it before something is to be deleted.
    let mistyped = secret_file(&system, ("mistyped", "wrong-secret"))?
        .display()
        .to_string();
    let said = create(
        &system,
        "bucket",
        s3.address(),
        &[&own[..3], &[mistyped.as_str()]].concat(),
    )?
    .fail(1)?;
    assert!(
        said.contains("STORAGE_DENIED") && said.contains("which deletes"),
        "{said}"
    );
    create(&system, "bucket", s3.address(), &own)?.succeed()?;
    let change_own = [
        "storage",
        "update",
        "bucket",
        "--delete-access-key-id",
        DELETE_KEY.0,
    ];
    let secret = "--delete-secret-key-file";
    system
        .dgctl(&[&change_own[..], &[secret, &mistyped]].concat())
        .succeed()?;
    let said = system.dgctl(&["storage", "test", "bucket"]);
    assert!(
        said.status == Some(1) && said.stdout.contains("which deletes"),
        "{said:?}"
    );
    system
        .dgctl(&[&change_own[..], &[secret, &file]].concat())
        .succeed()?;
    system.dgctl(&["storage", "test", "bucket"]).succeed()?;
    let said = create(&system, "again", s3.address(), &[])?.fail(1)?;
    assert!(said.contains("PLACE_TAKEN"), "{said}");
    nothing_shows(&system, &[KEY.1, DELETE_KEY.1])?;
    // Another key for the agents that does not fit is told by the test, and the right one mends it.
    let wrong = system.folder().join("wrong.secret");
    std::fs::write(&wrong, "wrong-secret")?;
    let wrong = wrong.display().to_string();
    let change = [
        "storage",
        "update",
        "bucket",
        "--access-key-id",
        KEY.0,
        "--secret-key-file",
    ];
    system.dgctl(&[&change[..], &[&wrong]].concat()).succeed()?;
    let said = system.dgctl(&["storage", "test", "bucket"]);
    assert!(
        said.status == Some(1) && said.stdout.contains("STORAGE_DENIED"),
        "{said:?}"
    );
    let right = secret_file(&system, KEY)?.display().to_string();
    system.dgctl(&[&change[..], &[&right]].concat()).succeed()?;
    system.dgctl(&["storage", "test", "bucket"]).succeed()?;
    wait::until("the storage to be forgotten", || {
        Ok(system.dgctl(&["storage", "delete", "bucket", "--yes"]).status == Some(0))
    })?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_backup_left_in_a_bucket_goes_by_the_control_planes_own_key_alone() -> Result<()> {
    let (server, s3) = (bulky(150_000)?, S3Server::start(Kind::SeaweedFs)?);
    let mut system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    create(&system, "bucket", s3.address(), &[])?.succeed()?;
    job(&system, &["bucket"], &[])?;
    system.run_job("main").succeed()?;
    let storage = s3.storage("")?;
    let datasource: DatasourceId = system.datasource_id("main")?.parse()?;
    let stray = Bytes::from_static(b"nobody ever told of this");
    let key = ObjectKey::Pack(datasource, PackId::of(&stray));
    storage.put_if_absent(&key, stray).await?;
    let id = system.start_job("main")?;
    system.wait_for_rows(&id)?;
    system.dgctl(&["execution", "cancel", &id]).succeed()?;
    system.wait_for_state(&id, "cancelled")?;
    system
        .control_plane
        .start_again_with("[cleanup]\ngrace_seconds = 1\ninterval_seconds = 1\n")?;
    system.wait_for_agent(AGENT)?;
    let planned = system.json(&["system", "cleanup", "--dry-run"])?;
    let held = planned["datasources"][0]["heldStorages"][0]["reason"].to_string();
    ensure!(held.contains("--delete-access-key-id"), "{planned:#}");
    ensure!(storage.head(&key).await?.is_some());
    let file = secret_file(&system, DELETE_KEY)?.display().to_string();
    let change = [
        "storage",
        "update",
        "bucket",
        "--delete-access-key-id",
        DELETE_KEY.0,
    ];
    system
        .dgctl(&[&change[..], &["--delete-secret-key-file", &file]].concat())
        .succeed()?;
    let is_gone = || async { Ok(storage.head(&key).await?.is_none()) };
    wait::until_async("what was left to go", is_gone).await?;
    system.dgctl(&RESTORE).succeed()?;
    equal(&server).await?;
    system.check_invariants()
}
