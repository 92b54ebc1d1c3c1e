//! Commits that break off between the data and the manifest: one manifest in the end, or none and a failure that says why.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, System};
use dataguardian_tests::wait;

struct Scene {
    system: System,
    _server: Postgres,
    datasource: String,
}

impl Scene {
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", 2000)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        let datasource = system.datasource_id("main")?;
        Ok(Self {
            system,
            _server: server,
            datasource,
        })
    }

    /// Where the manifests go: while this is a file, none can be put there.
    fn backups(&self, storage: &str) -> PathBuf {
        self.system
            .folder()
            .join(storage)
            .join(&self.datasource)
            .join("backups")
    }

    fn block(&self, storage: &str) -> Result<()> {
        let place = self.backups(storage);
        fs::create_dir_all(place.parent().context("a parent")?)?;
        Ok(fs::write(place, "not a folder")?)
    }

    fn unblock(&self, storage: &str) -> Result<()> {
        Ok(fs::remove_file(self.backups(storage))?)
    }

    fn journal(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(self.system.agent.state_dir().join("journal"))?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    /// A backup that is stored but for its manifest, which no storage takes.
    fn committing(&self) -> Result<String> {
        let execution = self.system.start_job("main")?;
        self.system.wait_for_state(&execution, "committing")?;
        wait::until(
            "the agent to have told that no storage takes the manifest",
            || Ok(self.journal()?.is_empty()),
        )?;
        Ok(execution)
    }

    fn one_backup_that_restores(&self) -> Result<()> {
        ensure!(
            self.system.manifests()?.len() == 1,
            "one manifest: {:?}",
            self.system.manifests()?
        );
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
fn a_storage_that_comes_back_gets_the_manifest() -> Result<()> {
    let scene = Scene::set()?;
    scene.block("vault")?;
    let execution = scene.committing()?;
    let listed = scene.system.json(&["backup", "list"])?;
    assert_eq!(listed["backups"].as_array().map(Vec::len), Some(0), "{listed:#}");
    scene.unblock("vault")?;
    scene.system.wait_for_state(&execution, "completed")?;
    let described = fs::read(scene.system.vault().join("repository.json"))?;
    let described: serde_json::Value = serde_json::from_slice(&described)?;
    assert_eq!(
        described["keys"][0].as_str().map(str::len),
        Some(32),
        "{described:#}"
    );
    scene.one_backup_that_restores()?;
    scene.system.check_invariants()
}

#[test]
fn an_agent_that_lost_its_journal_finishes_the_commit() -> Result<()> {
    let mut scene = Scene::set()?;
    scene.block("vault")?;
    let execution = scene.committing()?;
    scene.system.agent.program().kill9()?;
    for entry in scene.journal()? {
        fs::remove_file(entry)?;
    }
    scene.system.control_plane.program().kill9()?;
    scene.unblock("vault")?;
    scene.system.control_plane.start_again()?;
    scene.system.agent.start_again()?;
    scene.system.wait_for_state(&execution, "completed")?;
    scene.one_backup_that_restores()?;
    scene.system.check_invariants()
}

#[test]
fn a_commit_whose_pack_is_damaged_fails() -> Result<()> {
    let mut scene = Scene::set()?;
    scene.block("vault")?;
    let execution = scene.committing()?;
    scene.system.agent.program().kill9()?;
    scene.unblock("vault")?;
    let packs = scene.system.vault().join(&scene.datasource).join("packs");
    let pack = dataguardian_tests::system::files(&packs)?
        .into_iter()
        .next()
        .context("a pack")?;
    fs::write(&pack, "cut off")?;
    scene.system.agent.start_again()?;
    let failed = scene.system.wait_for_state(&execution, "failed")?;
    assert_eq!(failed["failure"]["reason"], "REPOSITORY_DAMAGED", "{failed:#}");
    assert!(scene.system.manifests()?.is_empty());
    scene.system.check_invariants_but(&[scene.system.vault()])
}

#[test]
fn one_storage_is_enough() -> Result<()> {
    let scene = Scene::set()?;
    let path = scene.system.folder().join("second").display().to_string();
    let create = [
        "storage", "create", "local", "--name", "second", "--agent", AGENT, "--path", &path,
    ];
    scene.system.dgctl(&create).succeed()?;
    scene.block("second")?;
    let job = [
        "job",
        "create",
        "--name",
        "both",
        "--datasource",
        "main",
        "--storage",
        "vault",
        "--storage",
        "second",
        "--strategy",
        "replicate",
    ];
    scene.system.dgctl(&job).succeed()?;
    scene.system.run_job("both").succeed()?;
    let listed = scene.system.json(&["backup", "list"])?;
    let copies = &listed["backups"][0]["copies"];
    let complete = |index: usize| !copies[index]["completedAt"].is_null();
    assert!(complete(0) && !complete(1), "{copies:#}");
    assert_eq!(copies[1]["complete"], false, "{copies:#}");
    scene.one_backup_that_restores()?;
    scene.system.check_invariants()
}
