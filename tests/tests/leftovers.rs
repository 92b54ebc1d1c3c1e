//! What an agent that was killed leaves behind it: processes of its own host, and databases on the server.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, System};
use dataguardian_tests::wait;
use serde_json::Value;

/// A folder of client programs whose `pg_dump` says which version it is and then hangs, leaving its process id.
fn hanging_clients(folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    let real = Version::V15.bin_dir()?;
    for program in ["pg_restore", "pg_dumpall"] {
        symlink(real.join(program).canonicalize()?, folder.join(program))?;
    }
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {}/pg_dump --version;; esac\necho $$ > {}/pid\nexec sleep 3600\n",
        real.display(),
        folder.display()
    );
    let program = folder.join("pg_dump");
    fs::write(&program, script)?;
    Ok(fs::set_permissions(program, fs::Permissions::from_mode(0o755))?)
}

/// Whether a process is there and does something. One that waits to be reaped does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.trim_start().to_owned());
    state.is_some_and(|state| !state.starts_with('Z'))
}

/// Has a journal know of no process, as when its agent died between the start of one and the note of it.
fn forget_processes(journal: &Path) -> Result<()> {
    let entries = dataguardian_tests::system::files(journal)?
        .into_iter()
        // The agent may have died in the middle of writing one anew, beside the one that counts.
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    for path in entries {
        let mut entry: Value = serde_json::from_slice(&fs::read(&path)?)?;
        ensure!(entry["process_groups"].is_array(), "no journal entry: {entry:#}");
        entry["process_groups"] = Value::Array(Vec::new());
        fs::write(&path, serde_json::to_vec(&entry)?)?;
    }
    Ok(())
}

#[test]
fn a_process_that_a_killed_agent_left_is_killed_by_the_next() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    load_bulk(&server, "shop", 100)?;
    let mut system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    let clients = system.folder().join("hanging");
    hanging_clients(&clients)?;
    let config = system.folder().join(format!("{AGENT}.toml"));
    let good = fs::read_to_string(&config)?;
    fs::write(&config, format!("client_directories = [{clients:?}]\n"))?;
    system.agent.program().stop()?;
    system.agent.start_again()?;
    system.wait_for_agent(AGENT)?;
    let execution = system.start_job("main")?;
    wait::until("the client to hang", || Ok(clients.join("pid").exists()))?;
    let mut pid = String::new();
    wait::until("its process id", || {
        pid = fs::read_to_string(clients.join("pid"))?.trim().to_owned();
        Ok(!pid.is_empty())
    })?;
    system.agent.program().kill9()?;
    ensure!(lives(&pid), "it has to be left over for this to show anything");
    forget_processes(&system.agent.state_dir().join("journal"))?;
    fs::write(&config, good)?;
    system.agent.start_again()?;
    wait::until("what was left to be killed", || Ok(!lives(&pid)))?;
    let failed = system.wait_for_state(&execution, "failed")?;
    assert_eq!(failed["failure"]["reason"], "AGENT_RESTARTED", "{failed:#}");
    system.run_job("main").succeed()?;
    system.check_invariants()
}

struct Scene {
    system: System,
    server: Postgres,
}

impl Scene {
    /// A database with a backup.
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", 400_000)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        system.run_job("main").succeed()?;
        server.psql("shop", "create table mine (a int)")?;
        Ok(Self { system, server })
    }

    fn databases(&self) -> Result<Vec<String>> {
        let sql = "select datname from pg_database where datname not in ('postgres', 'template0', 'template1') order by 1";
        let listed = self.server.psql("postgres", sql)?;
        Ok(listed.lines().map(str::to_owned).collect())
    }

    /// Kills the agent in the middle of a restore; the next one finds nothing of it in its way, and leaves nothing of it.
    fn kill_in_mid_restore(&mut self, mode: &[&str]) -> Result<()> {
        let words = [&["restore", "--backup", "latest", "--datasource", "main"], mode].concat();
        let started = self.system.json(&words)?;
        let execution = started["execution"]["id"]
            .as_str()
            .context("an execution")?
            .to_owned();
        wait::until("an unfinished database", || Ok(self.databases()?.len() > 1))?;
        self.system.agent.program().kill9()?;
        ensure!(
            self.databases()?.contains(&"shop".to_owned()),
            "the old database was lost"
        );
        self.server.psql("shop", "select from mine")?;
        self.system.agent.start_again()?;
        let failed = self.system.wait_for_state(&execution, "failed")?;
        assert_eq!(failed["failure"]["reason"], "AGENT_RESTARTED", "{failed:#}");
        wait::until("sessions of the killed restore to end", || {
            Ok(self.server.server_sessions("dataguardian")? == 0)
        })?;
        let left: Vec<_> = self
            .databases()?
            .into_iter()
            .filter(|name| name != "shop")
            .collect();
        ensure!(
            left.len() == 1,
            "something has to be left for this to show anything: {left:?}"
        );
        let done = self.system.json(&[&words[..], &["--wait"]].concat())?;
        let told = done["execution"]["warnings"].to_string();
        ensure!(told.contains(&left[0]), "{left:?} is not told of: {told}");
        assert_eq!(self.databases()?, ["shop"]);
        Ok(())
    }
}

#[test]
fn a_scratch_restore_that_was_killed_is_cleaned_up_by_the_next() -> Result<()> {
    let mut scene = Scene::set()?;
    scene.kill_in_mid_restore(&["--scratch"])?;
    scene.server.psql("shop", "select from mine")?;
    scene.system.check_invariants()
}

#[test]
fn a_replacing_restore_that_was_killed_leaves_the_old_database() -> Result<()> {
    let mut scene = Scene::set()?;
    scene.kill_in_mid_restore(&["--replace", "--yes"])?;
    let restored = scene
        .server
        .psql("shop", "select count(*) from pg_class where relname = 'mine'")?;
    assert_eq!(restored.trim(), "0");
    scene.system.check_invariants()
}
