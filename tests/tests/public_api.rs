//! The API as strangers meet it: grpcurl without proto files, bad input, hostile certificates.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::cache;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{Metadata, System, binary};
use serde_json::Value;

/// grpcurl against the system's API, with the administrator's token unless `token` is empty.
fn grpcurl(system: &System, token: &str, words: &[&str], data: Option<&str>) -> Result<(bool, String)> {
    let mut command = Command::new(cache::part("grpcurl")?);
    command.arg("-cacert").arg(system.control_plane.ca_file());
    if !token.is_empty() {
        command.args(["-H", &format!("authorization: Bearer {token}")]);
    }
    if let Some(data) = data {
        command.args(["-d", data]);
    }
    let address = format!("127.0.0.1:{}", system.control_plane.api_port());
    let output = command.arg(address).args(words).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

/// A token of the administrator's own.
fn token(system: &System) -> Result<String> {
    let login = r#"{"username": "admin", "password": "correct horse battery staple"}"#;
    let (ok, said) = grpcurl(system, "", &["dataguardian.v1.AuthService/Login"], Some(login))?;
    ensure!(ok, "{said}");
    let answer: Value = serde_json::from_str(&said)?;
    Ok(answer["apiToken"].as_str().context("a token")?.to_owned())
}

#[test]
fn grpcurl_lists_and_calls_without_proto_files() -> Result<()> {
    let system = System::start()?;
    let (ok, listed) = grpcurl(&system, "", &["list"], None)?;
    ensure!(ok, "{listed}");
    for service in [
        "dataguardian.v1.JobService",
        "dataguardian.v1.BackupService",
        "grpc.health.v1.Health",
    ] {
        ensure!(listed.contains(service), "{listed}");
    }
    let (ok, described) = grpcurl(
        &system,
        "",
        &["describe", "dataguardian.v1.JobService.RunJob"],
        None,
    )?;
    ensure!(ok && described.contains("RunJobRequest"), "{described}");
    let (ok, health) = grpcurl(&system, "", &["grpc.health.v1.Health/Check"], None)?;
    ensure!(ok && health.contains("SERVING"), "{health}");
    let (ok, refused) = grpcurl(&system, "", &["dataguardian.v1.JobService/ListJobs"], None)?;
    ensure!(!ok && refused.contains("Unauthenticated"), "{refused}");
    let token = token(&system)?;
    let (ok, agents) = grpcurl(
        &system,
        &token,
        &["dataguardian.v1.AgentService/ListAgents"],
        None,
    )?;
    ensure!(ok && agents.contains("host1"), "{agents}");
    system.check_invariants()
}

#[test]
fn bad_input_is_refused_by_the_name_of_its_field() -> Result<()> {
    let system = System::start()?;
    let token = token(&system)?;
    let long = format!(r#"{{"name": "{}"}}"#, "x".repeat(1 << 20));
    let cases = [
        ("JobService/ListJobs", r#"{"pageSize": -1}"#, "page_size"),
        (
            "JobService/ListJobs",
            r#"{"pageToken": "nonsense"}"#,
            "page_token",
        ),
        ("JobService/CreateJob", r#"{"name": ""}"#, "name"),
        ("JobService/CreateJob", &long, "name"),
        (
            "JobService/CreateJob",
            r#"{"name": "j", "datasource": "none", "storages": ["none"]}"#,
            "DATASOURCE_NOT_FOUND",
        ),
        (
            "StorageService/CreateStorage",
            r#"{"name": "s", "local": {"agent": "host1", "path": "relative"}}"#,
            "local.path",
        ),
        ("StorageService/CreateStorage", r#"{"name": "s"}"#, "location"),
        (
            "DatasourceService/CreateDatasource",
            r#"{"name": "d", "engine": "ENGINE_POSTGRES", "agent": "host1", "host": "h", "port": 70000, "username": "u", "databases": {"all": {}}}"#,
            "port",
        ),
        (
            "DatasourceService/CreateDatasource",
            r#"{"name": "d", "engine": "ENGINE_POSTGRES", "agent": "host1", "host": "h", "username": "u", "databases": {"all": {"exclude": ["("]}}}"#,
            "databases",
        ),
        ("ExecutionService/GetExecution", r#"{"id": "not-an-id"}"#, "id"),
        ("AgentService/CreateJoinToken", r#"{"ttl": "-5s"}"#, "ttl"),
    ];
    for (method, data, wrong) in cases {
        let path = format!("dataguardian.v1.{method}");
        // A request of a megabyte does not fit into an argument.
        let (ok, said) = match data.len() {
            0..100_000 => grpcurl(&system, &token, &[&path], Some(data))?,
            _ => grpcurl_stdin(&system, &token, &path, data)?,
        };
        ensure!(!ok, "{method} {data:.80} was taken: {said}");
        // Tools learn from reflection what the details of an error are, and show them in words.
        let named = [format!(r#""field":"{wrong}"#), format!(r#""reason":"{wrong}""#)];
        ensure!(
            named.iter().any(|named| said.contains(named)),
            "{method} {data:.80} does not name {wrong}: {said}"
        );
    }
    system.dgctl(&["system", "info"]).succeed()?;
    system.check_invariants()
}

fn grpcurl_stdin(system: &System, token: &str, path: &str, data: &str) -> Result<(bool, String)> {
    let file = system.folder().join("request.json");
    fs::write(&file, data)?;
    let output = Command::new(cache::part("grpcurl")?)
        .arg("-cacert")
        .arg(system.control_plane.ca_file())
        .args(["-H", &format!("authorization: Bearer {token}"), "-d", "@"])
        .arg(format!("127.0.0.1:{}", system.control_plane.api_port()))
        .arg(path)
        .stdin(fs::File::open(&file)?)
        .output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

#[test]
fn a_join_token_works_once() -> Result<()> {
    let system = System::start()?;
    let token = system.json(&["agent", "token", "create", "--name", "host2"])?;
    let file = system.folder().join("host2.token");
    fs::write(&file, token["token"].as_str().context("token")?)?;
    let pin = token["caPin"].as_str().context("pin")?;
    let (ok, said) = enroll(&system, pin, &file, "one")?;
    ensure!(ok, "{said}");
    let (ok, said) = enroll(&system, pin, &file, "two")?;
    ensure!(!ok && said.contains("token"), "{said}");
    system.check_invariants()
}

#[test]
fn a_host_enrolls_with_nobody_but_the_pinned_api() -> Result<()> {
    let system = System::start()?;
    let token = system.json(&["agent", "token", "create", "--name", "host2"])?;
    let file = system.folder().join("host2.token");
    fs::write(&file, token["token"].as_str().context("token")?)?;
    let pin = token["caPin"].as_str().context("pin")?;
    let wrong = format!("sha256:{}", "0".repeat(64));
    let (ok, said) = enroll(&system, &wrong, &file, "one")?;
    ensure!(!ok && said.contains("check --ca-pin"), "a wrong pin: {said}");
    let agents = format!("https://127.0.0.1:{}", system.control_plane.agent_port());
    let (ok, said) = enroll_at(&system, &agents, pin, &file, "one")?;
    ensure!(
        !ok && said.contains("the port of the API") && said.contains("not the agents'"),
        "the agents' port: {said}"
    );
    // Neither of them has seen the token.
    let (ok, said) = enroll(&system, pin, &file, "one")?;
    ensure!(ok, "{said}");
    system.check_invariants()
}

fn enroll(system: &System, pin: &str, token_file: &Path, state: &str) -> Result<(bool, String)> {
    enroll_at(system, &system.control_plane.url(), pin, token_file, state)
}

fn enroll_at(
    system: &System,
    server: &str,
    pin: &str,
    token_file: &Path,
    state: &str,
) -> Result<(bool, String)> {
    let output = Command::new(binary("dataguardian-agent")?)
        .args(["enroll", "--server", server, "--ca-pin", pin])
        .arg("--token-file")
        .arg(token_file)
        .arg("--state-dir")
        .arg(system.folder().join(state))
        .output()?;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[test]
fn a_revoked_agent_is_shut_out_within_five_seconds() -> Result<()> {
    let system = System::start()?;
    system.dgctl(&["agent", "revoke", "host1", "--yes"]).succeed()?;
    let began = std::time::Instant::now();
    dataguardian_tests::wait::until("the agent's stream to close", || {
        let agent = system.json(&["agent", "get", "host1"])?;
        Ok(agent["agent"]["connected"] != true)
    })?;
    ensure!(began.elapsed().as_secs() < 5, "it took {:?}", began.elapsed());
    system.check_invariants()
}

#[test]
fn an_unknown_setting_is_refused_by_name() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("config.toml");
    fs::write(&config, "[api]\nlistne = \"127.0.0.1:1\"\n")?;
    let output = Command::new(binary("dataguardian")?)
        .arg("serve")
        .arg("--config")
        .arg(&config)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains("listne"), "{said}");
    Ok(())
}

#[test]
fn an_agent_that_is_not_there_is_told_and_nothing_made() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("mistyped");
    let run = || -> Result<String> {
        let output = Command::new(binary("dataguardian-agent")?)
            .args(["run", "--state-dir"])
            .arg(&state)
            .output()?;
        ensure!(!output.status.success());
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let said = run()?;
    ensure!(said.contains("mistyped") && said.contains("enroll"), "{said}");
    ensure!(!state.exists(), "it was made");
    fs::DirBuilder::new().mode(0o700).create(&state)?;
    fs::write(state.join("identity.json"), "half of i")?;
    let said = run()?;
    ensure!(
        said.contains("identity.json") && said.contains("dgctl agent token create --for"),
        "{said}"
    );
    Ok(())
}

/// The main job on the set-up of production: metadata in PostgreSQL.
#[test]
fn metadata_in_postgres_serves_as_well() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    server.create_database("metadata")?;
    server.create_database("shop")?;
    server.psql(
        "shop",
        "create table t (a int primary key); insert into t select generate_series(1, 1000)",
    )?;
    let mut system = System::start_with(Metadata::Postgres(server.connection().url("metadata")), "")?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    system.control_plane.program().stop()?;
    system.control_plane.start_again()?;
    system.wait_for_agent("host1")?;
    system.restore_latest("main", &["--scratch"]).succeed()?;
    system.check_invariants()
}
