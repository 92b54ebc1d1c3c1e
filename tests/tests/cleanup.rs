//! What failed backups left in a storage goes; what a manifest names stays, and so does everything while that is in doubt.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::System;
use dataguardian_tests::wait;

/// Clean-up at once, and without a grace worth the name.
const EAGER: &str = "[cleanup]\ngrace_seconds = 1\ninterval_seconds = 1\n";

struct Scene {
    system: System,
    _server: Postgres,
    folder: PathBuf,
}

impl Scene {
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", 400_000)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        let folder = system.vault().join(system.datasource_id("main")?);
        Ok(Self {
            system,
            _server: server,
            folder,
        })
    }

    /// A backup that was cancelled after packs of it were stored.
    fn cancel_a_backup(&self) -> Result<()> {
        let before = self.system.objects()?.len();
        let execution = self.system.start_job("main")?;
        wait::until("packs to be stored", || Ok(self.system.objects()?.len() > before))?;
        self.system
            .dgctl(&["execution", "cancel", &execution])
            .succeed()?;
        self.system.wait_for_state(&execution, "cancelled")?;
        Ok(())
    }

    /// An object that nobody ever told of.
    fn leave(&self, kind: &str, byte: &str) -> Result<()> {
        let folder = self.folder.join(kind).join(byte);
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join(byte.repeat(32)), "left over")?)
    }

    fn restores(&self) -> Result<()> {
        let words = [
            "restore",
            "--backup",
            "latest",
            "--datasource",
            "main",
            "--scratch",
            "--wait",
        ];
        self.system.dgctl(&words).succeed().map(drop)
    }
}

#[test]
fn what_a_cancelled_backup_left_goes_and_nothing_else() -> Result<()> {
    let mut scene = Scene::set()?;
    scene.system.run_job("main").succeed()?;
    scene.cancel_a_backup()?;
    scene.leave("packs", "5a")?;
    scene.leave("lists", "6b")?;
    let (named, left) = (scene.system.named_objects()?, scene.system.objects()?);
    ensure!(
        named.is_subset(&left) && left.len() >= named.len() + 3,
        "{} of {}",
        named.len(),
        left.len()
    );
    let plan = scene.system.json(&["system", "cleanup", "--dry-run"])?;
    ensure!(
        plan["datasources"][0]["tombstoned"].as_u64() >= Some(3),
        "{plan:#}"
    );
    assert_eq!(scene.system.objects()?, left, "a dry run changes nothing");
    scene.system.control_plane.start_again_with(EAGER)?;
    wait::until("what was left to go", || Ok(scene.system.objects()? == named))?;
    scene.restores()?;
    scene.system.run_job("main").succeed()?;
    let again = scene.system.named_objects()?;
    ensure!(
        again.is_subset(&scene.system.objects()?),
        "a later backup lost something"
    );
    scene.restores()?;
    scene.system.check_invariants()
}

#[test]
fn a_manifest_that_can_not_be_read_holds_everything() -> Result<()> {
    let mut scene = Scene::set()?;
    scene.system.run_job("main").succeed()?;
    scene.cancel_a_backup()?;
    let stranger = scene
        .folder
        .join("backups")
        .join("00000000-0000-0000-0000-000000000001.json");
    fs::write(&stranger, "{")?;
    let left = scene.system.objects()?;
    scene.system.control_plane.start_again_with(EAGER)?;
    scene.system.wait_for_agent(dataguardian_tests::system::AGENT)?;
    wait::until("clean-up to say why it waits", || {
        let plan = scene.system.json(&["system", "cleanup", "--dry-run"])?;
        let reason = plan["datasources"][0]["heldStorages"][0]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok(reason.contains("can't be read"))
    })?;
    assert_eq!(scene.system.objects()?, left);
    fs::remove_file(stranger)?;
    let named = scene.system.named_objects()?;
    wait::until("what was left to go", || Ok(scene.system.objects()? == named))?;
    scene.restores()?;
    scene.system.check_invariants()
}
