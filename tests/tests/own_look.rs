//! Before it signs, the control plane looks itself into a bucket that it has a key for. An agent that says more than is true gets
//! no backup; a bucket that is away for a moment is waited for; one that can't be looked into is told of.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_core::ids::DatasourceId;
use dataguardian_core::secret::Secret;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::storage::{Listing, Storage};
use dataguardian_repository::unnamed::{DataObject, remove_unnamed};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::s3::{BUCKET, DELETE_KEY, KEY, Kind, S3Server};
use dataguardian_tests::system::{System, files};
use dataguardian_tests::tcp_proxy::TcpProxy;
use dataguardian_tests::{sample, wait};
use futures::TryStreamExt as _;
use serde_json::Value;

/// A system whose only job writes into a bucket, by way of a proxy.
struct Scene {
    system: System,
    proxy: TcpProxy,
    s3: S3Server,
    server: Postgres,
}

impl Scene {
    async fn set(kind: Kind) -> Result<Self> {
        let (server, s3) = (Postgres::start(Version::V15)?, S3Server::start(kind)?);
        sample::load_bulk(&server, "shop", 20_000)?;
        let proxy = TcpProxy::start(s3.address()).await?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        let scene = Self {
            system,
            proxy,
            s3,
            server,
        };
        scene.add_bucket()?;
        let job = [
            "job",
            "create",
            "--name",
            "main",
            "--datasource",
            "main",
            "--storage",
        ];
        let once = ["bucket", "--max-attempts", "1"];
        scene.system.dgctl(&[&job[..], &once].concat()).succeed()?;
        Ok(scene)
    }

    fn secret(&self, (id, secret): (&str, &str)) -> Result<String> {
        let file = self.system.folder().join(format!("{id}.secret"));
        fs::write(&file, secret)?;
        Ok(file.display().to_string())
    }

    fn add_bucket(&self) -> Result<()> {
        let endpoint = format!("http://{}", self.proxy.address());
        let (agents, own) = (self.secret(KEY)?, self.secret(DELETE_KEY)?);
        let words = [
            "storage",
            "create",
            "s3",
            "--name",
            "bucket",
            "--bucket",
            BUCKET,
            "--path-style",
        ];
        let agents = [
            "--endpoint",
            &endpoint,
            "--access-key-id",
            KEY.0,
            "--secret-key-file",
            &agents,
        ];
        let own = [
            "--delete-access-key-id",
            DELETE_KEY.0,
            "--delete-secret-key-file",
            &own,
        ];
        self.system
            .dgctl(&[&words[..], &agents, &own].concat())
            .succeed()?;
        Ok(())
    }

    /// A backup whose agent has seen that everything is there, and has not said so yet. It goes on when the file is gone.
    fn about_to_complete(&mut self) -> Result<(String, PathBuf)> {
        let held = self.system.folder().join("held");
        self.system.agent.program().kill9()?;
        let hang = format!("agent.complete.before_send=hang:{}", held.display());
        self.system.agent.start_armed(&hang)?;
        self.system.wait_for_agent(dataguardian_tests::system::AGENT)?;
        let id = self.system.start_job("main")?;
        wait::until("everything but the manifest to be stored", || Ok(held.exists()))?;
        Ok((id, held))
    }

    /// The latest backup's only copy.
    fn copy(&self) -> Result<Value> {
        let found = self
            .system
            .json(&["backup", "get", "latest", "--datasource", "main"])?;
        Ok(found["backup"]["copies"][0].clone())
    }

    fn failed_for(&self, id: &str, told: &[&str]) -> Result<()> {
        let ended = self.system.wait_for_state(id, "failed")?;
        let failure = &ended["failure"];
        let message = failure["message"].as_str().unwrap_or_default();
        ensure!(failure["reason"] == "STORAGE_ERROR", "{ended:#}");
        ensure!(
            told.iter().all(|words| message.contains(words)),
            "{told:?}: {ended:#}"
        );
        let backups = self.system.json(&["backup", "list"])?;
        ensure!(
            backups["backups"].as_array().is_none_or(Vec::is_empty),
            "{backups:#}"
        );
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_that_is_not_there_fails_the_backup_by_its_name() -> Result<()> {
    let mut scene = Scene::set(Kind::SeaweedFs).await?;
    let (id, held) = scene.about_to_complete()?;
    let bucket = Storage::s3(&S3Settings {
        access_key_id: DELETE_KEY.0.to_owned(),
        secret_access_key: Secret::new(DELETE_KEY.1),
        ..scene.s3.settings(scene.s3.address(), "")
    })?;
    let datasource: DatasourceId = scene.system.datasource_id("main")?.parse()?;
    let packs: Vec<_> = bucket.list(Listing::Packs(datasource)).try_collect().await?;
    let pack = packs.iter().find_map(|pack| match pack.key {
        ObjectKey::Pack(_, id) => Some(id),
        _ => None,
    });
    let pack = pack.context("a pack")?;
    let removed = remove_unnamed(&bucket, datasource, &[DataObject::Pack(pack)].into()).await?;
    ensure!(removed.gone.len() == 1, "{removed:?}");
    fs::remove_file(held)?;
    scene.failed_for(&id, &["storage bucket", &pack.to_string(), "is not there"])?;

    // Whoever tells the truth is believed, and who looked is shown.
    scene.system.run_job("main").succeed()?;
    ensure!(
        scene.copy()?["checkedBy"] == "CHECKED_BY_CONTROL_PLANE",
        "{:#}",
        scene.copy()?
    );
    let shown = scene
        .system
        .dgctl(&["backup", "get", "latest", "--datasource", "main"])
        .succeed()?;
    ensure!(
        shown.stdout.contains("checked by the control plane"),
        "{}",
        shown.stdout
    );
    // A second one stands on it: what the first one brought is not asked for again.
    scene
        .server
        .psql("shop", "update shop.purchase set note = 'x' where id < 10")?;
    scene.system.run_job("main").succeed()?;
    ensure!(scene.copy()?["checkedBy"] == "CHECKED_BY_CONTROL_PLANE");
    scene.system.restore_latest("main", &["--scratch"]).succeed()?;
    scene.system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pack_of_another_size_fails_the_backup_and_a_wrong_key_does_not() -> Result<()> {
    let mut scene = Scene::set(Kind::Rclone).await?;
    let (id, held) = scene.about_to_complete()?;
    let is_pack = |path: &PathBuf| path.components().any(|part| part.as_os_str() == "packs");
    let pack = files(&scene.s3.bucket())?.into_iter().find(is_pack);
    let pack = pack.context("a pack")?;
    let whole = fs::read(&pack)?;
    fs::write(&pack, &whole[..whole.len() - 1])?;
    // It remembers sizes for minutes.
    scene.s3.kill()?;
    scene.s3.start_again()?;
    fs::remove_file(held)?;
    let name = pack
        .file_name()
        .context("its name")?
        .to_string_lossy()
        .into_owned();
    let sizes = format!("has {} bytes and not {}", whole.len() - 1, whole.len());
    scene.failed_for(&id, &["storage bucket", &name, &sizes])?;
    fs::remove_file(&pack)?;
    scene.s3.kill()?;
    scene.s3.start_again()?;

    // Somebody gave the control plane a key that opens nothing: backups go on, and say so.
    let wrong = scene.secret(("mistyped", "wrong-secret-that-opens-nothing"))?;
    let update = [
        "storage",
        "update",
        "bucket",
        "--delete-access-key-id",
        DELETE_KEY.0,
    ];
    let secret = ["--delete-secret-key-file", &wrong];
    scene.system.dgctl(&[&update[..], &secret].concat()).succeed()?;
    let said = scene.system.run_job("main").succeed()?.stdout;
    ensure!(
        said.contains("storage bucket: the control plane could not look itself")
            && said.contains("takes the agent's word"),
        "{said}"
    );
    ensure!(
        scene.copy()?["checkedBy"] == "CHECKED_BY_AGENT",
        "{:#}",
        scene.copy()?
    );
    scene.system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_for_a_moment_is_looked_into_later() -> Result<()> {
    let mut scene = Scene::set(Kind::SeaweedFs).await?;
    let (id, held) = scene.about_to_complete()?;
    scene.proxy.refuse();
    scene.proxy.cut();
    let before = scene.proxy.totals().connections;
    fs::remove_file(held)?;
    scene
        .proxy
        .wait_until(|totals| totals.connections > before + 3)
        .await?;
    ensure!(scene.system.execution(&id)?["state"] == "EXECUTION_STATE_RUNNING");
    scene.proxy.resume();
    let ended = scene.system.wait_for_state(&id, "completed")?;
    ensure!(ended["attempt"] == 1, "{ended:#}");
    ensure!(scene.copy()?["checkedBy"] == "CHECKED_BY_CONTROL_PLANE");
    scene.system.restore_latest("main", &["--scratch"]).succeed()?;
    scene.system.check_invariants()
}
