use clap::Parser as _;

use super::*;

fn flags(arguments: &[&str]) -> ServeFlags {
    let line = ["dataguardian", "serve"].iter().chain(arguments);
    match CommandLine::try_parse_from(line)
        .expect("the flags are right")
        .command
    {
        Command::Serve(flags) => *flags,
        other => panic!("not serve: {other:?}"),
    }
}

fn file(contents: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dataguardian.toml");
    std::fs::write(&path, contents).unwrap();
    let path = path.display().to_string();
    (dir, path)
}

fn problem(arguments: &[&str]) -> String {
    let error = Config::load(&flags(arguments)).expect_err("the settings are wrong");
    let cause = std::error::Error::source(&error)
        .map(ToString::to_string)
        .unwrap_or_default();
    format!("{error} {cause}")
}

#[test]
fn defaults_are_right_as_they_are() {
    let config = Config::load(&flags(&[])).unwrap();
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:8443");
    assert_eq!(config.agents.listen.to_string(), "127.0.0.1:8444");
}

#[test]
fn flags_win_over_the_file() {
    let (_dir, path) = file("[api]\nlisten = '127.0.0.1:1000'\n[agents]\nlisten = '127.0.0.1:1001'\n");
    let config = Config::load(&flags(&["--config", &path, "--api-listen", "127.0.0.1:2000"])).unwrap();
    assert_eq!(config.api.listen.port(), 2000);
    assert_eq!(config.agents.listen.port(), 1001);
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    for (contents, key) in [
        ("lisen = 1", "lisen"),
        ("[api]\nport = 1", "port"),
        ("[api.limits]\nmax = 1", "max"),
    ] {
        let (_dir, path) = file(contents);
        let told = problem(&["--config", &path]);
        assert!(told.contains(key) && told.contains("unknown field"), "{told}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert!(problem(&["--config", "/nonexistent/x.toml"]).contains("/nonexistent/x.toml"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    assert!(problem(&["--plaintext", "--api-listen", "0.0.0.0:8443"]).contains("api.plaintext"));
    assert!(problem(&["--tls-cert", "/x"]).contains("api.tls_key"));
    assert!(problem(&["--agent-address", "nonsense"]).contains("agents.address"));
    assert!(problem(&["--log", "a=b=c"]).contains("log.filter"));
    assert!(problem(&["--monitor-interval-ms", "1"]).contains("monitor"));
    assert!(problem(&["--otlp-endpoint", "localhost:4317"]).contains("telemetry"));
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let told = problem(&["--database-url", "postgres://dg:hunter2@db/dg"]);
    assert!(
        told.contains("DATAGUARDIAN_DATABASE_URL") && !told.contains("hunter2"),
        "{told}"
    );
    assert!(Config::load(&flags(&["--database-url", "postgres://dg@db/dg"])).is_ok());
    assert!(problem(&["--database-url", "mysql://db/dg"]).contains("database.url"));
}

#[test]
fn redis_is_named_without_its_password_or_out_of_sight() {
    for url in ["redis://:hunter2@redis", "rediss://dg:hunter2@redis:6380/1"] {
        let told = problem(&["--redis-url", url]);
        assert!(
            told.contains("DATAGUARDIAN_REDIS_URL") && !told.contains("hunter2"),
            "{told}"
        );
    }
    let (_dir, path) = file("[queue]\nredis_url = 'redis://:hunter2@redis/not-a-number'\n");
    let told = problem(&["--config", &path]);
    assert!(
        told.contains("queue.redis_url") && !told.contains("hunter2"),
        "{told}"
    );
    let (_dir, path) = file("[queue]\nredis_url = 'redis://:hunter2@redis'\n");
    let config = Config::load(&flags(&["--config", &path])).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert!(problem(&["--redis-url", "redis://redis", "--redis-ca", "/x"]).contains("queue.redis_ca"));
}
