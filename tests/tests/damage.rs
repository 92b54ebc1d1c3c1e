//! What lies in a storage rots: a restore then names the object, or does not need what rotted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dataguardian_core::secret::Secret;
use dataguardian_repository::kit::{Opener, RecoveryKit};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::VerifyingKey;
use dataguardian_repository::read::Executor;
use dataguardian_repository::storage::Storage;
use dataguardian_repository::verify::{CopyCheck, Level, Silent, verify_copy};
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::{Awkward, load_bulk};
use dataguardian_tests::system::{Outcome, STORAGE, System, files};
use sqlx::SqlitePool;

fn scene() -> Result<(Postgres, System)> {
    let server = Postgres::start(Version::V16)?;
    Awkward::default().load(&server, "shop")?;
    load_bulk(&server, "bulk", 60_000)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop", "bulk"])?;
    system.add_job("main", &["--compression-level", "1"])?;
    system.run_job("main").succeed()?;
    Ok((server, system))
}

fn restore(system: &System) -> Outcome {
    system.dgctl(&[
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--scratch",
        "--wait",
    ])
}

/// What a restore made of a damaged object.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// It failed and named the object.
    Named,
    /// It did not need what was damaged, and everything is equal to its source.
    NotNeeded,
}

/// Restores under names of its own; the object is named, or both databases are equal to their sources, row by row.
async fn restore_damaged(server: &Postgres, system: &System, object: &Path, round: usize) -> Result<Found> {
    let pairs = ["shop", "bulk"].map(|name| (name, format!("{name}_{round}")));
    let mut words = vec!["restore", "--backup", "latest", "--datasource", "main", "--wait"];
    let mappings = pairs.each_ref().map(|(old, new)| format!("{old}={new}"));
    for mapping in &mappings {
        words.extend(["--database", mapping]);
    }
    let outcome = system.dgctl(&words);
    if outcome.status == Some(0) {
        for (old, new) in &pairs {
            let report = Comparison::new(Database::of(server, old), Database::of(server, new))
                .run()
                .await?;
            report
                .equal()
                .with_context(|| format!("{} is damaged, and the restore differs", object.display()))?;
        }
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        let named = said.contains(&name(object)?);
        return Ok(if named { Found::Named } else { Found::NotNeeded });
    }
    let said = outcome.fail(1)?;
    ensure!(
        said.contains("REPOSITORY_DAMAGED"),
        "{}: {said}",
        object.display()
    );
    ensure!(
        said.contains(&name(object)?),
        "{} is not named: {said}",
        object.display()
    );
    Ok(Found::Named)
}

/// The last part of an object's path: the digest or id that it is named by.
fn name(object: &Path) -> Result<String> {
    let name = object.file_stem().context("an object has a name")?;
    Ok(name.to_string_lossy().into_owned())
}

/// All objects but those that only a person reads.
fn objects(system: &System) -> Result<Vec<PathBuf>> {
    let mut all = files(&system.vault())?;
    all.retain(|path| {
        !["RESTORE.md", "restore.py"]
            .iter()
            .any(|name| path.ends_with(name))
    });
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_is_named_or_not_needed() -> Result<()> {
    let (server, system) = scene()?;
    let objects = objects(&system)?;
    let has = |part: &str| objects.iter().any(|path| path.to_string_lossy().contains(part));
    ensure!(has("/packs/") && has("/backups/"), "{objects:?}");
    let mut found = Vec::new();
    for object in &objects {
        let whole = fs::read(object)?;
        for place in [whole.len() / 3, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(object, &damaged)?;
            found.push(restore_damaged(&server, &system, object, found.len()).await?);
        }
        fs::write(object, &whole)?;
    }
    let named = found.iter().filter(|found| **found == Found::Named).count();
    ensure!(
        named > objects.len() / 2,
        "only {named} of {} flips were found",
        found.len()
    );
    restore(&system).succeed()?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_cut_object_is_named_or_not_needed() -> Result<()> {
    let (server, system) = scene()?;
    let objects = objects(&system)?;
    let mut round = 0;
    for object in &objects {
        let whole = fs::read(object)?;
        fs::remove_file(object)?;
        let missing = restore_damaged(&server, &system, object, round).await?;
        // What says whose repository it is, is for those who write into it: a backup comes back without.
        let is_needed = !object.ends_with("repository.json");
        ensure!(
            missing == Found::Named || !is_needed,
            "{} is missing, and was not named",
            object.display()
        );
        fs::write(object, &whole[..whole.len() / 2])?;
        restore_damaged(&server, &system, object, round + 1).await?;
        fs::write(object, &whole)?;
        round += 2;
    }
    let databases = server.psql(
        "postgres",
        "select count(*) from pg_database where datname like 'dg%'",
    )?;
    assert_eq!(databases.trim(), "0", "half-made databases were left");
    restore(&system).succeed()?;
    system.check_invariants()
}

#[test]
fn an_empty_mount_point_is_not_taken_for_the_storage() -> Result<()> {
    let (_server, system) = scene()?;
    let aside = system.folder().join("aside");
    fs::rename(system.vault(), &aside)?;
    fs::create_dir(system.vault())?;
    let said = system.run_job("main").fail(1)?;
    assert!(
        said.contains("STORAGE_UNREACHABLE") && said.contains("mounted"),
        "{said}"
    );
    assert_eq!(
        files(&system.vault())?,
        Vec::<PathBuf>::new(),
        "nothing was written there"
    );
    let test = system.dgctl(&["storage", "test", STORAGE]);
    assert_ne!(test.status, Some(0), "{}", test.stdout);
    fs::remove_dir(system.vault())?;
    fs::rename(&aside, system.vault())?;
    system.run_job("main").succeed()?;
    system.check_invariants()
}

/// What looks at the one backup that there is, without its keys, as everybody can.
async fn digests(system: &System) -> Result<CopyCheck> {
    const PASSPHRASE: &str = "correct horse battery staple";
    let (passphrase, kit) = (
        system.folder().join("passphrase"),
        system.folder().join("kit.age"),
    );
    fs::write(&passphrase, PASSPHRASE)?;
    let (passphrase, path) = (passphrase.display().to_string(), kit.display().to_string());
    let words = [
        "system",
        "recovery-kit",
        "--save-kit",
        &path,
        "--passphrase-file",
        &passphrase,
    ];
    system.dgctl(&words).succeed()?;
    let kit = RecoveryKit::open(&fs::read(kit)?, &Opener::Passphrase(Secret::new(PASSPHRASE)))?;
    let manifest = system.manifests()?.pop().context("a manifest")?;
    let path = manifest.strip_prefix(system.vault())?.display().to_string();
    let ObjectKey::Manifest(datasource, backup) = path.parse()? else {
        anyhow::bail!("{path} is no manifest");
    };
    Ok(CopyCheck {
        storage: Storage::local(system.vault())?,
        datasource,
        backup,
        trusted: [kit.signers()?, vec![agents_key(system).await?]].concat(),
        protection: None,
        level: Level::Digests,
        executor: Executor::default(),
    })
}

/// The key that the backup's agent signed with. No kit has it; the catalogue does.
async fn agents_key(system: &System) -> Result<VerifyingKey> {
    let catalogue = SqlitePool::connect(&system.control_plane.database()).await?;
    let key: Vec<u8> = sqlx::query_scalar("SELECT agent_public_key FROM manifests")
        .fetch_one(&catalogue)
        .await?;
    catalogue.close().await;
    Ok(VerifyingKey::from_bytes(&key)?)
}

/// Another one for each backup, whose id is drawn.
fn seed(check: &CopyCheck) -> u64 {
    let [.., a, b, c, d, e, f, g, h] = *check.backup.as_bytes();
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1
}

/// Drawn from a seed that a failure names.
fn draw(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

/// Objects for which a restore is tried: the first that is damaged of each kind, and a few more.
const RESTORED: usize = 6;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_changed_bytes_every_one_is_found() -> Result<()> {
    let (server, system) = scene()?;
    let check = digests(&system).await?;
    let whole = verify_copy(&check, &Silent).await?;
    ensure!(whole.is_good(), "{whole:?}");
    let objects: Vec<_> = objects(&system)?
        .into_iter()
        .filter(|path| {
            ["/packs/", "/lists/", "/backups/"]
                .iter()
                .any(|part| path.to_string_lossy().contains(part))
        })
        .collect();
    let mut seed = seed(&check);
    eprintln!("seed {seed}");
    let (mut hit, mut restored) = (BTreeSet::new(), 0);
    for round in 0..200 {
        let nth = usize::try_from(draw(&mut seed) % objects.len() as u64)?;
        let object = &objects[nth];
        let before = fs::read(object)?;
        let mut damaged = before.clone();
        let at = usize::try_from(draw(&mut seed) % before.len() as u64)?;
        damaged[at] ^= u8::try_from(1 + draw(&mut seed) % 255)?;
        fs::write(object, &damaged)?;
        let report = verify_copy(&check, &Silent).await?;
        let named = report
            .faults
            .first()
            .map(|fault| system.vault().join(fault.key.to_string()));
        ensure!(
            report.found == 1 && named.as_ref() == Some(object),
            "byte {at} of {} was changed, and was found as {report:?}",
            object.display()
        );
        if hit.insert(nth) && restored < RESTORED {
            restore_damaged(&server, &system, object, 1000 + round).await?;
            restored += 1;
        }
        fs::write(object, &before)?;
    }
    ensure!(verify_copy(&check, &Silent).await?.is_good());
    restore(&system).succeed()?;
    system.check_invariants()
}
