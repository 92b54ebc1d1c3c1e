//! Several storages of one job: whichever falls out holds nobody up, and gets its copy later.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::s3;
use dataguardian_repository::storage::{Listed, Listing};
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::s3::{BUCKET, KEY, Kind, S3Server};
use dataguardian_tests::small_disk::SmallDisk;
use dataguardian_tests::system::{Metadata, System};
use dataguardian_tests::tcp_proxy::TcpProxy;
use dataguardian_tests::{sample, wait};
use futures::TryStreamExt as _;
use serde_json::Value;

/// Longer than nothing may move on a connection to a bucket.
const STALL: Duration = s3::STALL.saturating_add(Duration::from_secs(10));

/// Into buckets of one server, each behind a proxy of its own.
struct Buckets {
    proxies: Vec<TcpProxy>,
}

impl Buckets {
    async fn add(system: &System, s3: &S3Server, names: &[&str]) -> Result<Self> {
        let file = system.folder().join("s3.secret");
        fs::write(&file, KEY.1)?;
        let file = file.display().to_string();
        let mut proxies = Vec::new();
        for name in names {
            let proxy = TcpProxy::start(s3.address()).await?;
            let endpoint = format!("http://{}", proxy.address());
            let words = [
                "storage", "create", "s3", "--name", name, "--bucket", BUCKET, "--prefix", name,
            ];
            let how = ["--path-style", "--endpoint", &endpoint, "--access-key-id", KEY.0];
            system
                .dgctl(&[&words[..], &how, &["--secret-key-file", &file]].concat())
                .succeed()?;
            proxies.push(proxy);
        }
        Ok(Self { proxies })
    }
}

fn job(system: &System, strategy: &str, storages: &[&str]) -> Result<()> {
    let mut words = vec!["job", "create", "--name", "main", "--datasource", "main"];
    for storage in storages {
        words.extend(["--storage", storage]);
    }
    words.extend(["--strategy", strategy, "--max-attempts", "1"]);
    system.dgctl(&words).succeed()?;
    Ok(())
}

fn latest(system: &System) -> Result<Value> {
    let found = system.json(&["backup", "get", "latest", "--datasource", "main"])?;
    Ok(found["backup"].clone())
}

/// Waits until the newest backup is complete in exactly these storages.
fn wait_for_copies(system: &System, storages: &[&str]) -> Result<()> {
    let waited = wait::until("the copies to be made", || {
        Ok(complete(&latest(system)?) == storages)
    });
    waited.with_context(|| {
        let logs = (system.control_plane.log(), system.agent.log());
        format!(
            "{:#}\n{}\n{}",
            latest(system).unwrap_or_default()["copies"],
            logs.0,
            logs.1
        )
    })
}

/// The names of the storages that hold all of it.
fn complete(backup: &Value) -> Vec<String> {
    let copies = backup["copies"].as_array().cloned().unwrap_or_default();
    let whole = copies.iter().filter(|copy| copy["complete"] == true);
    whole
        .filter_map(|copy| Some(copy["storage"].as_str()?.to_owned()))
        .collect()
}

/// What a backup consists of is in each of these, under the same names, which are the digests of what they hold; and every byte is
/// what its name says.
async fn the_same_everywhere(system: &System, s3: &S3Server, prefixes: &[&str]) -> Result<()> {
    let mut first: Option<Vec<Listed>> = None;
    for prefix in prefixes {
        let listed = s3.storage(prefix)?.list(Listing::Everything);
        let is_data = |object: &Listed| {
            matches!(
                object.key,
                ObjectKey::Pack(..) | ObjectKey::List(..) | ObjectKey::Manifest(..)
            )
        };
        let mut objects: Vec<_> = listed.try_collect().await?;
        objects.retain(is_data);
        objects.sort_by_key(|object| object.key);
        ensure!(!objects.is_empty(), "{prefix} is empty");
        let first = first.get_or_insert_with(|| objects.clone());
        ensure!(
            *first == objects,
            "{prefix} has other objects: {objects:?} and not {first:?}"
        );
    }
    let verify = [
        "backup",
        "verify",
        "latest",
        "--datasource",
        "main",
        "--level",
        "2",
    ];
    system.dgctl(&[&verify[..], &["--wait"]].concat()).succeed()?;
    Ok(())
}

async fn comes_back(system: &System, server: &Postgres, name: &str) -> Result<()> {
    let mapping = format!("shop={name}");
    system
        .restore_latest("main", &["--database", &mapping])
        .succeed()?;
    let report = Comparison::new(Database::of(server, "shop"), Database::of(server, name))
        .run()
        .await?;
    report.equal().map(|_| ())
}

fn bulky() -> Result<Postgres> {
    let server = Postgres::start(Version::V15)?;
    sample::load_bulk(&server, "shop", 150_000)?;
    Ok(server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_falls_out_holds_nobody_up_and_is_healed() -> Result<()> {
    let (server, s3) = (bulky()?, S3Server::start(Kind::SeaweedFs)?);
    let system = System::start_with(Metadata::Embedded, "storage_patience_seconds = 2\n")?;
    system.add_datasource("main", &server, &["shop"])?;
    let buckets = Buckets::add(&system, &s3, &["dead", "dying", "stalling"]).await?;
    let [dead, dying, stalling] = &buckets.proxies[..] else {
        anyhow::bail!("three proxies")
    };
    job(&system, "replicate", &["dead", "dying", "stalling", "vault"])?;
    dead.refuse();
    dead.cut();
    let before = (dying.totals().from_client, stalling.totals().from_client);
    let id = system.start_job("main")?;
    dying
        .wait_until(|totals| totals.from_client > before.0 + (4 << 20))
        .await?;
    dying.refuse();
    dying.cut();
    stalling
        .wait_until(|totals| totals.from_client > before.1 + (4 << 20))
        .await?;
    stalling.stall();
    system.wait_for_state_within(STALL + wait::PATIENCE, &id, "completed")?;
    let backup = latest(&system)?;
    assert_eq!(complete(&backup), ["vault"], "{backup:#}");
    let shown = system.dgctl(&["backup", "list"]).succeed()?.stdout;
    assert!(shown.contains("1/4"), "{shown}");
    let shown = system
        .dgctl(&["backup", "get", "latest", "--datasource", "main"])
        .succeed()?
        .stdout;
    assert!(
        shown.contains("not complete: ") && shown.contains("check the endpoint"),
        "{shown}"
    );
    assert!(
        shown.contains("nothing moved on the connection for 60 s"),
        "the one that stalled did not leave for that: {shown}"
    );
    dead.resume();
    dying.resume();
    stalling.resume();
    wait_for_copies(&system, &["dead", "dying", "stalling", "vault"])?;
    the_same_everywhere(&system, &s3, &["dead", "dying", "stalling"]).await?;
    comes_back(&system, &server, "by_dead").await?;
    // Each copy is enough by itself.
    let vault = Hidden::hide(&system.vault())?;
    dead.refuse();
    dead.cut();
    comes_back(&system, &server, "by_dying").await?;
    dying.refuse();
    dying.cut();
    comes_back(&system, &server, "by_stalling").await?;
    stalling.refuse();
    stalling.cut();
    vault.show()?;
    comes_back(&system, &server, "by_vault").await?;
    system.check_invariants()
}

/// All three are trouble: one is dead, one dies, and the last one stalls for a while. Nobody else is left, so it is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_storage_that_stalls_is_waited_for_and_the_others_are_healed() -> Result<()> {
    let (server, s3) = (bulky()?, S3Server::start(Kind::SeaweedFs)?);
    let system = System::start_with(Metadata::Embedded, "storage_patience_seconds = 2\n")?;
    system.add_datasource("main", &server, &["shop"])?;
    let buckets = Buckets::add(&system, &s3, &["dead", "dying", "stalling"]).await?;
    let [dead, dying, stalling] = &buckets.proxies[..] else {
        anyhow::bail!("three proxies")
    };
    job(&system, "replicate", &["dead", "dying", "stalling"])?;
    dead.refuse();
    dead.cut();
    let before = (dying.totals().from_client, stalling.totals().from_client);
    let id = system.start_job("main")?;
    dying
        .wait_until(|totals| totals.from_client > before.0 + (2 << 20))
        .await?;
    dying.refuse();
    dying.cut();
    stalling
        .wait_until(|totals| totals.from_client > before.1 + (4 << 20))
        .await?;
    stalling.stall();
    // Longer than one of several may be away.
    tokio::time::sleep(STALL).await;
    stalling.resume();
    let ended = system.wait_for_state(&id, "completed")?;
    assert_eq!(ended["attempt"], 1, "{ended:#}");
    assert_eq!(complete(&latest(&system)?), ["stalling"]);
    dead.resume();
    dying.resume();
    wait_for_copies(&system, &["dead", "dying", "stalling"])?;
    the_same_everywhere(&system, &s3, &["dead", "dying", "stalling"]).await?;
    comes_back(&system, &server, "restored").await?;
    system.check_invariants()
}

/// A folder that is away for a while.
struct Hidden {
    folder: PathBuf,
    away: PathBuf,
}

impl Hidden {
    fn hide(folder: &Path) -> Result<Self> {
        let away = folder.with_extension("away");
        fs::rename(folder, &away)?;
        Ok(Self {
            folder: folder.to_owned(),
            away,
        })
    }

    fn show(self) -> Result<()> {
        Ok(fs::rename(self.away, self.folder)?)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fallback_that_switches_in_mid_run_completes_in_one_attempt() -> Result<()> {
    let (server, s3) = (bulky()?, S3Server::start(Kind::SeaweedFs)?);
    let system = System::start_with(Metadata::Embedded, "storage_patience_seconds = 1\n")?;
    system.add_datasource("main", &server, &["shop"])?;
    let buckets = Buckets::add(&system, &s3, &["first"]).await?;
    let first = buckets.proxies.first().context("a proxy")?;
    job(&system, "fallback", &["first", "vault"])?;
    let before = first.totals().from_client;
    let id = system.start_job("main")?;
    first
        .wait_until(|totals| totals.from_client > before + (4 << 20))
        .await?;
    first.refuse();
    first.cut();
    let ended = system.wait_for_state(&id, "completed")?;
    assert_eq!(ended["attempt"], 1, "{ended:#}");
    let backup = latest(&system)?;
    assert_eq!(complete(&backup), ["vault"]);
    // What came of the storage that fell out counts no more.
    assert_eq!(ended["progress"]["rows"], backup["rows"], "{ended:#}");
    comes_back(&system, &server, "restored").await?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_copied_by_hand_where_its_job_never_put_it() -> Result<()> {
    let (server, s3) = (Postgres::start(Version::V15)?, S3Server::start(Kind::Rclone)?);
    sample::load_bulk(&server, "shop", 30_000)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    Buckets::add(&system, &s3, &["unused"]).await?;
    let buckets = Buckets::add(&system, &s3, &["elsewhere"]).await?;
    job(&system, "fallback", &["vault"])?;
    system.run_job("main").succeed()?;
    let copy = [
        "backup",
        "copy",
        "latest",
        "--datasource",
        "main",
        "--to",
        "elsewhere",
    ];
    system.dgctl(&copy).succeed()?;
    system.dgctl(&copy).succeed()?;
    wait_for_copies(&system, &["vault", "elsewhere"])?;
    let vault = Hidden::hide(&system.vault())?;
    comes_back(&system, &server, "restored").await?;
    vault.show()?;
    assert!(buckets.proxies[0].totals().from_client > 0);
    system.check_invariants()
}

/// The first storage is full, and alone has what the backup would refer to: whoever adds another one for that reason gets a backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_storage_that_takes_no_more_is_done_without() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    sample::load_bulk(&server, "shop", 60_000)?;
    let system = System::start_with(Metadata::Embedded, "storage_patience_seconds = 1\n")?;
    system.add_datasource("main", &server, &["shop"])?;
    let folder = system.folder().join("small");
    fs::create_dir(&folder)?;
    let disk = SmallDisk::mount(&folder, "60m")?;
    system.add_storage("small", &folder)?;
    job(&system, "fallback", &["small"])?;
    system.run_job("main").succeed()?;
    disk.fill()?;
    server.psql(
        "shop",
        "update shop.purchase set note = md5(id::text) where id % 3 = 0",
    )?;
    system.run_job("main").fail(1)?;
    for strategy in ["replicate", "fallback"] {
        let words = ["job", "update", "main", "--strategy", strategy];
        system
            .dgctl(&[&words[..], &["--storage", "small", "--storage", "vault"]].concat())
            .succeed()?;
        let id = system.start_job("main")?;
        let ended = system.wait_for_state(&id, "completed")?;
        assert_eq!(ended["attempt"], 1, "{ended:#}");
        assert_eq!(complete(&latest(&system)?), ["vault"], "{strategy}");
    }
    comes_back(&system, &server, "restored").await?;
    system.check_invariants()
}
