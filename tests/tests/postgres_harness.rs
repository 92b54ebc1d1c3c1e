//! The harness keeps its word: servers of their own, gone afterwards.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use dataguardian_tests::{
    postgres::{PASSWORD, Postgres, Tls, Version},
    wait,
};

#[test]
fn every_version_starts_and_leaves_nothing_behind() {
    for version in Version::ALL {
        let server = Postgres::start(version).unwrap();
        let directory = server.data_dir().parent().unwrap().to_owned();
        let pid = server.pid().unwrap();
        server.create_database("odd \" name; 'x'").unwrap();
        let number = server
            .psql("odd \" name; 'x'", "SHOW server_version_num")
            .unwrap();
        assert_eq!(number.parse::<u32>().unwrap() / 10_000, version.major());
        drop(server);
        assert!(!directory.exists());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[test]
fn every_version_has_dump_programs_of_its_own() {
    for version in Version::ALL {
        for program in ["pg_dump", "pg_restore", "pg_dumpall", "psql"] {
            let output = Command::new(version.bin_dir().unwrap().join(program))
                .arg("--version")
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(
                text.contains(&format!(" {}.", version.major())),
                "{program}: {text}"
            );
        }
    }
}

#[test]
fn every_version_knows_the_extension_with_configuration_tables() {
    for version in Version::ALL {
        let server = Postgres::start(version).unwrap();
        let answer = server.psql(
            "postgres",
            "CREATE EXTENSION dg_config_test; SELECT dg_config.answer()",
        );
        assert_eq!(answer.unwrap(), "42");
    }
}

#[tokio::test]
async fn a_password_is_asked_for_everywhere() {
    let server = Postgres::start(Version::V15).unwrap();
    let pool = server.pool("postgres").await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.unwrap();
    assert_eq!(one, 1);
    for host in [
        server.connection().socket_dir.display().to_string(),
        "127.0.0.1".to_owned(),
    ] {
        let mut psql = server.command("psql", "postgres");
        psql.args(["-w", "-c", "SELECT 1"]).env("PGHOST", &host);
        assert!(psql.output().unwrap().status.success(), "{host}");
        psql.env("PGPASSWORD", "wrong");
        assert!(!psql.output().unwrap().status.success(), "{host}");
    }
    let mut by_url = Command::new(server.bin_dir().join("psql"));
    by_url
        .args(["-X", "-c", "SELECT 1"])
        .arg(server.connection().url("postgres"));
    assert!(by_url.output().unwrap().status.success());
    assert!(!server.log().unwrap().contains(PASSWORD));
}

#[tokio::test]
async fn sessions_are_counted_by_the_start_of_their_name() {
    let server = Postgres::start(Version::V15).unwrap();
    assert_eq!(server.server_sessions("").unwrap(), 0);
    let options = server
        .connection()
        .options("postgres")
        .application_name("dataguardian agent 7");
    let pool = sqlx::PgPool::connect_with(options).await.unwrap();
    assert_eq!(server.server_sessions("dataguardian").unwrap(), 1);
    assert_eq!(server.server_sessions("agent").unwrap(), 0);
    pool.close().await;
}

#[test]
fn a_stopped_or_killed_server_comes_back_with_its_data_on_the_same_port() {
    let mut server = Postgres::start(Version::V15).unwrap();
    let port = server.connection().port;
    server
        .psql(
            "postgres",
            "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)",
        )
        .unwrap();
    server.restart().unwrap();
    server
        .psql("postgres", "INSERT INTO kept VALUES (2); CHECKPOINT")
        .unwrap();
    server.kill9();
    assert!(server.pid().is_none());
    assert!(server.psql("postgres", "SELECT 1").is_err());
    server.start_again().unwrap();
    assert_eq!(server.psql("postgres", "SELECT count(*) FROM kept").unwrap(), "2");
    assert_eq!(server.psql("postgres", "SHOW port").unwrap(), port.to_string());
}

#[test]
fn a_server_that_does_not_come_up_shows_its_log() {
    let error = Postgres::builder(Version::V15)
        .setting("no_such_setting", "it's")
        .start()
        .unwrap_err();
    assert!(format!("{error:#}").contains("no_such_setting"), "{error:#}");
}

#[test]
fn tls_can_be_demanded_and_is_proven_by_its_authority() {
    let server = Postgres::builder(Version::V15)
        .tls(Tls::Required)
        .start()
        .unwrap();
    let connect = |mode: &str| {
        let mut psql = server.command("psql", "postgres");
        psql.args(["-X", "-c", "SELECT 1"]);
        psql.env("PGHOST", "localhost")
            .env("PGHOSTADDR", "127.0.0.1")
            .env("PGSSLMODE", mode);
        psql.env("PGSSLROOTCERT", server.ca_certificate().unwrap())
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(connect("verify-full"));
    assert!(!connect("disable"));
    assert!(Postgres::builder(Version::V18).tls(Tls::Offered).start().is_err());
}

/// Runs itself once more as the test that is killed.
#[test]
fn a_server_goes_with_a_killed_test() {
    const HELD: &str = "DATAGUARDIAN_TESTS_HOLD_A_SERVER";
    if std::env::var_os(HELD).is_some() {
        let server = Postgres::start(Version::V15).unwrap();
        println!(
            "\nserver {} {}",
            server.pid().unwrap(),
            server.data_dir().display()
        );
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let mut held = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "a_server_goes_with_a_killed_test"])
        .env(HELD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(held.stdout.take().unwrap()).lines();
    let line = lines
        .map(Result::unwrap)
        .find(|line| line.starts_with("server "))
        .unwrap();
    let words: Vec<&str> = line.split(' ').collect();
    let [_, pid, data] = words.as_slice() else {
        panic!("{line}")
    };
    assert!(Path::new(data).exists());

    held.kill().unwrap();
    held.wait().unwrap();

    let is_up = || std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty());
    wait::until("the server's end", || Ok(!Path::new(data).exists() && !is_up())).unwrap();
}
