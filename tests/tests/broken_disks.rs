//! Disks that are full, read-only or slow, and a metadata database that is away: told as what they are, and once they are
//! mended all goes on. A part of `target/faults.md`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use dataguardian_tests::fault_report::{Line, Section};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::setting;
use dataguardian_tests::small_disk::{Access, SmallDisk};
use dataguardian_tests::system::{AGENT, Metadata, System};
use dataguardian_tests::wait;
use serde_json::Value;

/// About 20 MB that do not compress, so several packs.
const ROWS: &str = "create table note (id int primary key, secret bytea not null);
    insert into note select g, decode(string_agg(md5(g::text || n), ''), 'hex')
    from generate_series(1, 20000) g, generate_series(1, 64) n group by g";
/// How long the metadata database is away, if no setting says otherwise: longer than a call of an agent may last (30 s).
const AWAY: Duration = Duration::from_secs(60);

struct Scene {
    system: System,
    server: Postgres,
}

impl Scene {
    fn set(metadata: Metadata) -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        server.create_database("shop")?;
        server.psql("shop", ROWS)?;
        let system = System::start_with(metadata, "")?;
        system.add_datasource("main", &server, &["shop"])?;
        Ok(Self { system, server })
    }

    /// A storage on a disk of its own, with a job of that name.
    fn add_small_storage(&self, name: &str, size: &str) -> Result<SmallDisk> {
        let folder = self.system.folder().join(name);
        fs::create_dir(&folder)?;
        let disk = SmallDisk::mount(&folder, size)?;
        self.system.add_storage(name, &folder)?;
        let words = [
            "job",
            "create",
            "--name",
            name,
            "--datasource",
            "main",
            "--storage",
            name,
            "--max-attempts",
            "1",
        ];
        self.system.dgctl(&words).succeed()?;
        Ok(disk)
    }

    /// Starts the agent again with failpoints armed.
    fn arm(&mut self, failpoints: &str) -> Result<()> {
        self.system.agent.program().stop()?;
        self.system.agent.start_armed(failpoints)?;
        self.system.wait_for_agent(AGENT)
    }

    /// Waits for the agent's next try, which may be a minute away, and a little longer.
    fn completes(&self, execution: &str) -> Result<Value> {
        let mut last = Value::Null;
        let waited = wait::until_within(Duration::from_secs(150), "the dump to complete", || {
            last = self.system.execution(execution)?;
            ensure!(last["state"] != "EXECUTION_STATE_FAILED", "{last:#}");
            Ok(last["state"] == "EXECUTION_STATE_COMPLETED")
        });
        waited.with_context(|| {
            format!(
                "{last:#}\n--- control plane\n{}\n--- agent\n{}",
                self.system.control_plane.log(),
                self.system.agent.log()
            )
        })?;
        Ok(last)
    }

    fn next_run_works(&self, job: &str) -> Result<()> {
        self.system.run_job(job).succeed()?;
        self.system.restore_latest("main", &["--scratch"]).succeed()?;
        self.system.nothing_is_left(&self.server)?;
        self.system.check_invariants()
    }

    /// The job fails for that reason, and leaves nothing.
    fn fails(&self, job: &str, reason: &str) -> Result<Duration> {
        let began = Instant::now();
        let said = self.system.run_job(job).fail(1)?;
        ensure!(said.contains(reason), "expected {reason}: {said}");
        self.system.nothing_is_left(&self.server)?;
        Ok(began.elapsed())
    }
}

#[test]
fn storages_fail_and_are_mended() -> Result<()> {
    let mut section = Section::begin("storages")?;
    let mut scene = Scene::set(Metadata::Embedded)?;
    let disk = scene.add_small_storage("small", "120m")?;

    disk.fill()?;
    let took = scene.fails("small", "STORAGE_FULL")?;
    disk.relieve()?;
    scene.next_run_works("small")?;
    section.add(Line::new(
        "storage full",
        "failed (STORAGE_FULL)",
        took,
        "completed, restored",
    ))?;

    disk.set_access(Access::ReadOnly)?;
    let took = scene.fails("small", "STORAGE_DENIED")?;
    disk.set_access(Access::ReadWrite)?;
    scene.next_run_works("small")?;
    section.add(Line::new(
        "storage read-only",
        "failed (STORAGE_DENIED)",
        took,
        "completed, restored",
    ))?;

    scene.arm("agent.pack.before_put=delay:3000;agent.manifest.before_put=delay:3000")?;
    let began = Instant::now();
    scene.system.run_job("small").succeed()?;
    let took = began.elapsed();
    ensure!(
        took > Duration::from_secs(6),
        "each pack and the manifest should have taken 3 s: {took:?}"
    );
    scene.arm("")?;
    scene.next_run_works("small")?;
    section.add(Line::new(
        "storage slow: 3 s for each object",
        "completed",
        took,
        "completed, restored",
    ))?;

    scene.arm("agent.dump.first_rows=error")?;
    let took = scene.fails("small", "DATABASE_CONNECTION_LOST")?;
    scene.next_run_works("small")?;
    section.add(Line::new(
        "reading rows fails in the middle",
        "failed (DATABASE_CONNECTION_LOST)",
        took,
        "completed, restored",
    ))
}

/// What a control plane whose database is away must say.
fn is_unavailable(error: anyhow::Error) -> Result<()> {
    let said = format!("{error:#}");
    ensure!(
        said.contains("unavailable") || said.contains("UNAVAILABLE") || said.contains("not available"),
        "{said}"
    );
    Ok(())
}

/// What cannot be written down is refused, and the reason is told, with what to do.
fn is_full(error: anyhow::Error) -> Result<()> {
    let said = format!("{error:#}");
    ensure!(
        said.contains("DATABASE_FULL") && said.contains("make room"),
        "{said}"
    );
    Ok(())
}

/// Sessions that the agent has opened so far, by its log.
fn sessions(system: &System) -> usize {
    system.agent.log().matches("session open").count()
}

#[test]
fn a_full_disk_of_the_metadata_is_outlasted() -> Result<()> {
    let mut section = Section::begin("disk of the metadata database")?;
    let mut scene = Scene::set(Metadata::Embedded)?;
    scene.system.add_job("main", &["--table-connections", "1"])?;
    let disk = move_metadata_to(&mut scene.system, "60m")?;
    scene.arm("agent.dump.first_rows=delay:30")?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_state(&execution, "running")?;
    let before = sessions(&scene.system);
    disk.fill()?;
    let full = Instant::now();
    let (mut asked, mut refused) = (0, 0);
    wait::until("a full disk to be told", || {
        // Some writes still fit into what the database has on the disk already, so these are large, and many.
        asked += 1;
        let name = format!("another{asked}");
        let databases: Vec<_> = (0..500).map(|number| format!("{number:0>60}")).collect();
        let databases: Vec<_> = databases.iter().map(String::as_str).collect();
        let made = scene.system.add_datasource(&name, &scene.server, &databases);
        refused += usize::from(made.is_err());
        made.map_or_else(is_full, |()| Ok(()))?;
        Ok(refused == 5)
    })?;
    wait::until("the dump to have read all rows", || {
        Ok(scene.server.server_sessions("dataguardian")? == 0)
    })?;
    let state = scene.system.execution(&execution)?["state"].clone();
    ensure!(
        state == "EXECUTION_STATE_RUNNING",
        "nothing can have been written down: {state}"
    );
    disk.relieve()?;
    let ended = scene.completes(&execution)?;
    ensure!(ended["attempt"] == 1, "{ended:#}");
    ensure!(
        sessions(&scene.system) == before,
        "the session should have lasted:\n{}",
        scene.system.agent.log()
    );
    let took = full.elapsed();
    scene.next_run_works("main")?;
    section.add(Line::new(
        "disk full under SQLite during a dump",
        "completed in attempt 1; meanwhile RPCs unavailable",
        took,
        "completed, restored",
    ))
}

/// Puts the data directory on a disk of its own.
fn move_metadata_to(system: &mut System, size: &str) -> Result<SmallDisk> {
    let folder: PathBuf = system.control_plane.data_dir();
    let aside = folder.with_extension("aside");
    system.control_plane.program().stop()?;
    fs::rename(&folder, &aside)?;
    fs::create_dir(&folder)?;
    let disk = SmallDisk::mount(&folder, size)?;
    let copied = Command::new("cp")
        .arg("-a")
        .arg(aside.join("."))
        .arg(&folder)
        .status()?;
    ensure!(copied.success(), "the data directory could not be copied");
    system.control_plane.start_again()?;
    system.wait_for_agent(AGENT)?;
    Ok(disk)
}

#[test]
fn a_metadata_server_that_is_away_is_outlasted() -> Result<()> {
    let mut section = Section::begin("metadata PostgreSQL")?;
    let away = setting::seconds("DATAGUARDIAN_TEST_OUTAGE_SECONDS", AWAY)?;
    let mut metadata = Postgres::start(Version::V15)?;
    metadata.create_database("metadata")?;
    let mut scene = Scene::set(Metadata::Postgres(metadata.connection().url("metadata")))?;
    scene.system.add_job("main", &["--table-connections", "1"])?;
    let delay = (away.as_millis() / 2 / 300).max(1);
    scene.arm(&format!("agent.dump.first_rows=delay:{delay}"))?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_state(&execution, "running")?;
    let before = sessions(&scene.system);
    metadata.stop();
    let stopped = Instant::now();
    let asking = || {
        let mut asked = 0;
        while stopped.elapsed() < away {
            match scene.system.dgctl(&["job", "run", "main"]).succeed() {
                Ok(done) => bail!("it should not have worked: {}", done.stdout),
                Err(error) => is_unavailable(error)?,
            }
            asked += 1;
        }
        Ok(asked)
    };
    let asked = std::thread::scope(|scope| {
        let askers: Vec<_> = (0..8).map(|_| scope.spawn(asking)).collect();
        let answers = askers.into_iter().map(|asker| asker.join());
        answers
            .map(|asked| asked.unwrap_or_else(|_| bail!("a caller died")))
            .sum::<Result<usize>>()
    })?;
    ensure!(asked >= 16, "only {asked} requests were answered in {away:?}");
    ensure!(
        sessions(&scene.system) == before,
        "the session should have lasted:\n{}",
        scene.system.agent.log()
    );
    metadata.start_again()?;
    let back = Instant::now();
    let ended = scene.completes(&execution)?;
    ensure!(ended["attempt"] == 1, "{ended:#}");
    ensure!(
        sessions(&scene.system) == before,
        "the session should have lasted:\n{}",
        scene.system.agent.log()
    );
    let took = back.elapsed();
    scene.arm("")?;
    scene.next_run_works("main")?;
    let fault = format!(
        "stopped for {} s under {asked} requests, during a dump",
        away.as_secs()
    );
    section.add(Line::new(
        fault,
        "completed in attempt 1; meanwhile RPCs unavailable, session open",
        took,
        "completed, restored",
    ))
}
