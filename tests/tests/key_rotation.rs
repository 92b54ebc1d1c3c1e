//! The installation's key is replaced: what was backed up before and after comes back, with the control plane and without it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dataguardian_core::secret::Secret;
use dataguardian_repository::kit::{Opener, RecoveryKit};
use dataguardian_tests::cache;
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{System, binary};
use serde_json::Value;

const PASSPHRASE: &str = "correct horse battery staple";

struct Scene {
    server: Postgres,
    system: System,
}

impl Scene {
    fn start() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", 60_000)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        fs::write(system.folder().join("passphrase"), PASSPHRASE)?;
        Ok(Self { server, system })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.system.folder().join(name)
    }

    /// The newest backup.
    fn back_up(&self) -> Result<Value> {
        self.system.run_job("main").succeed()?;
        let found = self
            .system
            .json(&["backup", "get", "latest", "--datasource", "main"])?;
        Ok(found["backup"].clone())
    }

    fn save_kit(&self, name: &str) -> Result<()> {
        let (kit, passphrase) = (self.path(name), self.path("passphrase"));
        let (kit, passphrase) = (kit.display().to_string(), passphrase.display().to_string());
        let words = ["system", "recovery-kit", "--save-kit", &kit, "--passphrase-file"];
        self.system
            .dgctl(&[&words[..], &[&passphrase]].concat())
            .succeed()?;
        Ok(())
    }

    /// Whether a notice says that the kit is out of date.
    fn is_told(&self) -> Result<bool> {
        let info = self.system.json(&["system", "info"])?;
        let notices = info["notices"].as_array().cloned().unwrap_or_default();
        Ok(notices
            .iter()
            .any(|notice| notice["reason"] == "RECOVERY_KIT_OUTDATED"))
    }

    /// How many kits lie in the repository.
    fn kits_in_vault(&self) -> Result<usize> {
        let keys = self.system.vault().join("keys");
        Ok(match keys.exists() {
            true => fs::read_dir(keys)?.count(),
            false => 0,
        })
    }

    async fn restores(&self, backup: &Value, name: &str) -> Result<()> {
        let id = id(backup)?;
        let database = format!("shop={name}");
        let words = ["restore", "--backup", id, "--database", &database, "--wait"];
        self.system.dgctl(&words).succeed()?;
        self.is_equal(name).await
    }

    async fn is_equal(&self, name: &str) -> Result<()> {
        let databases = (
            Database::of(&self.server, "shop"),
            Database::of(&self.server, name),
        );
        Comparison::new(databases.0, databases.1).run().await?.equal()?;
        Ok(())
    }

    /// `dataguardian-agent rescue …` on the vault, with that kit.
    fn rescue(&self, kit: &str, words: &[&str]) -> Result<(bool, Vec<u8>, String)> {
        let mut command = Command::new(binary("dataguardian-agent")?);
        command.arg("rescue").args(words).stdin(Stdio::null());
        command.arg("--repository").arg(self.system.vault());
        command.arg("--kit").arg(self.path(kit));
        command.arg("--passphrase-file").arg(self.path("passphrase"));
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok((output.status.success(), output.stdout, said))
    }

    fn sql(&self, kit: &str, backup: &Value) -> Result<(bool, Vec<u8>, String)> {
        self.rescue(kit, &["sql", "--backup", id(backup)?, "--database", "shop"])
    }

    /// What `restore.py` writes of a backup with that kit.
    fn script(&self, kit: &str, backup: &Value) -> Result<Vec<u8>> {
        let sealed = fs::read(self.path(kit))?;
        let opened = RecoveryKit::open(&sealed, &Opener::Passphrase(Secret::new(PASSPHRASE)))?;
        let json = self.path("kit.json");
        fs::write(&json, serde_json::to_vec(&opened)?)?;
        let mut command = Command::new(cache::part("restore-tools")?.join("python3"));
        command.arg(self.system.vault().join("restore.py"));
        command.arg("--kit").arg(json).arg(self.system.vault());
        let output = command.args([id(backup)?, "shop"]).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{said}");
        Ok(output.stdout)
    }
}

fn id(backup: &Value) -> Result<&str> {
    backup["id"].as_str().context("its id")
}

fn stored(backup: &Value) -> u64 {
    let text = backup["storedBytes"].as_str().unwrap_or("0");
    text.parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sealed_before_and_after_comes_back() -> Result<()> {
    let scene = Scene::start()?;
    scene.save_kit("old.age")?;
    let before = scene.back_up()?;
    ensure!(!scene.is_told()? && scene.kits_in_vault()? == 1);

    let refused = scene.system.dgctl(&["system", "rotate-key"]).fail(2)?;
    ensure!(refused.contains("--yes"), "{refused}");
    scene.system.dgctl(&["system", "rotate-key", "--yes"]).succeed()?;
    ensure!(scene.is_told()?);
    let planned = scene.back_up()?;
    ensure!(planned["baseBackupId"] == before["id"], "{planned:#}");
    ensure!(stored(&planned) * 20 < stored(&before), "{planned:#}");
    ensure!(
        scene.kits_in_vault()? == 2,
        "the new key is put beside the old one"
    );
    scene.save_kit("planned.age")?;
    ensure!(!scene.is_told()?);

    let words = ["system", "rotate-key", "--compromised", "--yes"];
    scene.system.dgctl(&words).succeed()?;
    ensure!(scene.is_told()?);
    let anew = scene.back_up()?;
    ensure!(
        anew["baseBackupId"].as_str().unwrap_or_default().is_empty(),
        "{anew:#}"
    );
    ensure!(stored(&anew) * 2 > stored(&before), "{anew:#}");
    ensure!(
        scene.kits_in_vault()? == 2,
        "nothing is sealed for whom the old kit was"
    );
    scene.save_kit("new.age")?;
    ensure!(!scene.is_told()?);
    let last = scene.back_up()?;
    ensure!(last["baseBackupId"] == anew["id"], "{last:#}");
    ensure!(scene.kits_in_vault()? == 3);

    for (backup, name) in [(&before, "a"), (&planned, "b"), (&anew, "c"), (&last, "d")] {
        scene.restores(backup, name).await?;
    }
    scene.system.check_invariants()?;
    the_kits_open_what_they_should(&scene, [&before, &planned, &anew, &last])
}

/// Each kit opens what was sealed until it was made, and says what to do about the rest.
fn the_kits_open_what_they_should(scene: &Scene, backups: [&Value; 4]) -> Result<()> {
    for (kit, opens) in [("old.age", 1), ("planned.age", 2), ("new.age", 4)] {
        for (place, backup) in backups.iter().enumerate() {
            let (ok, written, said) = scene.sql(kit, backup)?;
            ensure!(ok == (place < opens), "{kit}, backup {place}: {said}");
            if ok {
                ensure!(written == scene.script(kit, backup)?, "{kit}, backup {place}");
            } else {
                ensure!(said.contains("Use a newer kit"), "{said}");
            }
        }
    }
    Ok(())
}
