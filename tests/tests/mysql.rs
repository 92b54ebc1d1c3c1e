//! MySQL and MariaDB from `dgctl` to the server and back, equal to their source; and what breaks a backup of them.

use std::path::Path;

use anyhow::{Context as _, Result};
use dataguardian_tests::mysql::{MySql, PASSWORD, Version, compare};
use dataguardian_tests::system::{System, files};
use dataguardian_tests::wait;

const RESTORE: [&str; 6] = ["restore", "--backup", "latest", "--datasource", "main", "--wait"];

fn restore(system: &System, more: &[&str]) -> Result<()> {
    system.dgctl(&[&RESTORE[..], more].concat()).succeed().map(drop)
}

fn started(version: Version) -> Result<(MySql, System)> {
    let server = MySql::start(version)?;
    server.load_sample("shop")?;
    let system = System::start()?;
    system.add_mysql("main", &server, "root", &["shop"])?;
    system.add_job("main", &[])?;
    Ok((server, system))
}

/// Nothing of ours is left on the server or the agent's host.
fn nothing_is_left(server: &MySql, system: &System) -> Result<()> {
    wait::until("our sessions to end", || Ok(server.server_sessions("root")? == 0))?;
    for folder in ["journal", "work"] {
        let folder = system.agent.state_dir().join(folder);
        wait::until("the agent to tidy up", || {
            Ok(std::fs::read_dir(&folder)?.next().is_none())
        })?;
    }
    system.check_invariants()
}

fn everything_comes_back(version: Version) -> Result<()> {
    let (server, system) = started(version)?;
    let found = system.json(&["datasource", "test", "main"])?;
    assert_eq!(found["ok"], true, "{found:#}");
    let found = system.json(&["datasource", "discover", "main"])?;
    assert_eq!(found["databases"][0]["name"], "shop", "{found:#}");
    system.run_job("main").succeed()?;

    restore(&system, &["--database", "shop=restored"])?;
    compare::equal((&server, "shop"), (&server, "restored")).context("under another name")?;

    let other = MySql::start(version)?;
    system.add_mysql("other", &other, "root", &["shop"])?;
    restore(&system, &["--to", "other", "--create-missing-roles"])?;
    compare::equal((&server, "shop"), (&other, "shop")).context("on another server")?;

    let names = server.databases()?;
    restore(&system, &["--scratch"])?;
    assert_eq!(server.databases()?, names);

    let before = compare::read(&server, "shop")?;
    server.sql(
        "shop",
        "DROP TRIGGER watched_first; DELETE FROM texts; DROP TABLE bytes; CREATE TABLE newer (id int)",
    )?;
    restore(&system, &["--replace", "--yes"])?;
    compare::differences(&before, &compare::read(&server, "shop")?).context("in place of the old one")?;
    assert_eq!(server.databases()?, names);
    nothing_is_left(&server, &system)?;

    // The password is in no log, no metadata and no file of the agent.
    for file in files(system.folder())? {
        if file.extension().is_some_and(|extension| extension == "password") {
            continue;
        }
        let text = std::fs::read(&file).unwrap_or_default();
        assert!(!holds(&text, PASSWORD), "{}", file.display());
    }
    Ok(())
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn mariadb_10_comes_back() -> Result<()> {
    everything_comes_back(Version::MariaDb10)
}

#[test]
fn mariadb_11_comes_back() -> Result<()> {
    everything_comes_back(Version::MariaDb11)
}

#[test]
fn mysql_9_comes_back() -> Result<()> {
    everything_comes_back(Version::MySql9)
}

/// Enough rows that a dump of them can be met half way.
fn with_many_rows(version: Version) -> Result<(MySql, System)> {
    let (server, system) = started(version)?;
    let mut sql = "CREATE TABLE zz_bulk (id int PRIMARY KEY, v varchar(2000)); INSERT INTO zz_bulk VALUES (1, REPEAT('x', 2000));".to_owned();
    for doubling in 0..16 {
        sql += &format!(
            "INSERT INTO zz_bulk SELECT id + {}, v FROM zz_bulk;",
            1 << doubling
        );
    }
    server.sql("shop", &sql)?;
    Ok((server, system))
}

fn broken_backups_fail_with_a_reason(version: Version) -> Result<()> {
    let (mut server, system) = with_many_rows(version)?;
    let mut expected_manifests = 0;
    let fails = |server: &mut MySql,
                 reasons: &[&str],
                 harm: &mut dyn FnMut(&mut MySql) -> Result<()>|
     -> Result<()> {
        let id = system.start_job("main")?;
        system.wait_for_rows(&id)?;
        // No password is where other users see it.
        for process in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            assert!(!holds(&line, PASSWORD), "{}", String::from_utf8_lossy(&line));
        }
        harm(server)?;
        let ended = system.wait_for_state(&id, "failed")?;
        let reason = ended["failure"]["reason"].as_str().unwrap_or_default().to_owned();
        assert!(reasons.contains(&reason.as_str()), "{version}: {ended:#}");
        assert!(!ended["failure"]["advice"].as_str().unwrap_or_default().is_empty());
        assert_eq!(system.manifests()?.len(), expected_manifests);
        Ok(())
    };
    fails(&mut server, &["CLIENT_FAILED"], &mut |_| kill_dumps(&system))?;
    nothing_is_left(&server, &system)?;
    fails(&mut server, &["DATABASE_CONNECTION_LOST"], &mut |server| {
        let id = server.sql("", "SELECT id FROM information_schema.processlist WHERE info LIKE '%FROM `zz_bulk`%' AND id <> CONNECTION_ID()")?;
        server.sql("", &format!("KILL {id}")).map(drop)
    })?;
    nothing_is_left(&server, &system)?;
    fails(
        &mut server,
        &["DATABASE_CONNECTION_LOST", "DATABASE_UNREACHABLE"],
        &mut |server| {
            server.kill9();
            Ok(())
        },
    )?;
    server.start_again()?;
    nothing_is_left(&server, &system)?;
    system.run_job("main").succeed()?;
    expected_manifests += 1;
    assert_eq!(system.manifests()?.len(), expected_manifests);
    restore(&system, &["--database", "shop=restored"])?;
    compare::equal((&server, "shop"), (&server, "restored"))?;
    nothing_is_left(&server, &system)
}

/// The dump programs that this system's agent has started.
fn kill_dumps(system: &System) -> Result<()> {
    let state = system.agent.state_dir().display().to_string();
    for process in std::fs::read_dir("/proc")?.filter_map(Result::ok) {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let is_dump = Path::new(&*String::from_utf8_lossy(program))
            .file_name()
            .is_some_and(|name| name.to_string_lossy().ends_with("dump"));
        if is_dump && holds(&line, &state) {
            let pid = nix::unistd::Pid::from_raw(process.file_name().to_string_lossy().parse()?);
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL)?;
        }
    }
    Ok(())
}

#[test]
fn broken_backups_of_mariadb_10_fail_with_a_reason() -> Result<()> {
    broken_backups_fail_with_a_reason(Version::MariaDb10)
}

#[test]
fn broken_backups_of_mariadb_11_fail_with_a_reason() -> Result<()> {
    broken_backups_fail_with_a_reason(Version::MariaDb11)
}

#[test]
fn broken_backups_of_mysql_9_fail_with_a_reason() -> Result<()> {
    broken_backups_fail_with_a_reason(Version::MySql9)
}

#[test]
fn what_can_not_work_is_told_with_advice() -> Result<()> {
    for version in Version::ALL {
        let (server, system) = started(version)?;
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        server.sql(
            "",
            &format!(
                "CREATE USER 'poor'@'%' IDENTIFIED BY '{password}'; GRANT SELECT ON shop.* TO 'poor'@'%'"
            ),
        )?;
        system.add_mysql("poor", &server, "poor", &["shop"])?;
        system.add_datasource_of(
            version.engine(),
            "wrong",
            server.port(),
            "root",
            "wrong",
            &["shop"],
        )?;
        let other = if version.is_mariadb() { "mysql" } else { "mariadb" };
        system.add_datasource_of(other, "other", server.port(), "root", PASSWORD, &["shop"])?;
        system.add_datasource_of("postgres", "family", server.port(), "root", PASSWORD, &["shop"])?;
        let right_one = format!("dgctl datasource create {}", version.engine());
        for (name, reason, words) in [
            (
                "poor",
                "DATABASE_PRIVILEGE",
                "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.*",
            ),
            ("wrong", "DATABASE_AUTHENTICATION", "Access denied"),
            ("other", "DATABASE_ERROR", right_one.as_str()),
            ("family", "DATABASE_ERROR", right_one.as_str()),
        ] {
            system.add_job(name, &[])?;
            let id = system.start_job(name)?;
            let ended = system.wait_for_state(&id, "failed")?;
            assert_eq!(ended["failure"]["reason"], reason, "{version}: {ended:#}");
            let message = ended["failure"]["message"].as_str().unwrap_or_default();
            assert!(message.contains(words), "{version}: {message}");
        }
        assert!(system.manifests()?.is_empty());
        nothing_is_left(&server, &system)?;
    }
    Ok(())
}
