//! Datasources and storages are looked at from time to time, and what is broken is told before a backup finds it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample;
use dataguardian_tests::system::System;
use dataguardian_tests::wait;
use serde_json::Value;

/// Looks every second.
const OFTEN: &str = "[health]\ninterval_seconds = 1\nlow_space_mib = 0\n";

fn condition(system: &System, what: &str, name: &str) -> Result<Value> {
    let reply = system.json(&[what, "get", name])?;
    Ok(reply[what]["health"].clone())
}

fn wait_for(system: &System, what: &str, name: &str, wanted: &str) -> Result<Value> {
    let mut seen = Value::Null;
    wait::until("the condition to be told", || {
        seen = condition(system, what, name)?;
        Ok(seen["condition"] == wanted)
    })
    .with_context(|| format!("{seen:#}"))?;
    Ok(seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_broken_is_told_and_what_works_again_too() -> Result<()> {
    let mut server = Postgres::start(Version::V15)?;
    sample::load_bulk(&server, "shop", 100)?;
    let mut system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.control_plane.start_again_with(OFTEN)?;
    let seen = wait_for(&system, "datasource", "main", "CONDITION_HEALTHY")?;
    ensure!(
        seen["serverVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("15"))
            && seen["clientVersion"]
                .as_str()
                .is_some_and(|version| !version.is_empty())
            && seen["latency"].is_string(),
        "{seen:#}"
    );
    let seen = wait_for(&system, "storage", "vault", "CONDITION_HEALTHY")?;
    ensure!(
        seen["freeBytes"].is_string() && seen["conditionalPut"] == true,
        "{seen:#}"
    );

    server.stop();
    let away = system.folder().join("unplugged");
    fs::rename(system.vault(), &away)?;
    let seen = wait_for(&system, "datasource", "main", "CONDITION_UNHEALTHY")?;
    ensure!(
        seen["problems"][0]["reason"] == "DATABASE_UNREACHABLE",
        "{seen:#}"
    );
    let seen = wait_for(&system, "storage", "vault", "CONDITION_UNHEALTHY")?;
    ensure!(
        seen["problems"][0]["advice"]
            .as_str()
            .is_some_and(|advice| !advice.is_empty()),
        "{seen:#}"
    );
    let shown = system.dgctl(&["datasource", "list"]).succeed()?;
    ensure!(shown.stdout.contains("unhealthy"), "{shown:?}");

    server.start_again()?;
    fs::rename(&away, system.vault())?;
    wait_for(&system, "datasource", "main", "CONDITION_HEALTHY")?;
    wait_for(&system, "storage", "vault", "CONDITION_HEALTHY")?;
    let shown = system
        .dgctl(&["datasource", "health", "main", "--limit", "0"])
        .succeed()?;
    ensure!(
        shown.stdout.contains("unhealthy") && shown.stdout.contains("healthy"),
        "{shown:?}"
    );
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_looks_at_is_unknown() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    sample::load_bulk(&server, "shop", 100)?;
    let mut system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.control_plane.start_again_with(OFTEN)?;
    wait_for(&system, "datasource", "main", "CONDITION_HEALTHY")?;
    system.agent.program().stop()?;
    wait_for(&system, "datasource", "main", "CONDITION_UNKNOWN")?;
    system.agent.start_again()?;
    wait_for(&system, "datasource", "main", "CONDITION_HEALTHY")?;
    system.check_invariants()
}
