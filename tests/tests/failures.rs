//! Broken dumps: each fails with a reason that a person understands, leaves no manifest, no process and no session, and the
//! next run works.

use std::fs;
use std::process::Command;

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::small_disk::SmallDisk;
use dataguardian_tests::system::{System, binary, command_line};
use dataguardian_tests::tcp_proxy::{Direction, TcpProxy};
use dataguardian_tests::wait;

/// Enough rows for a dump to last some seconds.
const ROWS: u64 = 400_000;

struct Scene {
    system: System,
    server: Postgres,
}

impl Scene {
    fn set() -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        load_bulk(&server, "shop", ROWS)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        Ok(Self { system, server })
    }

    /// The execution has failed for that reason, nothing of it is left, and the next run works.
    fn failed_well(&self, execution: &str, reason: &str) -> Result<()> {
        let failed = self.system.wait_for_state(execution, "failed")?;
        ensure!(
            failed["failure"]["reason"] == reason,
            "expected {reason}: {:#}",
            failed["failure"]
        );
        ensure!(
            failed["failure"]["message"]
                .as_str()
                .is_some_and(|text| text.len() > 10),
            "{failed:#}"
        );
        ensure!(
            failed["failure"]["advice"]
                .as_str()
                .is_some_and(|text| !text.is_empty()),
            "{failed:#}"
        );
        ensure!(self.system.manifests()?.is_empty(), "a manifest was left");
        self.nothing_runs()
    }

    fn nothing_runs(&self) -> Result<()> {
        self.system.nothing_is_left(&self.server)?;
        self.system.check_invariants()
    }

    fn next_run_works(&self) -> Result<()> {
        self.system.run_job("main").succeed()?;
        ensure!(self.system.manifests()?.len() == 1, "one manifest");
        self.system.restore_latest("main", &["--scratch"]).succeed()?;
        self.nothing_runs()
    }
}

#[test]
fn a_wrong_password_is_told_and_mended() -> Result<()> {
    let scene = Scene::set()?;
    let port = scene.server.connection().port;
    scene
        .system
        .add_datasource_at("wrong", port, "postgres", "not the password", &["shop"])?;
    scene.system.add_job("wrong", &[])?;
    let said = scene.system.run_job("wrong").fail(1)?;
    assert!(said.contains("DATABASE_AUTHENTICATION"), "{said}");
    assert!(!said.contains("not the password"), "{said}");
    let right = scene.system.folder().join("right");
    fs::write(&right, &scene.server.connection().password)?;
    let right = right.display().to_string();
    scene
        .system
        .dgctl(&["datasource", "update", "wrong", "--password-file", &right])
        .succeed()?;
    scene.system.run_job("wrong").succeed()?;
    scene.nothing_runs()
}

#[test]
fn a_killed_backend_fails_the_dump() -> Result<()> {
    let scene = Scene::set()?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name like 'dataguardian%'";
    scene.server.psql("postgres", kill)?;
    scene.failed_well(&execution, "DATABASE_CONNECTION_LOST")?;
    scene.next_run_works()
}

#[test]
fn a_stopped_server_fails_the_dump() -> Result<()> {
    let mut scene = Scene::set()?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    scene.server.stop();
    let failed = scene.system.wait_for_state(&execution, "failed")?;
    assert_eq!(
        failed["failure"]["reason"], "DATABASE_CONNECTION_LOST",
        "{failed:#}"
    );
    let said = scene.system.run_job("main").fail(1)?;
    assert!(said.contains("DATABASE_UNREACHABLE"), "{said}");
    scene.server.start_again()?;
    scene.next_run_works()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_connection_fails_the_dump() -> Result<()> {
    let scene = Scene::set()?;
    let connection = scene.server.connection();
    let proxy = TcpProxy::start((std::net::Ipv4Addr::LOCALHOST, connection.port).into()).await?;
    let port = proxy.address().port();
    scene
        .system
        .add_datasource_at("cut", port, &connection.user, &connection.password, &["shop"])?;
    scene.system.add_job("cut", &[])?;
    proxy.cut_after(Direction::FromServer, 12 << 20);
    let execution = scene.system.start_job("cut")?;
    scene.failed_well(&execution, "DATABASE_CONNECTION_LOST")?;
    proxy.resume();
    scene.system.run_job("cut").succeed()?;
    scene.nothing_runs()
}

#[test]
fn a_missing_privilege_is_named_with_its_grant() -> Result<()> {
    let scene = Scene::set()?;
    scene.server.psql(
        "shop",
        "create role reader login password 'reader'; grant connect on database shop to reader",
    )?;
    let port = scene.server.connection().port;
    scene
        .system
        .add_datasource_at("reader", port, "reader", "reader", &["shop"])?;
    scene.system.add_job("reader", &[])?;
    let said = scene.system.run_job("reader").fail(1)?;
    assert!(
        said.contains("DATABASE_PRIVILEGE") && said.contains("pg_read_all_data"),
        "{said}"
    );
    scene.server.psql("shop", "grant pg_read_all_data to reader")?;
    scene.system.run_job("reader").succeed()?;
    scene.nothing_runs()
}

#[test]
fn a_database_that_does_not_exist_is_named() -> Result<()> {
    let scene = Scene::set()?;
    scene
        .system
        .add_datasource("typo", &scene.server, &["shop", "shpo"])?;
    scene.system.add_job("typo", &[])?;
    let said = scene.system.run_job("typo").fail(1)?;
    assert!(
        said.contains("DATABASE_MISSING") && said.contains("shpo"),
        "{said}"
    );
    scene.nothing_runs()
}

/// Needs a file system of a few MiB, which only root can mount.
#[test]
fn a_full_storage_fails_the_dump() -> Result<()> {
    let scene = Scene::set()?;
    let small = scene.system.folder().join("small");
    fs::create_dir(&small)?;
    let disk = SmallDisk::mount(&small, "24m")?;
    let path = small.display().to_string();
    let agent = dataguardian_tests::system::AGENT;
    let create = [
        "storage", "create", "local", "--name", "small", "--agent", agent, "--path", &path,
    ];
    scene.system.dgctl(&create).succeed()?;
    let job = [
        "job",
        "create",
        "--name",
        "small",
        "--datasource",
        "main",
        "--storage",
        "small",
    ];
    scene.system.dgctl(&job).succeed()?;
    let execution = scene.system.start_job("small")?;
    scene.failed_well(&execution, "STORAGE_FULL")?;
    let failed = scene.system.execution(&execution)?;
    assert!(
        failed["failure"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("small")),
        "{failed:#}"
    );
    scene.next_run_works()?;
    drop(disk);
    Ok(())
}

#[test]
fn a_cancelled_dump_leaves_nothing() -> Result<()> {
    let scene = Scene::set()?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    scene
        .system
        .dgctl(&["execution", "cancel", &execution])
        .succeed()?;
    scene.system.wait_for_state(&execution, "cancelled")?;
    assert!(scene.system.manifests()?.is_empty());
    scene.nothing_runs()?;
    scene.next_run_works()
}

#[test]
fn a_killed_agent_reports_when_it_is_back() -> Result<()> {
    let mut scene = Scene::set()?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    scene.system.agent.program().kill9()?;
    scene.system.agent.start_again()?;
    scene.failed_well(&execution, "AGENT_RESTARTED")?;
    scene.next_run_works()
}

#[test]
fn a_killed_control_plane_finds_the_dump_again() -> Result<()> {
    let mut scene = Scene::set()?;
    let execution = scene.system.start_job("main")?;
    scene.system.wait_for_rows(&execution)?;
    scene.system.control_plane.program().kill9()?;
    scene.system.control_plane.start_again()?;
    scene.system.wait_for_state(&execution, "completed")?;
    assert_eq!(scene.system.manifests()?.len(), 1);
    scene.nothing_runs()
}

#[test]
fn the_password_is_nowhere_to_be_seen() -> Result<()> {
    const PASSWORD: &str = "n0where-t0-be-seen";
    let scene = Scene::set()?;
    scene.server.psql(
        "postgres",
        &format!("create role dumper superuser login password '{PASSWORD}'"),
    )?;
    let port = scene.server.connection().port;
    scene
        .system
        .add_datasource_at("main2", port, "dumper", PASSWORD, &["shop"])?;
    fs::remove_file(scene.system.folder().join("main2.password"))?;
    scene.system.add_job("main2", &[])?;
    let execution = scene.system.start_job("main2")?;
    let mut looked = 0;
    wait::until("the dump to end", || {
        for process in fs::read_dir("/proc")?.flatten() {
            if process
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
            {
                ensure!(
                    !command_line(&process.path()).contains(PASSWORD),
                    "in a command line"
                );
                let environment = fs::read(process.path().join("environ")).unwrap_or_default();
                ensure!(
                    !contains(&environment, PASSWORD),
                    "in an environment: {}",
                    command_line(&process.path())
                );
                looked += 1;
            }
        }
        Ok(scene.system.execution(&execution)?["state"] == "EXECUTION_STATE_COMPLETED")
    })?;
    ensure!(looked > 100, "only {looked} processes were looked at");
    for file in dataguardian_tests::system::files(scene.system.folder())? {
        ensure!(!contains(&fs::read(&file)?, PASSWORD), "in {}", file.display());
    }
    scene.nothing_runs()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn the_programs_say_what_they_are() -> Result<()> {
    for name in ["dataguardian", "dataguardian-agent", "dgctl"] {
        let output = Command::new(binary(name)?).arg("--version").output()?;
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).starts_with(name));
    }
    Ok(())
}
