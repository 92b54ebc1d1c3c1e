//! Attempts that survive: what can be had is kept, what stands still is ended, and whoever cancels finds nothing left.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, Metadata, System};
use dataguardian_tests::wait;
use serde_json::Value;

/// Enough rows for a dump to last some seconds.
const ROWS: u64 = 400_000;

struct Scene {
    system: System,
    server: Postgres,
}

impl Scene {
    fn set(rows: u64) -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", rows)?;
        let system = System::start_with(Metadata::Embedded, "client_grace_seconds = 2\n")?;
        Ok(Self { system, server })
    }

    /// Puts a script in front of `pg_dump` on the agent's host; it finds the real one as `$real`.
    fn put_before_pg_dump(&mut self, lines: &str) -> Result<()> {
        let folder = self.system.folder().join("clients");
        fs::create_dir(&folder)?;
        for program in ["pg_dump", "pg_dumpall", "pg_restore", "psql"] {
            let real = Version::V15.bin_dir()?.join(program);
            let before = if program == "pg_dump" { lines } else { "" };
            let script = format!(
                "#!/bin/sh\nreal='{}'\n[ \"$1\" = --version ] && exec \"$real\" \"$1\"\n{before}\nexec \"$real\" \"$@\"\n",
                real.display()
            );
            let path = folder.join(program);
            fs::write(&path, script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        let config = self.system.folder().join(format!("{AGENT}.toml"));
        let named = format!("client_directories = [{:?}, ", folder);
        let text = fs::read_to_string(&config)?.replacen("client_directories = [", &named, 1);
        fs::write(&config, text)?;
        self.system.agent.program().stop()?;
        self.system.agent.start_again()?;
        self.system.wait_for_agent(AGENT)
    }

    fn cancel(&self, execution: &str) -> Result<()> {
        self.system.dgctl(&["execution", "cancel", execution]).succeed()?;
        Ok(())
    }

    fn databases(&self) -> Result<String> {
        let sql = "select string_agg(datname, ' ' order by datname) from pg_database where not datistemplate";
        Ok(self.server.psql("postgres", sql)?.trim().to_owned())
    }
}

/// The names and reasons of missing databases, as JSON tells them.
fn missing(of: &Value) -> Vec<(String, String)> {
    let all = of["missingDatabases"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|missing| (text(&missing["name"]), text(&missing["failure"]["reason"])))
        .collect()
}

fn only_manifest(system: &System) -> Result<Value> {
    let paths: Vec<PathBuf> = system.manifests()?;
    ensure!(paths.len() == 1, "{paths:?}");
    let manifest: Value = serde_json::from_slice(&fs::read(&paths[0])?)?;
    Ok(serde_json::from_str(
        manifest["payload"].as_str().context("a payload")?,
    )?)
}

#[test]
fn the_databases_that_can_be_had_are_kept() -> Result<()> {
    let scene = Scene::set(20_000)?;
    let (system, server) = (&scene.system, &scene.server);
    server.create_database("crm")?;
    server.create_database("locked")?;
    server.psql(
        "postgres",
        "create role dumper login password 'dumper'; grant pg_read_all_data to dumper; \
         revoke connect on database locked from public",
    )?;
    let port = server.connection().port;
    system.add_datasource_at(
        "main",
        port,
        "dumper",
        "dumper",
        &["shop", "locked", "crm", "nowhere"],
    )?;
    system.add_job("main", &["--no-encrypt"])?;
    let said = system.run_job("main").fail(1)?;
    ensure!(said.contains("BACKUP_PARTIAL"), "{said}");
    let backup = system.json(&["backup", "get", "latest", "--datasource", "main"])?["backup"].clone();
    let mut lacks = missing(&backup);
    lacks.sort();
    let expected = [("locked", "DATABASE_PRIVILEGE"), ("nowhere", "DATABASE_MISSING")]
        .map(|(name, reason)| (name.to_owned(), reason.to_owned()));
    ensure!(backup["partial"] == true && lacks == expected, "{backup:#}");
    let id = backup["executionId"].as_str().context("an execution")?;
    let execution = system.execution(id)?;
    ensure!(
        execution["partial"] == true && missing(&execution).len() == 2,
        "{execution:#}"
    );
    ensure!(execution["state"] == "EXECUTION_STATE_COMPLETED", "{execution:#}");
    let shown = system.dgctl(&["backup", "list"]).succeed()?.stdout;
    ensure!(shown.contains("main (partial)"), "{shown}");
    let shown = system.dgctl(&["execution", "get", id]).succeed()?.stdout;
    ensure!(
        shown.contains("completed, partial")
            && shown.contains("missing: locked: dumper may not connect to locked: GRANT CONNECT"),
        "{shown}"
    );

    let payload = only_manifest(system)?;
    let contents = &payload["contents"]["plain"];
    ensure!(
        contents["missing"]
            .as_array()
            .is_some_and(|missing| missing.len() == 2),
        "{contents:#}"
    );
    let snapshots = contents["snapshots"].as_array().context("snapshots")?;
    let of: Vec<_> = snapshots
        .iter()
        .filter_map(|snapshot| snapshot["database"].as_str())
        .collect();
    ensure!(
        of.len() == 2 && of.contains(&"shop") && of.contains(&"crm"),
        "{snapshots:?}"
    );
    restores_tell_what_is_missing(system, server)?;
    system.nothing_is_left(server)?;
    system.check_invariants()
}

/// What a partial backup has comes back, and what it lacks is named.
fn restores_tell_what_is_missing(system: &System, server: &Postgres) -> Result<()> {
    let restore = [
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--scratch",
        "--wait",
    ];
    let refused = system
        .dgctl(&[&restore[..], &["--database", "locked"]].concat())
        .fail(1)?;
    ensure!(
        refused.contains("partial") && refused.contains("locked"),
        "{refused}"
    );
    server.psql("postgres", "alter role dumper superuser")?;
    let restored = system.dgctl(&restore).succeed()?.stdout;
    for lacking in ["locked", "nowhere"] {
        ensure!(
            restored.contains(&format!("warning: {lacking}: is not restored")),
            "{restored}"
        );
    }
    let only = system
        .dgctl(&[&restore[..], &["--database", "crm"]].concat())
        .succeed()?
        .stdout;
    ensure!(!only.contains("is not restored"), "{only}");
    Ok(())
}

#[test]
fn a_database_that_is_dropped_in_mid_dump_takes_no_other_with_it() -> Result<()> {
    let scene = Scene::set(ROWS)?;
    let system = &scene.system;
    scene.server.create_database("another")?;
    scene.server.psql(
        "another",
        "create table kept as select generate_series(1, 1000) as id",
    )?;
    system.add_datasource("main", &scene.server, &["shop", "another"])?;
    system.add_job("main", &[])?;
    let execution = system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    scene.server.psql("postgres", "drop database shop with (force)")?;
    let ended = system.wait_for_state(&execution, "completed")?;
    ensure!(ended["partial"] == true, "{ended:#}");
    ensure!(missing(&ended)[0].0 == "shop", "{ended:#}");
    let restore = [
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--scratch",
        "--wait",
        "-o",
        "json",
    ];
    let restored: Value = serde_json::from_str(&system.dgctl(&restore).succeed()?.stdout)?;
    ensure!(
        restored["execution"]["restoreReport"]["rows"] == "1000",
        "{restored:#}"
    );
    scene.system.nothing_is_left(&scene.server)?;
    system.check_invariants()
}

/// The client program ignores SIGTERM, and so does its child.
const STUBBORN: &str = "trap '' TERM; sleep 1000 & touch \"$(dirname \"$0\")/reached\"; wait; wait; wait";

#[test]
fn a_cancelled_dump_ends_a_program_that_ignores_the_request() -> Result<()> {
    let mut scene = Scene::set(1000)?;
    scene.put_before_pg_dump(STUBBORN)?;
    let system = &scene.system;
    system.add_datasource("main", &scene.server, &["shop"])?;
    system.add_job("main", &[])?;
    let execution = system.start_job("main")?;
    let reached = system.folder().join("clients/reached");
    wait::until("the program to run", || Ok(reached.exists()))?;
    scene.cancel(&execution)?;
    let ended = system.wait_for_state(&execution, "cancelled")?;
    ensure!(ended["failure"].is_null(), "{ended:#}");
    scene.system.nothing_is_left(&scene.server)?;
    system.check_invariants()
}

#[test]
fn a_dump_that_stands_still_ends_itself_and_says_what_it_waited_for() -> Result<()> {
    let mut scene = Scene::set(1000)?;
    scene.put_before_pg_dump(STUBBORN)?;
    let system = &scene.system;
    system.add_datasource("main", &scene.server, &["shop"])?;
    system.add_job("main", &["--no-progress-timeout", "10s"])?;
    let said = system.run_job("main").fail(1)?;
    ensure!(
        said.contains("NO_PROGRESS")
            && said.contains("nothing moved for 1")
            && said.contains("stage: schema of shop")
            && said.contains("idle in transaction, waits for Client ClientRead"),
        "{said}"
    );
    scene.system.nothing_is_left(&scene.server)?;
    system.check_invariants()
}

#[test]
fn a_cancelled_restore_leaves_the_server_as_it_was() -> Result<()> {
    let scene = Scene::set(ROWS)?;
    let system = &scene.system;
    system.add_datasource("main", &scene.server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    let before = scene.databases()?;
    let restore = [
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--database",
        "shop=again",
    ];
    let started = system.json(&restore)?;
    let execution = started["execution"]["id"].as_str().context("an id")?.to_owned();
    scene.system.wait_for_rows(&execution)?;
    let backup = system.start_job("main")?;
    let waiting = system.execution(&backup)?["waiting"].clone();
    let expected = format!("waits for the restore {execution} on datasource main");
    ensure!(
        waiting["reason"] == "WAITING_REASON_DATASOURCE" && waiting["message"] == expected.as_str(),
        "{waiting:#}"
    );
    let listed = system.dgctl(&["execution", "list"]).succeed()?.stdout;
    ensure!(listed.contains(&expected), "{listed}");
    scene.cancel(&execution)?;
    system.wait_for_state(&execution, "cancelled")?;
    ensure!(
        scene.databases()? == before,
        "a database was left: {}",
        scene.databases()?
    );
    system.wait_for_state(&backup, "completed")?;
    scene.system.nothing_is_left(&scene.server)?;
    system.check_invariants()
}

#[test]
fn who_is_cancelled_while_away_ends_it_when_he_is_back() -> Result<()> {
    let mut scene = Scene::set(ROWS)?;
    scene.system.add_datasource("main", &scene.server, &["shop"])?;
    scene.system.add_job("main", &[])?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    scene.system.agent.program().kill9()?;
    scene.cancel(&execution)?;
    ensure!(scene.system.execution(&execution)?["state"] == "EXECUTION_STATE_CANCELLING");
    scene.system.agent.start_again()?;
    scene.system.wait_for_state(&execution, "cancelled")?;
    ensure!(scene.system.manifests()?.is_empty());
    scene.system.nothing_is_left(&scene.server)?;
    scene.system.check_invariants()
}

#[test]
fn a_log_that_is_followed_loses_and_doubles_nothing_over_a_restart() -> Result<()> {
    let mut scene = Scene::set(ROWS)?;
    scene.system.add_datasource("main", &scene.server, &["shop"])?;
    scene.system.add_job("main", &[])?;
    let execution = scene.system.start_job("main")?;
    let (dgctl, id) = (scene.system.control_plane.dgctl(), execution.clone());
    let following = std::thread::spawn(move || dgctl.run(&["execution", "logs", "-f", &id]));
    scene.system.wait_for_rows(&execution)?;
    scene.system.control_plane.program().kill9()?;
    scene.system.control_plane.start_again()?;
    scene.system.wait_for_state(&execution, "completed")?;
    let followed = following
        .join()
        .map_err(|_| anyhow::anyhow!("the follower died"))?
        .succeed()?;
    let whole = scene.system.dgctl(&["execution", "logs", &execution]).succeed()?;
    ensure!(
        followed.stdout == whole.stdout,
        "{}\n---\n{}",
        followed.stdout,
        whole.stdout
    );
    ensure!(whole.stdout.contains("everything is stored"), "{}", whole.stdout);
    scene.system.nothing_is_left(&scene.server)?;
    scene.system.check_invariants()
}
