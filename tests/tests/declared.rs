//! `dgctl apply` and `dgctl export`: what a file declares is made once, is changed where it differs, and comes back out as it went in.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{Outcome, System};
use serde_json::Value;

/// The file that we ship.
const EXAMPLE: &str = include_str!("../../examples/declared/backups.yaml");

struct Scene {
    server: Postgres,
    system: System,
}

impl Scene {
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V16)?;
        server.create_database("shop")?;
        let scene = Self {
            server,
            system: System::start()?,
        };
        let connection = scene.server.connection();
        std::fs::write(scene.path("shop.password"), &connection.password)?;
        std::fs::write(scene.path("webhook.url"), "https://127.0.0.1:1/canary-in-the-url")?;
        Ok(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.system.folder().join(name)
    }

    /// The example, with what this machine has, and with some texts replaced.
    fn file(&self, replaced: &[(&str, &str)]) -> Result<String> {
        let connection = self.server.connection();
        let mut text = EXAMPLE
            .replace("name: vault", "name: declared-vault")
            .replace("[vault]", "[declared-vault]")
            .replace("/srv/backups", &self.path("declared-vault").display().to_string())
            .replace("5432", &connection.port.to_string())
            .replace("username: postgres", &format!("username: {}", connection.user));
        for (from, to) in replaced {
            ensure!(text.contains(from), "the example has no {from} any more");
            text = text.replace(from, to);
        }
        let path = self.path("backups.yaml");
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    fn apply(&self, file: &str, more: &[&str]) -> Outcome {
        self.system.dgctl(&[&["apply", "-f", file], more].concat())
    }

    /// What became of each thing.
    fn actions(&self, file: &str, more: &[&str]) -> Result<Vec<Value>> {
        let told = self.system.json(&[&["apply", "-f", file], more].concat())?;
        Ok(told.as_array().context("a list")?.clone())
    }

    fn all_are(actions: &[Value], word: &str) -> bool {
        actions.iter().all(|action| action["action"] == word)
    }
}

#[test]
fn what_is_declared_is_made_once_and_changed_where_it_differs() -> Result<()> {
    let scene = Scene::set()?;
    let file = scene.file(&[])?;
    // Nothing is done when it is only to be shown.
    let shown = scene.apply(&file, &["--dry-run"]).succeed()?.stdout;
    ensure!(
        shown.contains("5 to create, 0 to change, 0 unchanged; nothing was done"),
        "{shown}"
    );
    ensure!(
        scene
            .system
            .dgctl(&["job", "get", "shop"])
            .fail(1)?
            .contains("JOB_NOT_FOUND")
    );
    let made = scene.apply(&file, &[]).succeed()?.stdout;
    ensure!(made.contains("5 created, 0 changed, 0 unchanged"), "{made}");
    scene.system.run_job("shop").succeed()?;
    let job = scene.system.json(&["job", "get", "shop"])?;
    ensure!(
        job["job"]["schedule"]["jitter"] == "600s" && job["job"]["nextFireAt"].is_string(),
        "{job:#}"
    );
    // The second time nothing changes.
    let again = scene.actions(&file, &[])?;
    ensure!(
        again.len() == 5 && Scene::all_are(&again, "unchanged"),
        "{again:#?}"
    );
    let unchanged = scene.system.json(&["job", "get", "shop"])?;
    ensure!(unchanged["job"]["etag"] == job["job"]["etag"], "{unchanged:#}");

    // What differs is changed, the rest stays as it is, also what the file does not name.
    let options = ["job", "update", "shop", "--compression-level", "7"];
    scene.system.dgctl(&options).succeed()?;
    let file = scene.file(&[
        ("30 2 * * *", "45 3 * * *"),
        ("table_connections: 2", "table_connections: 3"),
        ("min_severity: error", "min_severity: warning"),
    ])?;
    let changed = scene.apply(&file, &[]).succeed()?.stdout;
    ensure!(changed.contains("0 created, 2 changed, 3 unchanged"), "{changed}");
    ensure!(
        changed.contains("schedule.cron: 30 2 * * * -> 45 3 * * *"),
        "{changed}"
    );
    ensure!(changed.contains("options.table_connections: 2 -> 3"), "{changed}");
    let job = scene.system.json(&["job", "get", "shop"])?["job"].clone();
    ensure!(
        job["options"]["compressionLevel"] == 7 && job["options"]["tableConnections"] == 3,
        "{job:#}"
    );
    ensure!(
        job["schedule"]["timezone"] == "Europe/Berlin" && job["retention"]["gfs"]["keepDaily"] == 7,
        "{job:#}"
    );

    // Another kind of retention takes the place of the one before, and a schedule can be taken away and paused.
    let gfs = "gfs:\n        keep_daily: 7\n        keep_weekly: 4\n        keep_monthly: 12";
    let file = scene.file(&[
        (gfs, "max_backups: 5"),
        ("datasource: shop\n", "datasource: shop\n    paused: true\n"),
    ])?;
    scene.apply(&file, &[]).succeed()?;
    let job = scene.system.json(&["job", "get", "shop"])?["job"].clone();
    ensure!(
        job["retention"]["maxBackups"] == 5 && job["retention"]["gfs"].is_null() && job["paused"] == true,
        "{job:#}"
    );
    ensure!(Scene::all_are(&scene.actions(&file, &[])?, "unchanged"));

    // What goes out comes back in without a change, here and with no word of a secret.
    let exported = scene.system.dgctl(&["export"]).succeed()?.stdout;
    ensure!(
        !exported.contains("canary") && !exported.contains(&scene.server.connection().password),
        "{exported}"
    );
    let path = scene.path("exported.yaml");
    std::fs::write(&path, &exported)?;
    let back = scene.actions(&path.display().to_string(), &[])?;
    ensure!(
        back.len() == 6 && Scene::all_are(&back, "unchanged"),
        "{back:#?}\n{exported}"
    );
    scene.system.check_invariants()
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_says_where_it_is() -> Result<()> {
    let scene = Scene::set()?;
    for (from, to, says) in [
        (
            "table_connections: 2",
            "table_conections: 2",
            "jobs[0]: options.table_conections: there is no such field; there are unencrypted",
        ),
        (
            "engine: postgres",
            "engine: oracle",
            "datasources[0]: engine: must be one of",
        ),
        (
            "jitter: 10m",
            "jitter: soon",
            "jobs[0]: schedule.jitter: expected a number and s, m, h or d",
        ),
        (
            "storages: [",
            "storages: declared-vault #",
            "jobs[0]: storages: must be a list",
        ),
        (
            "password_file: shop.password",
            "password_file: nowhere",
            "datasources[0]: password_file: ",
        ),
        (
            "notification_rules:",
            "rules:",
            "rules: there is no such list; there are storages, datasources",
        ),
        (
            "jobs:\n  - name: shop",
            "jobs:\n  - nam: shop",
            "jobs[0]: nam: there is no such field",
        ),
    ] {
        let file = scene.file(&[(from, to)])?;
        let said = scene.apply(&file, &[]).fail(1)?;
        ensure!(said.contains(says), "{to}: {said}");
    }
    ensure!(
        scene
            .system
            .dgctl(&["datasource", "get", "shop"])
            .fail(1)?
            .contains("DATASOURCE_NOT_FOUND")
    );
    // What can't be changed is refused before anything is.
    scene.apply(&scene.file(&[])?, &[]).succeed()?;
    let file = scene.file(&[
        ("engine: postgres", "engine: mariadb"),
        ("/declared-vault", "/elsewhere"),
    ])?;
    let said = scene.apply(&file, &[]).fail(2)?;
    ensure!(
        said.contains("engine is ENGINE_POSTGRES") && said.contains("nothing was done"),
        "{said}"
    );
    // A secret can't be compared: it is sent when that is asked for.
    std::fs::write(scene.path("shop.password"), "another one")?;
    let file = scene.file(&[])?;
    let kept = scene.apply(&file, &[]).succeed()?;
    ensure!(
        kept.stdout.contains("5 unchanged") && kept.stderr.contains("--secrets"),
        "{kept:?}"
    );
    let sent = scene.apply(&file, &["--secrets"]).succeed()?.stdout;
    ensure!(
        sent.contains("password: sent again") && sent.contains("secrets: sent again"),
        "{sent}"
    );
    let tested = scene.system.dgctl(&["datasource", "test", "shop"]);
    ensure!(
        tested.status != Some(0) || scene.server.connection().password.is_empty(),
        "{tested:?}"
    );
    scene.system.check_invariants()
}
