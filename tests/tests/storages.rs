//! Storages as places: which may be one, what lies in them, and what is told when one drops out.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::Result;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{AGENT, Metadata, Outcome, System};

fn create(system: &System, name: &str, path: &Path) -> Outcome {
    let path = path.display().to_string();
    system.dgctl(&[
        "storage", "create", "local", "--name", name, "--agent", AGENT, "--path", &path,
    ])
}

#[tokio::test]
async fn two_storages_never_share_a_place_however_it_is_reached() -> Result<()> {
    let system = System::start()?;
    let folder = system.folder();
    symlink(system.vault(), folder.join("link"))?;
    symlink(folder, folder.join("around"))?;
    for path in [
        "vault",
        "vault/sub",
        "link",
        "link/sub",
        "around/vault",
        "around",
        "around/vault/sub",
    ] {
        let said = create(&system, "copy", &folder.join(path)).fail(1)?;
        assert!(
            said.contains("PLACE_TAKEN") && said.contains("storage vault"),
            "{path}: {said}"
        );
    }
    assert!(
        !system.vault().join("sub").exists(),
        "nothing is made where it is refused"
    );
    // What only the repository itself can show: the same disk in two places.
    let copied = folder.join("mounted again");
    fs::create_dir(&copied)?;
    fs::copy(
        system.vault().join("repository.json"),
        copied.join("repository.json"),
    )?;
    let said = create(&system, "copy", &copied).fail(1)?;
    assert!(
        said.contains("PLACE_TAKEN") && said.contains("storage vault"),
        "{said}"
    );
    create(&system, "copy", &folder.join("elsewhere")).succeed()?;
    system.check_invariants()
}

#[tokio::test]
async fn links_lead_no_storage_out_of_the_allowed_folders() -> Result<()> {
    let roots = format!("local_roots = [{:?}]\n", std::env::temp_dir());
    let system = System::start_with(Metadata::Embedded, &roots)?;
    let (link, place) = (system.folder().join("link"), system.folder().join("place"));
    symlink("/usr", &link)?;
    for path in [link.clone(), link.join("dataguardian")] {
        let said = create(&system, "copy", &path).fail(1)?;
        assert!(
            said.contains("AGENT_POLICY") && said.contains("which is /usr"),
            "{said}"
        );
    }
    // One that was allowed is judged again whenever it is used.
    create(&system, "copy", &place).succeed()?;
    system.dgctl(&["storage", "test", "copy"]).succeed()?;
    fs::rename(&place, system.folder().join("away"))?;
    symlink("/usr", &place)?;
    let tested = system.dgctl(&["storage", "test", "copy"]);
    assert_eq!(tested.status, Some(1), "{tested:?}");
    assert!(tested.stdout.contains("local_roots does not allow"), "{tested:?}");
    system.check_invariants_but(&[place, link])
}

#[tokio::test]
async fn a_folder_that_can_not_be_made_is_told_with_its_reason() -> Result<()> {
    let system = System::start()?;
    let said = create(&system, "copy", Path::new("/proc/dataguardian")).fail(1)?;
    assert!(
        said.contains("STORAGE_UNREACHABLE") && said.contains("/proc/dataguardian"),
        "{said}"
    );
    assert!(
        said.contains("can't create its directory") && !said.contains("damaged"),
        "{said}"
    );
    system.check_invariants()
}

fn modes_below(folder: &Path, found: &mut Vec<(String, u32)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, metadata) = {
            let entry = entry?;
            (entry.path(), entry.metadata()?)
        };
        found.push((path.display().to_string(), metadata.permissions().mode() & 0o777));
        if metadata.is_dir() {
            modes_below(&path, found)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_lies_in_a_storage_is_its_owners_alone_and_one_that_drops_out_is_told() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    server.psql("shop", "create table t as select generate_series(1, 1000) i")?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    let (second, away) = (system.folder().join("second"), system.folder().join("away"));
    create(&system, "second", &second).succeed()?;
    for strategy in ["replicate", "fallback"] {
        let job = ["job", "create", "--name", strategy, "--datasource", "main"];
        let storages = [
            "--storage",
            "second",
            "--storage",
            "vault",
            "--strategy",
            strategy,
            "--no-encrypt",
        ];
        system.dgctl(&[&job[..], &storages[..]].concat()).succeed()?;
        let ran = system.run_job(strategy).succeed()?;
        assert!(!ran.stdout.contains("warning"), "{ran:?}");
        fs::rename(&second, &away)?;
        let ran = system.run_job(strategy).succeed()?;
        assert!(
            ran.stdout
                .contains("warning: storage second did not get this backup"),
            "{ran:?}"
        );
        assert!(!ran.stdout.contains("storage vault did not"), "{ran:?}");
        fs::rename(&away, &second)?;
    }
    let mut found = Vec::new();
    modes_below(&system.vault(), &mut found)?;
    modes_below(&second, &mut found)?;
    assert!(found.len() > 10, "{found:?}");
    for (path, mode) in found {
        assert_eq!(mode & 0o077, 0, "{path}: {mode:03o}");
    }
    system.check_invariants()
}
