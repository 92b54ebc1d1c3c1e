//! Backups that are deleted: their manifests go from every storage, then what no other backup needs; the others restore equal.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_core::ids::DatasourceId;
use dataguardian_failpoints::{Place, Point};
use dataguardian_repository::storage::Listing;
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version, quoted_name};
use dataguardian_tests::s3::{BUCKET, DELETE_KEY, KEY, Kind, S3Server};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, System, files};
use dataguardian_tests::wait;
use futures::TryStreamExt as _;

/// Clean-up at once, and without a grace worth the name.
const EAGER: &str = "[cleanup]\ngrace_seconds = 1\ninterval_seconds = 1\n";

struct Scene {
    system: System,
    server: Postgres,
    /// The datasource's folder in the storage.
    folder: PathBuf,
}

impl Scene {
    fn set(rows: u64) -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", rows)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        let folder = system.vault().join(system.datasource_id("main")?);
        Ok(Self {
            system,
            server,
            folder,
        })
    }

    /// Backs up, and gives the backup's id.
    fn back_up(&self) -> Result<String> {
        self.system.run_job("main").succeed()?;
        let newest = self
            .system
            .json(&["backup", "get", "latest", "--datasource", "main"])?;
        Ok(newest["backup"]["id"]
            .as_str()
            .context("a backup's id")?
            .to_owned())
    }

    /// One more row that only later backups have.
    fn sell(&self) -> Result<()> {
        let more = "CREATE TABLE IF NOT EXISTS since (n int); INSERT INTO since VALUES (1)";
        self.server.psql("shop", more).map(drop)
    }

    /// Backs up cut otherwise than backups are, so that the next one shares nothing with it, not even a part of a pack.
    fn back_up_apart(&self) -> Result<String> {
        cut(&self.system, "stream")?;
        let made = self.back_up()?;
        cut(&self.system, "content-defined")?;
        Ok(made)
    }

    fn delete(&self, backup: &str) -> Result<()> {
        self.system
            .dgctl(&["backup", "delete", backup, "--yes"])
            .succeed()
            .map(drop)
    }

    fn bytes(&self) -> Result<u64> {
        let sizes = files(&self.folder)?
            .into_iter()
            .map(|path| fs::metadata(path).map_or(0, |there| there.len()));
        Ok(sizes.sum())
    }

    fn has_manifest(&self, backup: &str) -> bool {
        self.folder
            .join("backups")
            .join(format!("{backup}.json"))
            .exists()
    }

    /// Only that backup's manifest and what it names are there.
    fn wait_until_only(&self, backup: &str) -> Result<()> {
        wait::until("what no backup needs to go", || {
            let alone = self.system.manifests()?.len() == 1 && self.has_manifest(backup);
            Ok(alone && self.system.objects()? == self.system.named_objects()?)
        })
    }

    /// The newest backup restores to what the database is.
    async fn restores_equal(&self) -> Result<()> {
        self.system
            .restore_latest("main", &["--database", "shop=restored"])
            .succeed()?;
        let (left, right) = ("shop", "restored");
        let sides = (
            Database::of(&self.server, left),
            Database::of(&self.server, right),
        );
        Comparison::new(sides.0, sides.1).run().await?.equal()?;
        self.server
            .psql("postgres", &format!("DROP DATABASE {}", quoted_name(right)))?;
        Ok(())
    }
}

/// How the job's next backup is cut.
fn cut(system: &System, how: &str) -> Result<()> {
    let words = ["job", "update", "main", "--chunking", how];
    system.dgctl(&words).succeed().map(drop)
}

/// How much holds collection up in a storage.
fn holds(shown: &serde_json::Value) -> usize {
    shown["storage"]["collectionHolds"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_deleted_backup_alone_needed_goes_and_the_other_restores_equal() -> Result<()> {
    let mut scene = Scene::set(200_000)?;
    let first = scene.back_up_apart()?;
    let second = scene.back_up()?;
    let refused = scene.system.dgctl(&["backup", "delete", &first]);
    ensure!(
        refused.status == Some(2),
        "nobody was there to be asked: {refused:?}"
    );
    let refused = scene.system.dgctl(&["backup", "delete", &second, "--yes"]);
    ensure!(refused.stderr.contains("BACKUP_IS_NEWEST"), "{refused:?}");
    let pin = ["backup", "pin", &first, "--reason", "the audit of 2026"];
    scene.system.dgctl(&pin).succeed()?;
    let refused = scene
        .system
        .dgctl(&["backup", "delete", &first, &second, "--last", "--yes"]);
    ensure!(
        refused.stderr.contains("BACKUP_PINNED") && refused.stderr.contains("the audit of 2026"),
        "{refused:?}"
    );
    assert_eq!(
        scene.system.manifests()?.len(),
        2,
        "all are checked before any is deleted"
    );
    scene.system.dgctl(&["backup", "unpin", &first]).succeed()?;
    let shown = scene
        .system
        .dgctl(&["backup", "delete", &first, "--dry-run"])
        .succeed()?;
    ensure!(shown.stdout.contains("1 other backup of main"), "{shown:?}");
    ensure!(scene.has_manifest(&first), "a dry run changes nothing");

    let before = scene.bytes()?;
    scene.delete(&first)?;
    let refused = scene.system.dgctl(&["restore", "--backup", &first, "--scratch"]);
    ensure!(refused.status == Some(1), "it was restored: {refused:?}");
    wait::until("its manifest to go", || Ok(!scene.has_manifest(&first)))?;
    let left = scene.system.objects()?;
    ensure!(
        scene.system.named_objects()?.len() < left.len(),
        "the grace is 72 h"
    );
    let plan = scene.system.json(&["system", "garbage", "plan"])?;
    let there = &plan["datasources"][0]["storages"][0];
    ensure!(
        there["storageName"] == "vault" && there["unneededBytes"] != "0",
        "{plan:#}"
    );
    let elsewhere = scene
        .system
        .dgctl(&["system", "garbage", "plan", "--storage", "nowhere"]);
    ensure!(elsewhere.stderr.contains("STORAGE_NOT_FOUND"), "{elsewhere:?}");
    assert_eq!(scene.system.objects()?, left, "a plan changes nothing");
    scene.system.control_plane.start_again_with(EAGER)?;
    scene.wait_until_only(&second)?;
    let after = scene.bytes()?;
    println!("{before} bytes before, {after} after");
    ensure!(after * 10 < before * 7, "{before} bytes before, {after} after");
    let gone = scene.system.dgctl(&["backup", "get", &first]);
    ensure!(gone.stderr.contains("BACKUP_NOT_FOUND"), "{gone:?}");
    scene.restores_equal().await?;

    // What the next one shares with it stays.
    scene.sell()?;
    scene.back_up()?;
    let shared = scene.bytes()?;
    ensure!(shared * 10 < after * 12, "{after} bytes before, {shared} after");
    scene
        .system
        .dgctl(&["backup", "delete", &second, "--yes"])
        .succeed()?;
    wait::until("its manifest to go", || Ok(!scene.has_manifest(&second)))?;
    scene.restores_equal().await?;
    scene.system.check_invariants()
}

#[test]
fn a_backup_that_is_being_restored_stays() -> Result<()> {
    let mut scene = Scene::set(20_000)?;
    scene.back_up()?;
    scene.back_up()?;
    let all = scene.system.json(&["backup", "list"])?;
    let oldest = all["backups"][1]["id"]
        .as_str()
        .context("two backups")?
        .to_owned();
    let hold = scene.system.folder().join("held");
    scene.system.agent.program().kill9()?;
    let point = Point::RestoreRows;
    scene
        .system
        .agent
        .start_armed(&format!("{point}=hang:{}", hold.display()))?;
    scene.system.wait_for_agent(AGENT)?;
    let started = scene.system.json(&[
        "restore",
        "--backup",
        &oldest,
        "--datasource",
        "main",
        "--scratch",
    ])?;
    let execution = started["execution"]["id"]
        .as_str()
        .context("an execution")?
        .to_owned();
    wait::until("the restore to be held", || Ok(hold.exists()))?;
    let refused = scene.system.dgctl(&["backup", "delete", &oldest, "--yes"]);
    ensure!(
        refused.stderr.contains("BACKUP_IN_USE") && refused.stderr.contains(&execution),
        "{refused:?}"
    );
    fs::remove_file(&hold)?;
    scene.system.wait_for_state(&execution, "completed")?;
    scene.delete(&oldest)?;
    wait::until("its manifest to go", || Ok(!scene.has_manifest(&oldest)))?;
    scene.system.check_invariants()
}

#[test]
fn a_storage_that_is_away_keeps_its_copy_until_it_is_back() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    load_bulk(&server, "shop", 20_000)?;
    let mut system = System::start()?;
    let attic = system.folder().join("attic");
    system.add_storage("attic", &attic)?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &["--storage", "attic", "--strategy", "replicate"])?;
    system.run_job("main").succeed()?;
    system.run_job("main").succeed()?;
    let all = system.json(&["backup", "list"])?;
    let oldest = all["backups"][1]["id"]
        .as_str()
        .context("two backups")?
        .to_owned();
    let away = system.folder().join("attic.away");
    fs::rename(&attic, &away)?;
    system.control_plane.start_again_with(EAGER)?;
    system.wait_for_agent(AGENT)?;
    system.dgctl(&["backup", "delete", &oldest, "--yes"]).succeed()?;
    wait::until("one copy to be gone and the other to wait", || {
        let shown = system.json(&["backup", "get", &oldest])?;
        let copies = shown["backup"]["copies"].as_array().cloned().unwrap_or_default();
        let state = |at: &str| copies.iter().any(|copy| copy["state"] == at);
        Ok(state("COPY_STATE_DELETED") && state("COPY_STATE_DELETING"))
    })?;
    let listed = system.json(&["backup", "list"])?;
    assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1), "{listed:#}");
    wait::until("the storage's page to say what holds collection up", || {
        let shown = system.json(&["storage", "get", "attic"])?;
        Ok(shown["storage"]["collectionHolds"][0]["datasource"] == "main")
    })?;
    let info = system.json(&["system", "info"])?;
    assert_eq!(info["heldStorages"][0], "attic", "{info:#}");
    fs::rename(&away, &attic)?;
    let manifest = attic
        .join(system.datasource_id("main")?)
        .join("backups")
        .join(format!("{oldest}.json"));
    wait::until("the other copy to go too", || Ok(!manifest.exists()))?;
    wait::until("nothing to be held any more", || {
        let shown = system.json(&["storage", "get", "attic"])?;
        Ok(holds(&shown) == 0)
    })?;
    system.restore_latest("main", &["--scratch"]).succeed()?;
    system.check_invariants()
}

/// Each program kills itself at each of its points; whoever starts it again finds the deletion going on to its end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_survives_kills_at_every_point() -> Result<()> {
    let mut scene = Scene::set(20_000)?;
    scene.system.control_plane.start_again_with(EAGER)?;
    scene.system.wait_for_agent(AGENT)?;
    scene.back_up()?;
    for point in [
        Point::DeletionStored,
        Point::LeavingManifestDeleted,
        Point::ManifestGoneReceived,
        Point::CondemnedStored,
        Point::CondemnedDeleted,
    ] {
        scene.sell()?;
        let newest = scene.back_up()?;
        let listed = scene.system.json(&["backup", "list"])?;
        let oldest = listed["backups"][1]["id"]
            .as_str()
            .context("two backups")?
            .to_owned();
        arm(&mut scene.system, point)?;
        // The control plane may die before it answers.
        drop(scene.system.dgctl(&["backup", "delete", &oldest, "--yes"]));
        let dead = match point.place() {
            Place::Agent => scene.system.agent.program(),
            Place::ControlPlane => scene.system.control_plane.program(),
        };
        wait::until(&format!("{point} to be reached"), || Ok(dead.ended()?.is_some()))?;
        match point.place() {
            Place::Agent => scene.system.agent.start_again()?,
            Place::ControlPlane => scene.system.control_plane.start_again()?,
        }
        scene.system.wait_for_agent(AGENT)?;
        scene
            .wait_until_only(&newest)
            .with_context(|| format!("after a kill at {point}"))?;
        scene.restores_equal().await?;
        scene.system.check_invariants()?;
    }
    Ok(())
}

fn arm(system: &mut System, point: Point) -> Result<()> {
    let armed = format!("{point}=kill");
    match point.place() {
        Place::Agent => {
            system.agent.program().stop()?;
            system.agent.start_armed(&armed)?;
        }
        Place::ControlPlane => {
            system.control_plane.program().stop()?;
            system.control_plane.start_armed(&armed)?;
        }
    }
    system.wait_for_agent(AGENT)
}

/// The metadata database of yesterday knows nothing of today's backup: nothing is collected beside it until it is imported.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_metadata_database_finds_its_newer_backups_again() -> Result<()> {
    let mut scene = Scene::set(20_000)?;
    let first = scene.back_up()?;
    let data = scene.system.control_plane.data_dir();
    let (database, yesterday) = (
        data.join("dataguardian.db"),
        scene.system.folder().join("yesterday.db"),
    );
    scene.system.control_plane.program().stop()?;
    fs::copy(&database, &yesterday)?;
    scene.system.control_plane.start_again()?;
    scene.system.control_plane.start_again_with(EAGER)?;
    scene.system.wait_for_agent(AGENT)?;
    scene.sell()?;
    let second = scene.back_up()?;
    let foreign = scene
        .folder
        .join("backups/00000000-0000-0000-0000-00000000f0e1.json");
    scene.system.control_plane.program().stop()?;
    for left in ["-wal", "-shm"] {
        let beside = data.join(format!("dataguardian.db{left}"));
        if beside.exists() {
            fs::remove_file(beside)?;
        }
    }
    fs::copy(&yesterday, &database)?;
    fs::copy(scene.folder.join(format!("backups/{second}.json")), &foreign)?;
    scene.system.control_plane.start_again()?;
    scene.system.wait_for_agent(AGENT)?;
    let listed = scene.system.json(&["backup", "list"])?;
    assert_eq!(listed["backups"].as_array().map(Vec::len), Some(1), "{listed:#}");
    let objects = scene.system.objects()?;
    wait::until("the storage's page to say what holds collection up", || {
        let shown = scene.system.json(&["storage", "get", "vault"])?;
        Ok(holds(&shown) == 1)
    })?;
    let refused = scene.system.dgctl(&["storage", "import", "vault"]);
    ensure!(
        refused.status == Some(1) && refused.stdout.contains("another backup than its name says"),
        "{refused:?}"
    );
    let listed = scene.system.json(&["backup", "list"])?;
    let (newest, oldest) = (&listed["backups"][0]["id"], &listed["backups"][1]["id"]);
    assert_eq!(
        (newest, oldest),
        (&second.clone().into(), &first.clone().into()),
        "{listed:#}"
    );
    assert_eq!(
        scene.system.objects()?,
        objects,
        "nothing is collected while a manifest is in doubt"
    );
    fs::remove_file(&foreign)?;
    scene.system.dgctl(&["storage", "import", "vault"]).succeed()?;
    scene.restores_equal().await?;
    scene.delete(&first)?;
    scene.wait_until_only(&second)?;
    scene.restores_equal().await?;
    scene.system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_bucket_the_control_planes_own_key_deletes() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    load_bulk(&server, "shop", 60_000)?;
    let (s3, mut system) = (S3Server::start(Kind::SeaweedFs)?, System::start()?);
    system.add_datasource("main", &server, &["shop"])?;
    let secret = |(id, secret): (&str, &str)| -> Result<String> {
        let file = system.folder().join(format!("{id}.secret"));
        fs::write(&file, secret)?;
        Ok(file.display().to_string())
    };
    let (key, delete_key) = (secret(KEY)?, secret(DELETE_KEY)?);
    let endpoint = format!("http://{}", s3.address());
    let place = ["--bucket", BUCKET, "--path-style", "--endpoint", &endpoint];
    let who = ["--access-key-id", KEY.0, "--secret-key-file", &key];
    let words = ["storage", "create", "s3", "--name", "bucket"];
    system.dgctl(&[&words[..], &place, &who].concat()).succeed()?;
    let job = [
        "job",
        "create",
        "--name",
        "main",
        "--datasource",
        "main",
        "--storage",
        "bucket",
    ];
    system.dgctl(&job).succeed()?;
    cut(&system, "stream")?;
    system.run_job("main").succeed()?;
    cut(&system, "content-defined")?;
    system.run_job("main").succeed()?;
    let storage = s3.storage("")?;
    let datasource: DatasourceId = system.datasource_id("main")?.parse()?;
    let manifests = || async {
        let listed: Vec<_> = storage.list(Listing::Manifests(datasource)).try_collect().await?;
        anyhow::Ok(listed.len())
    };
    let packs = || async {
        let listed: Vec<_> = storage.list(Listing::Packs(datasource)).try_collect().await?;
        anyhow::Ok(listed.iter().map(|pack| pack.size).sum::<u64>())
    };
    let all = system.json(&["backup", "list"])?;
    let oldest = all["backups"][1]["id"]
        .as_str()
        .context("two backups")?
        .to_owned();
    system.control_plane.start_again_with(EAGER)?;
    system.wait_for_agent(AGENT)?;
    let before = packs().await?;
    system.dgctl(&["backup", "delete", &oldest, "--yes"]).succeed()?;
    wait::until("the deletion to say that nobody has a key", || {
        let shown = system.json(&["backup", "get", &oldest])?;
        let why = shown["backup"]["copies"][0]["failure"]["message"].to_string();
        Ok(why.contains("--delete-access-key-id"))
    })?;
    assert_eq!(manifests().await?, 2);
    let change = [
        "storage",
        "update",
        "bucket",
        "--delete-access-key-id",
        DELETE_KEY.0,
    ];
    system
        .dgctl(&[&change[..], &["--delete-secret-key-file", &delete_key]].concat())
        .succeed()?;
    wait::until_async("the manifest to go", || async { Ok(manifests().await? == 1) }).await?;
    let freed = || async { Ok(packs().await? * 10 < before * 7) };
    wait::until_async("what it alone named to go", freed).await?;
    system.restore_latest("main", &["--scratch"]).succeed()?;
    system.check_invariants()
}
