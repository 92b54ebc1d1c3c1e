//! Backups are looked into without restoring them: by hand and on schedule. What is damaged is named, marked, told of, and
//! mended from another copy.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dataguardian_repository::id::PackId;
use dataguardian_repository::manifest::{Manifest, Outline};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::s3::{BUCKET, KEY, Kind, S3Server};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, STORAGE, Setup, System, files};
use dataguardian_tests::wait;
use serde_json::Value;

/// Everything is looked at every second.
const EAGER: &str =
    "[verification]\npresence_every_seconds = 1\nread_every_seconds = 2\ninterval_seconds = 1\n";

fn scene(settings: &str) -> Result<(Postgres, System)> {
    let server = Postgres::start(Version::V15)?;
    load_bulk(&server, "shop", 40_000)?;
    let setup = Setup {
        config: settings.to_owned(),
        ..Setup::usual()?
    };
    let system = System::start_as(setup, "")?;
    system.add_datasource("main", &server, &["shop"])?;
    Ok((server, system))
}

const LATEST: [&str; 5] = ["backup", "verify", "latest", "--datasource", "main"];

fn latest(system: &System) -> Result<Value> {
    let found = system.json(&["backup", "get", "latest", "--datasource", "main"])?;
    Ok(found["backup"].clone())
}

fn copy<'a>(backup: &'a Value, storage: &str) -> Result<&'a Value> {
    let copies = backup["copies"].as_array().context("copies")?;
    let found = copies.iter().find(|copy| copy["storage"] == storage);
    found.with_context(|| format!("{backup:#} has no copy in {storage}"))
}

/// What came of the last check of a copy at that level.
fn outcome(backup: &Value, storage: &str, level: u64) -> Result<String> {
    let checks = copy(backup, storage)?["checks"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let of_level = |check: &&Value| check["level"].as_u64().unwrap_or(0) == level;
    let found = checks.iter().find(of_level);
    let found = found
        .and_then(|check| check["outcome"].as_str())
        .unwrap_or_default();
    Ok(found.trim_start_matches("CHECK_OUTCOME_").to_lowercase())
}

/// The first pack in a folder.
fn pack(folder: &Path) -> Result<PathBuf> {
    let packs = files(folder)?;
    let found = packs
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/packs/"));
    found.context("a pack")
}

/// Changes one byte in the middle.
fn flip(path: &Path) -> Result<Vec<u8>> {
    let whole = fs::read(path)?;
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x20;
    fs::write(path, damaged)?;
    Ok(whole)
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn verify(system: &System, more: &[&str]) -> dataguardian_tests::system::Outcome {
    system.dgctl(&[&LATEST[..], &["--wait"], more].concat())
}

#[test]
fn damage_fails_the_verification_and_is_shown_wherever_people_look() -> Result<()> {
    let (_server, system) = scene("")?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    for level in ["0", "1", "2"] {
        verify(&system, &["--level", level]).succeed()?;
    }
    let backup = latest(&system)?;
    ensure!(backup["verifiedAt"].is_string(), "{backup:#}");
    for level in 0..=2 {
        assert_eq!(outcome(&backup, STORAGE, level)?, "good");
    }
    let pack = pack(&system.vault())?;
    let whole = flip(&pack)?;
    verify(&system, &["--level", "0"]).succeed()?;
    let said = verify(&system, &["--level", "1", "-o", "json"]);
    assert_eq!(said.status, Some(1), "{}{}", said.stdout, said.stderr);
    ensure!(
        said.stderr.contains("REPOSITORY_DAMAGED") && said.stderr.contains(&name(&pack)),
        "{}",
        said.stderr
    );
    let found: Value = serde_json::from_str(&said.stdout)?;
    let fault = &found["execution"]["verifyReport"]["copies"][0]["faults"][0];
    ensure!(fault["hurts"].to_string().contains("shop"), "{found:#}");
    let shown = system.dgctl(&["backup", "list"]).succeed()?.stdout;
    ensure!(shown.contains("1/1, 1 damaged"), "{shown}");
    let shown = system
        .dgctl(&["backup", "get", "latest", "--datasource", "main"])
        .succeed()?
        .stdout;
    ensure!(
        shown.contains("vault (damaged)") && shown.contains(&name(&pack)),
        "{shown}"
    );
    let shown = system.dgctl(&["system", "info"]).succeed()?.stdout;
    ensure!(
        shown.contains("is damaged in storage vault") && shown.contains("back up anew"),
        "{shown}"
    );
    let told = system.dgctl(&["execution", "list"]).succeed()?.stdout;
    ensure!(told.contains("verify") && told.contains("failed"), "{told}");
    ensure!(latest(&system)?["verifiedAt"].is_null());
    let warned = system.json(&[
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--scratch",
    ])?;
    ensure!(warned.to_string().contains("known to be damaged"), "{warned:#}");
    let restore = warned["execution"]["id"].as_str().context("an id")?;
    let failed = system.wait_for_state(restore, "failed")?;
    ensure!(
        failed["failure"]["message"].to_string().contains(&name(&pack)),
        "{failed:#}"
    );
    fs::write(&pack, whole)?;
    verify(&system, &["--level", "2"]).succeed()?;
    let backup = latest(&system)?;
    ensure!(
        copy(&backup, STORAGE)?["damaged"] == false && backup["verifiedAt"].is_string(),
        "{backup:#}"
    );
    let refused = system.dgctl(&[&LATEST[..], &["--level", "3"]].concat());
    assert_eq!(refused.status, Some(2));
    let refused = system.dgctl(&[&LATEST[..], &["--storage", "elsewhere"]].concat());
    assert_eq!(refused.status, Some(1), "{}", refused.stderr);
    system.check_invariants()
}

#[test]
fn a_copy_that_is_damaged_is_mended_from_the_other_and_good_again() -> Result<()> {
    let (_server, system) = scene("")?;
    let attic = system.folder().join("attic");
    system.add_storage("attic", &attic)?;
    system.add_job("main", &["--storage", "attic", "--strategy", "replicate"])?;
    system.run_job("main").succeed()?;
    let manifest = system.manifests()?.pop().context("a manifest")?;
    let lists = files(&system.vault())?;
    let list = lists
        .iter()
        .find(|path| path.to_string_lossy().contains("/lists/"));
    for object in [Some(pack(&system.vault())?), Some(manifest), list.cloned()]
        .into_iter()
        .flatten()
    {
        let whole = flip(&object)?;
        let said = verify(&system, &["--level", "1"]).fail(1)?;
        ensure!(said.contains(&name(&object)) && !said.contains("attic"), "{said}");
        mended(&system, STORAGE, &object, &whole)?;
    }
    let lost = pack(&system.vault())?;
    let whole = fs::read(&lost)?;
    fs::remove_file(&lost)?;
    verify(&system, &["--level", "0", "--storage", STORAGE]).fail(1)?;
    mended(&system, STORAGE, &lost, &whole)?;
    assert_eq!(outcome(&latest(&system)?, STORAGE, 0)?, "mended");
    verify(&system, &[]).succeed()?;
    assert_eq!(outcome(&latest(&system)?, STORAGE, 2)?, "good");
    system.check_invariants()
}

/// What is damaged everywhere holds up nothing that is whole somewhere.
#[test]
fn what_can_be_mended_is_mended_beside_what_can_not() -> Result<()> {
    let (server, system) = scene("")?;
    load_bulk(&server, "more", 300_000)?;
    let words = [
        "datasource",
        "update",
        "main",
        "--database",
        "shop",
        "--database",
        "more",
    ];
    system.dgctl(&words).succeed()?;
    let attic = system.folder().join("attic");
    system.add_storage("attic", &attic)?;
    system.add_job("main", &["--storage", "attic", "--strategy", "replicate"])?;
    system.run_job("main").succeed()?;
    let manifest = system.manifests()?.pop().context("a manifest")?;
    let outline = Outline::decode(Manifest::decode(&fs::read(manifest)?)?.payload())?;
    let [first, second, third, ..] = outline.packs.as_slice() else {
        anyhow::bail!("only {} packs", outline.packs.len());
    };
    let object = |folder: &Path, id: PackId| -> Result<PathBuf> {
        let found = files(folder)?
            .into_iter()
            .find(|path| name(path) == id.to_string());
        found.context("a pack")
    };
    let mut lost = Vec::new();
    for pack in [first, second] {
        let (here, there) = (object(&system.vault(), pack.id)?, object(&attic, pack.id)?);
        flip(&there)?;
        lost.push((flip(&here)?, here, there));
    }
    let hurt = object(&system.vault(), third.id)?;
    let hurt_whole = flip(&hurt)?;
    verify(&system, &["--level", "1"]).fail(1)?;
    wait::until("what can be mended to be mended", || {
        Ok(fs::read(&hurt)? == hurt_whole)
    })
    .with_context(|| format!("{}\n{}", system.control_plane.log(), system.agent.log()))?;
    let said = verify(&system, &["--level", "1", "--storage", STORAGE, "-o", "json"]).stdout;
    ensure!(!said.contains(&name(&hurt)), "{said}");
    // Whoever has the others still puts them back in one place.
    for (whole, here, there) in &lost {
        ensure!(said.contains(&name(here)), "{said}");
        fs::write(there, whole)?;
    }
    verify(&system, &["--level", "1", "--storage", "attic"]).succeed()?;
    for (whole, here, _) in &lost {
        mended(&system, STORAGE, here, whole)?;
    }
    system.check_invariants()
}

/// Waits until a copy is not damaged any more; the object is as it was.
fn mended(system: &System, storage: &str, object: &Path, whole: &[u8]) -> Result<()> {
    wait::until("the copy to be mended", || {
        Ok(copy(&latest(system)?, storage)?["damaged"] != true)
    })
    .with_context(|| format!("{}\n{}", system.control_plane.log(), system.agent.log()))?;
    ensure!(
        fs::read(object)? == whole,
        "{} is not as it was",
        object.display()
    );
    Ok(())
}

/// Waits until an object is as it was, and its copy good. Servers take a file away before they put another in its place.
fn read_back(system: &System, storage: &str, object: &Path, whole: &[u8]) -> Result<()> {
    wait::until("what is damaged to be mended", || {
        Ok(fs::read(object).is_ok_and(|now| now == whole))
    })
    .with_context(|| {
        format!(
            "{storage}\n{}\n{}",
            system.control_plane.log(),
            system.agent.log()
        )
    })?;
    mended(system, storage, object, whole)
}

#[test]
fn on_schedule_damage_is_found_in_a_folder_and_a_bucket_and_mended_after_a_restart() -> Result<()> {
    let (_server, mut system) = scene(EAGER)?;
    let s3 = S3Server::start(Kind::Rclone)?;
    let secret = system.folder().join("s3.secret");
    fs::write(&secret, KEY.1)?;
    let endpoint = format!("http://{}", s3.address());
    let words = [
        "storage", "create", "s3", "--name", "bucket", "--bucket", BUCKET, "--prefix", "b",
    ];
    let how = ["--path-style", "--endpoint", &endpoint, "--access-key-id", KEY.0];
    let secret = secret.display().to_string();
    system
        .dgctl(&[&words[..], &how, &["--secret-key-file", &secret]].concat())
        .succeed()?;
    system.add_job("main", &["--storage", "bucket", "--strategy", "replicate"])?;
    system.run_job("main").succeed()?;
    for storage in [STORAGE, "bucket"] {
        wait::until("all to be read once", || {
            Ok(outcome(&latest(&system)?, storage, 1)? == "good")
        })
        .with_context(|| format!("{}\n{}", system.control_plane.log(), system.agent.log()))?;
    }
    // What happens while the control plane is away is found when it is back.
    system.control_plane.program().kill9()?;
    let object = pack(&system.vault())?;
    let whole = flip(&object)?;
    system.control_plane.start_again()?;
    system.wait_for_agent(AGENT)?;
    read_back(&system, STORAGE, &object, &whole)?;
    for part in ["/packs/", "/backups/"] {
        let objects = files(&s3.bucket())?;
        let object = objects.iter().find(|path| path.to_string_lossy().contains(part));
        let object = object.context("an object in the bucket")?;
        let whole = flip(object)?;
        read_back(&system, "bucket", object, &whole)?;
    }
    let log = system.control_plane.log();
    ensure!(log.contains("a copy of a backup is damaged"), "{log}");
    verify(&system, &[]).succeed()?;
    system.check_invariants()
}

#[test]
fn a_verification_holds_up_no_backup_and_can_be_cancelled_and_killed() -> Result<()> {
    let (_server, mut system) = scene("")?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    for end in ["cancelled", "completed"] {
        let hold = system.folder().join("held");
        system.agent.program().kill9()?;
        system
            .agent
            .start_armed(&format!("agent.verify.begun=hang:{}", hold.display()))?;
        system.wait_for_agent(AGENT)?;
        let started = system.json(&LATEST)?;
        let id = started["execution"]["id"].as_str().context("an id")?.to_owned();
        wait::until("the verification to begin", || Ok(hold.exists()))?;
        // The agent has one slot, and a verification does not take it.
        system.run_job("main").succeed()?;
        if end == "cancelled" {
            system.dgctl(&["execution", "cancel", &id]).succeed()?;
        } else {
            system.agent.program().kill9()?;
            fs::remove_file(&hold)?;
            system.agent.start_again()?;
        }
        let ended = system.wait_for_state(&id, end)?;
        ensure!(end == "cancelled" || ended["attempt"] == 2, "{ended:#}");
        if hold.exists() {
            fs::remove_file(&hold)?;
        }
    }
    let log = system.dgctl(&["execution", "list"]).succeed()?.stdout;
    ensure!(log.contains("verify"), "{log}");
    system.check_invariants()
}
