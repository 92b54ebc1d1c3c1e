//! Backups that go by themselves: what the policy keeps and what is pinned restores to what the database was then, and nothing
//! else stays in the storage.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version, quoted_name};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, System};
use dataguardian_tests::wait;

/// Clean-up at once, and without a grace worth the name.
const EAGER: &str = "[cleanup]\ngrace_seconds = 1\ninterval_seconds = 1\n";

struct Scene {
    system: System,
    server: Postgres,
    /// Backups, the oldest first.
    made: Vec<String>,
}

impl Scene {
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", 20_000)?;
        let mut system = System::start()?;
        system.control_plane.start_again_with(EAGER)?;
        system.wait_for_agent(AGENT)?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        let made = Vec::new();
        Ok(Self { system, server, made })
    }

    /// Backs up a database that differs from what it was before, and keeps what it is now beside it.
    fn back_up(&mut self) -> Result<()> {
        let number = self.made.len();
        let more = format!(
            "CREATE TABLE since_{number} AS SELECT n, md5(n::text || '{number}') AS word FROM generate_series(1, 5000) AS n"
        );
        self.server.psql("shop", &more)?;
        self.system.run_job("main").succeed()?;
        let newest = self
            .system
            .json(&["backup", "get", "latest", "--datasource", "main"])?;
        let id = newest["backup"]["id"].as_str().context("a backup's id")?;
        self.made.push(id.to_owned());
        let copy = format!("CREATE DATABASE {} TEMPLATE shop", quoted_name(&then(number)));
        self.server.psql("postgres", &copy).map(drop)
    }

    /// The numbers of the backups that are kept.
    fn kept(&self) -> Result<Vec<usize>> {
        let listed = self.system.json(&["backup", "list"])?;
        let listed = listed["backups"].as_array().cloned().unwrap_or_default();
        let ids: BTreeSet<_> = listed.iter().filter_map(|backup| backup["id"].as_str()).collect();
        let is_kept = |number: &usize| ids.contains(self.made[*number].as_str());
        Ok((0..self.made.len()).filter(is_kept).collect())
    }

    /// That backup restores to what the database was when it was made.
    async fn restores_equal(&self, number: usize) -> Result<()> {
        let words = [
            "restore",
            "--backup",
            &self.made[number],
            "--datasource",
            "main",
            "--database",
            "shop=restored",
            "--wait",
        ];
        self.system.dgctl(&words).succeed()?;
        let then = then(number);
        let sides = (
            Database::of(&self.server, &then),
            Database::of(&self.server, "restored"),
        );
        Comparison::new(sides.0, sides.1).run().await?.equal()?;
        let drop_it = format!("DROP DATABASE {}", quoted_name("restored"));
        self.server.psql("postgres", &drop_it).map(drop)
    }
}

/// The name of what the database was when that backup was made.
fn then(number: usize) -> String {
    format!("shop_then_{number}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_policy_keeps_and_what_is_pinned_restores_equal_and_the_rest_goes() -> Result<()> {
    let mut scene = Scene::set()?;
    for _ in 0..4 {
        scene.back_up()?;
    }
    let pin = ["backup", "pin", &scene.made[0], "--reason", "the audit of 2026"];
    scene.system.dgctl(&pin).succeed()?;
    let shown = scene.system.json(&["job", "retention", "main"])?;
    ensure!(
        shown["retention"].is_null(),
        "nobody said anything of it: {shown:#}"
    );
    let shown = scene
        .system
        .json(&["job", "retention", "main", "--max-backups", "2"])?;
    ensure!(shown["kept"] == "3" && shown["deleted"] == "1", "{shown:#}");
    let pinned = &shown["decisions"][3]["reasons"][0]["rule"];
    ensure!(pinned == "RETENTION_RULE_PINNED", "{shown:#}");
    let change = ["job", "update", "main", "--max-backups", "2"];
    let refused = scene.system.dgctl(&change);
    ensure!(
        refused.status == Some(2) && refused.stderr.contains("1 backup of job main would be deleted"),
        "nobody was there to be asked: {refused:?}"
    );
    assert_eq!(scene.kept()?, [0, 1, 2, 3], "nothing was applied");

    let changed = scene
        .system
        .dgctl(&[&change[..], &["--yes"]].concat())
        .succeed()?;
    ensure!(changed.stdout.contains("the newest 2"), "{changed:?}");
    wait::until("the second one to go", || Ok(scene.kept()? == [0, 2, 3]))?;
    // Nobody does anything but to back up.
    scene.back_up()?;
    wait::until("the third one to go", || Ok(scene.kept()? == [0, 3, 4]))?;
    wait::until("what no backup needs to go", || {
        let alone = scene.system.manifests()?.len() == 3;
        Ok(alone && scene.system.objects()? == scene.system.named_objects()?)
    })?;
    for number in [0, 3, 4] {
        scene.restores_equal(number).await?;
    }
    // Without its pin the first one goes too; restores count for nothing.
    scene
        .system
        .dgctl(&["backup", "unpin", &scene.made[0]])
        .succeed()?;
    wait::until("the first one to go", || Ok(scene.kept()? == [3, 4]))?;
    wait::until("what it alone needed to go", || {
        let alone = scene.system.manifests()?.len() == 2;
        Ok(alone && scene.system.objects()? == scene.system.named_objects()?)
    })?;
    for number in [3, 4] {
        scene.restores_equal(number).await?;
    }
    scene
        .system
        .dgctl(&["job", "update", "main", "--no-retention"])
        .succeed()?;
    scene.back_up()?;
    assert_eq!(scene.kept()?, [3, 4, 5]);
    scene.system.check_invariants()
}
