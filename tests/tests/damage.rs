//! What lies in a storage rots: a restore then names the object, or does not need what rotted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{STORAGE, System, files};

fn scene() -> Result<(Postgres, System)> {
    let server = Postgres::start(Version::V16)?;
    load_bulk(&server, "shop", 60_000)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &["--compression-level", "1"])?;
    system.run_job("main").succeed()?;
    Ok((server, system))
}

fn restore(system: &System) -> dataguardian_tests::system::Outcome {
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

/// The last part of an object's path: the digest or id that it is named by.
fn name(object: &Path) -> Result<String> {
    let name = object.file_stem().context("an object has a name")?;
    Ok(name.to_string_lossy().into_owned())
}

fn objects(system: &System) -> Result<Vec<PathBuf>> {
    let all = files(&system.vault())?;
    Ok(all
        .into_iter()
        .filter(|path| path.parent() != Some(system.vault().as_path()))
        .collect())
}

#[test]
fn one_flipped_bit_is_named_or_not_needed() -> Result<()> {
    let (_server, system) = scene()?;
    let objects = objects(&system)?;
    ensure!(
        objects
            .iter()
            .any(|path| path.to_string_lossy().contains("/packs/")),
        "{objects:?}"
    );
    let mut named = 0;
    for object in &objects {
        let whole = fs::read(object)?;
        for place in [whole.len() / 3, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            fs::write(object, &damaged)?;
            let outcome = restore(&system);
            match outcome.status {
                Some(0) => {}
                _ => {
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
                    named += 1;
                }
            }
        }
        fs::write(object, &whole)?;
    }
    ensure!(
        named > objects.len() / 2,
        "only {named} of {} objects were found damaged",
        objects.len()
    );
    restore(&system).succeed()?;
    Ok(())
}

#[test]
fn a_missing_or_cut_object_is_named() -> Result<()> {
    let (server, system) = scene()?;
    for object in objects(&system)? {
        let whole = fs::read(&object)?;
        fs::remove_file(&object)?;
        let said = restore(&system).fail(1)?;
        ensure!(
            said.contains(&name(&object)?),
            "{} is not named: {said}",
            object.display()
        );
        fs::write(&object, &whole[..whole.len() / 2])?;
        let said = restore(&system).fail(1)?;
        ensure!(
            said.contains(&name(&object)?),
            "{} is not named: {said}",
            object.display()
        );
        fs::write(&object, &whole)?;
    }
    let databases = server.psql(
        "postgres",
        "select count(*) from pg_database where datname like 'dg%'",
    )?;
    assert_eq!(databases.trim(), "0", "half-made databases were left");
    restore(&system).succeed()?;
    Ok(())
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
    Ok(())
}
