//! Doing again what failed, and emptying an agent before it is stopped.

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{AGENT, System};

#[test]
fn what_failed_is_done_again_once_its_cause_is_gone() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    server.psql("shop", "CREATE TABLE item AS SELECT 1 AS id")?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop", "later"])?;
    system.add_job("main", &[])?;
    let id = system.start_job("main")?;
    let partial = system.dgctl(&["execution", "watch", &id]).fail(1)?;
    ensure!(partial.contains("later"), "{partial}");
    let completed = system.dgctl(&["execution", "retry", &id]).fail(1)?;
    ensure!(completed.contains("[EXECUTION_COMPLETED]"), "{completed}");

    let restore = ["--database", "shop=copy"];
    server.create_database("copy")?;
    let said = system.restore_latest("main", &restore).fail(1)?;
    ensure!(said.contains("[TARGET_EXISTS]"), "{said}");
    let failed = system.json(&["execution", "list", "--state", "failed"])?;
    let failed = failed["executions"][0]["id"]
        .as_str()
        .context("an id")?
        .to_owned();
    server.drop_database("copy")?;
    system
        .dgctl(&["execution", "retry", &failed, "--wait"])
        .succeed()?;
    ensure!(server.psql("copy", "SELECT id FROM item")? == "1");

    let unknown = system
        .dgctl(&["execution", "retry", "00000000-0000-7000-8000-000000000000"])
        .fail(1)?;
    ensure!(unknown.contains("[EXECUTION_NOT_FOUND]"), "{unknown}");
    system.check_invariants()
}

#[test]
fn a_drained_agent_ends_its_work_and_gets_no_other() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    let rows = "CREATE TABLE item AS SELECT n AS id, repeat(md5(n::text), 30) AS text FROM generate_series(1, 60000) n";
    server.psql("shop", rows)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    let running = system.start_job("main")?;
    system.wait_for_rows(&running)?;
    let said = system.dgctl(&["agent", "drain", AGENT]).succeed()?.stdout;
    ensure!(said.contains("it can be stopped"), "{said}");
    ensure!(system.execution(&running)?["state"] == "EXECUTION_STATE_COMPLETED");
    let refused = system.dgctl(&["job", "run", "main"]).fail(1)?;
    ensure!(refused.contains(AGENT), "{refused}");
    system.dgctl(&["agent", "unlock", AGENT]).succeed()?;
    system.run_job("main").succeed()?;
    system.check_invariants()
}
