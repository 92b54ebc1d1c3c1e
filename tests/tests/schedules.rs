//! A job that runs by its schedule, with the real programs.

use anyhow::{Context as _, Result, ensure};
use dataguardian_core::clock::{Clock as _, SystemClock};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::System;
use dataguardian_tests::wait;
use serde_json::Value;

/// Executions of the job, the newest first.
fn executions(system: &System) -> Result<Vec<Value>> {
    let answer = system.json(&["execution", "list", "--job", "main"])?;
    let executions = answer["executions"].as_array().context("executions")?;
    Ok(executions.clone())
}

/// A schedule of once a minute, whose next time is a few seconds away.
fn each_minute() -> String {
    let seconds = SystemClock.now().timestamp() + 4;
    format!("{} * * * * *", seconds.rem_euclid(60))
}

#[tokio::test]
async fn a_job_scheduled_each_minute_fires_completes_and_stops_while_paused() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    server.psql(
        "shop",
        "create table t (a int primary key); insert into t values (1)",
    )?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    let schedule = each_minute();
    let words = [
        "job",
        "update",
        "main",
        "--schedule",
        &schedule,
        "--timezone",
        "Europe/Berlin",
    ];
    system.dgctl(&words).succeed()?;
    wait::until("the first scheduled run to complete", || {
        let executions = executions(&system)?;
        Ok(executions
            .last()
            .is_some_and(|first| first["state"] == "EXECUTION_STATE_COMPLETED"))
    })?;
    let first = executions(&system)?.pop().context("one execution")?;
    ensure!(first["trigger"] == "TRIGGER_SCHEDULED", "{first:#}");
    ensure!(
        first["scheduledFor"]
            .as_str()
            .is_some_and(|time| time.ends_with('Z')),
        "{first:#}"
    );
    let paused = system.json(&["job", "pause", "main"])?;
    ensure!(
        paused["job"]["paused"] == true && paused["job"]["nextFireAt"].is_null(),
        "{paused:#}"
    );
    let shown = system.dgctl(&["job", "list"]).succeed()?.stdout;
    ensure!(shown.contains(&schedule) && shown.contains("paused"), "{shown}");
    // By its own clock midnight is far enough.
    let daily = ["job", "update", "main", "--schedule", "@daily"];
    system.dgctl(&daily).succeed()?;
    system.dgctl(&["job", "resume", "main"]).succeed()?;
    let shown = system.dgctl(&["job", "get", "main"]).succeed()?.stdout;
    ensure!(
        shown.contains("completed for ") && shown.contains(" CE"),
        "{shown}"
    );
    let next = system.json(&["job", "next", "main", "--count", "3"])?;
    ensure!(
        next["times"].as_array().is_some_and(|times| times.len() == 3),
        "{next:#}"
    );
    system
        .dgctl(&["job", "update", "main", "--no-schedule"])
        .succeed()?;
    let refused = system.dgctl(&["job", "next", "main"]).fail(1)?;
    ensure!(refused.contains("JOB_NOT_SCHEDULED"), "{refused}");
    let never = ["job", "update", "main", "--schedule", "0 0 30 2 *"];
    ensure!(system.dgctl(&never).fail(1)?.contains("schedule.cron"));
    wait::until("all runs to end", || {
        let is_over = |run: &Value| {
            run["state"] == "EXECUTION_STATE_COMPLETED" || run["state"] == "EXECUTION_STATE_SKIPPED"
        };
        Ok(executions(&system)?.iter().all(is_over))
    })?;
    system.check_invariants()
}
