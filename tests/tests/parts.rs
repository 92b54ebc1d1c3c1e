//! Parts of a backup: what is in it is listed without restoring anything, and single tables come back, under every engine.

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::mysql::{MySql, Version as MySqlVersion};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::System;

const SHOP: &str = include_str!("../sql/parts.sql");

/// A system that has backed up three databases of that server.
fn backed_up(server: &Postgres) -> Result<System> {
    for database in ["shop", "crm", "Third; one"] {
        server.create_database(database)?;
    }
    server.psql("shop", SHOP)?;
    server.psql("crm", "CREATE TABLE people AS SELECT 1 AS id")?;
    let system = System::start()?;
    system.add_datasource("main", server, &["shop", "crm", "Third; one"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    Ok(system)
}

#[tokio::test]
async fn contents_are_listed_by_database_and_schema() -> Result<()> {
    let server = Postgres::start(Version::V16)?;
    let system = backed_up(&server)?;
    let listed = |words: &[&str]| -> Result<Vec<String>> {
        let contents = ["backup", "contents", "latest", "--datasource", "main"];
        let reply = system.json(&[&contents, words].concat())?;
        let streams = reply["streams"].as_array().context("streams")?.clone();
        Ok(streams
            .iter()
            .map(|stream| {
                let text = |field: &str| stream[field].as_str().unwrap_or_default().to_owned();
                format!(
                    "{} {} {} {}",
                    text("role"),
                    text("database"),
                    text("name"),
                    text("rows")
                )
            })
            .collect())
    };
    let odd = listed(&["--schema", "Odd schema"])?;
    ensure!(odd == ["table-data shop a.b \"c\" 1"], "{odd:?}");
    let crm = listed(&["--database", "crm"])?;
    ensure!(
        crm.len() > 2 && crm.iter().all(|line| line.contains(" crm ")),
        "{crm:?}"
    );
    ensure!(crm.contains(&"table-data crm people 1".to_owned()), "{crm:?}");
    // Pages go on where they ended, whatever is filtered.
    let first = listed(&["--database", "shop", "--schema", "sales", "--limit", "3"])?;
    let all = listed(&["--database", "shop", "--schema", "sales"])?;
    ensure!(
        first.len() == 3 && all.len() > 3 && all.starts_with(&first),
        "{first:?} {all:?}"
    );
    ensure!(listed(&["--database", "none"])?.is_empty());
    system.check_invariants()
}

#[tokio::test]
async fn one_table_comes_back_into_a_new_database_a_scratch_one_and_a_live_one() -> Result<()> {
    let server = Postgres::start(Version::V18)?;
    let system = backed_up(&server)?;
    let latest = |words: &[&str]| system.restore_latest("main", words);
    latest(&[
        "--database",
        "shop=one",
        "--table",
        "sales.sale",
        "--table",
        "\"Odd schema\".\"a.b \"\"c\"\"\"",
    ])
    .succeed()?;
    ensure!(server.psql("one", "SELECT count(*) FROM sales.sale")? == "100");
    ensure!(server.psql("one", "SELECT count(*) FROM \"Odd schema\".\"a.b \"\"c\"\"\"")? == "1");
    latest(&["--scratch", "--schema", "shop.sales"]).succeed()?;
    let before = server.psql(
        "shop",
        "SELECT md5(string_agg(s::text, ',' ORDER BY id)) FROM sales.sale s",
    )?;
    server.psql("shop", "DROP TABLE sales.sale CASCADE")?;
    latest(&["--into", "shop", "--table", "sale"]).succeed()?;
    ensure!(
        before
            == server.psql(
                "shop",
                "SELECT md5(string_agg(s::text, ',' ORDER BY id)) FROM sales.sale s"
            )?
    );
    let taken = latest(&["--into", "shop", "--table", "sale"]).fail(1)?;
    ensure!(
        taken.contains("[NAMES_TAKEN]") && taken.contains("shop has table sales.sale"),
        "{taken}"
    );
    let unknown = latest(&["--database", "shop=none", "--table", "sales.slae"]).fail(1)?;
    ensure!(unknown.contains("[CHOICE_UNFIT]"), "{unknown}");
    ensure!(
        unknown.contains("no table sales.slae in shop; near it: sales.sale"),
        "{unknown}"
    );
    for (words, status) in [
        (["--table", "sale", "--replace", "--yes"].as_slice(), 2),
        (&["--into", "shop"], 1),
        (&["--table", "sales."], 1),
    ] {
        latest(words).fail(status)?;
    }
    let left = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate";
    let left = server.psql("postgres", left)?;
    ensure!(left == "Third; one crm one postgres shop", "{left}");
    system.check_invariants()
}

#[tokio::test]
async fn a_plan_tells_what_a_restore_would_do_and_touches_nothing() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    let system = backed_up(&server)?;
    let databases = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database";
    let before = server.psql("postgres", databases)?;
    let latest = |words: &[&str]| system.restore_latest("main", &[words, &["--plan"]].concat());
    let said = latest(&["--database", "shop=found", "--table", "sales.visit"])
        .succeed()?
        .stdout;
    for line in [
        "DATABASE  TO BE RESTORED AS  TABLES  ROWS",
        "shop.sales.visit_10",
        "Nothing was restored.",
        "is not known",
    ] {
        ensure!(said.contains(line), "{said}");
    }
    let reply = system.json(&[
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--plan",
        "--replace",
        "--database",
        "shop",
    ])?;
    let report = &reply["execution"]["restoreReport"];
    ensure!(report["planned"] == true, "{reply}");
    ensure!(report["databases"][0]["bytes"].is_string(), "{reply}");
    // What would stop the restore stops the plan, with the same words.
    let taken = latest(&["--into", "shop", "--table", "sale"]).fail(1)?;
    ensure!(taken.contains("shop has table sales.sale"), "{taken}");
    let exists = latest(&[]).fail(1)?;
    ensure!(
        exists.contains("the restore plan ended as failed [TARGET_EXISTS]")
            && exists.contains("database \"crm\""),
        "{exists}"
    );
    ensure!(exists.contains("database \"shop\""), "{exists}");
    server.psql(
        "shop",
        "DROP TABLE sales.sale CASCADE; DROP OWNED BY clerk; DROP ROLE clerk",
    )?;
    let lacking = latest(&["--into", "shop", "--table", "sale"]).fail(1)?;
    ensure!(lacking.contains("the target has no role clerk"), "{lacking}");
    latest(&["--into", "shop", "--table", "sale", "--create-missing-roles"]).succeed()?;
    let made = "SELECT count(*) FROM pg_class, pg_roles WHERE relname = 'sale' OR rolname = 'clerk'";
    ensure!(server.psql("shop", made)? == "0");
    ensure!(server.psql("postgres", databases)? == before);
    system.check_invariants()
}

/// Whatever a table is called where it is shown, `--table` takes it, and means that one alone.
fn names_are_accepted_as_they_are_shown(system: &System) -> Result<()> {
    let listed = system.json(&["backup", "contents", "latest", "--datasource", "main"])?;
    let streams = listed["streams"].as_array().context("streams")?.clone();
    let rows = streams
        .into_iter()
        .filter(|stream| stream["role"] == "table-data");
    let mut shown = Vec::new();
    for stream in rows {
        ensure!(stream["schema"].as_str().is_none_or(str::is_empty), "{stream:#}");
        let part = |field: &str| stream[field].as_str().unwrap_or_default().replace('"', "\"\"");
        shown.push(format!("\"{}\".\"{}\"", part("database"), part("name")));
    }
    ensure!(shown.len() == 2, "{shown:?}");
    // What a plan and a restore report print, and what contents print.
    let all = system
        .restore_latest("main", &["--scratch", "--plan"])
        .succeed()?
        .stdout;
    let printed = ["shop.\"a b`c\"", "crm.\"a b`c\""];
    ensure!(
        printed.iter().all(|name| all.contains(name)) && !all.contains("shop.shop"),
        "{all}"
    );
    let contents = system.dgctl(&["backup", "contents", "latest", "--datasource", "main"]);
    let contents = contents.succeed()?.stdout;
    ensure!(
        contents.contains("\"a b`c\"") && !contents.contains("shop.\"a b"),
        "{contents}"
    );
    shown.extend(printed.map(str::to_owned));
    for name in shown {
        let one = ["--scratch", "--plan", "--table", &name];
        let planned = system.restore_latest("main", &one).succeed()?.stdout;
        ensure!(planned.matches("a b`c").count() == 1, "{name}: {planned}");
    }
    let report = [
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--wait",
        "--scratch",
    ];
    let report = system.json(&report)?;
    let tables = &report["execution"]["restoreReport"]["tables"];
    ensure!(
        tables[0]["name"] == "a b`c" && tables[0]["schema"].as_str().is_none_or(str::is_empty),
        "{report:#}"
    );
    Ok(())
}

#[tokio::test]
async fn one_table_of_mysql_and_mariadb_comes_back() -> Result<()> {
    for version in [MySqlVersion::MySql9, MySqlVersion::MariaDb11] {
        let server = MySql::start(version)?;
        for database in ["shop", "crm", "live"] {
            server.sql("", &format!("CREATE DATABASE {database}"))?;
            server.sql(
                database,
                "CREATE TABLE `a b``c` (id int PRIMARY KEY); INSERT INTO `a b``c` VALUES (1), (2)",
            )?;
        }
        let system = System::start()?;
        system.add_mysql("main", &server, "root", &["shop", "crm"])?;
        system.add_job("main", &[])?;
        system.run_job("main").succeed()?;
        let one = ["--database", "shop=one", "--table", "`a b``c`"];
        let planned = system
            .restore_latest("main", &[one.as_slice(), &["--plan"]].concat())
            .succeed()?
            .stdout;
        ensure!(
            planned.contains("shop.\"a b`c\"") && planned.contains("Nothing was restored."),
            "{planned}"
        );
        ensure!(
            server.databases()? == ["crm", "live", "shop"],
            "{:?}",
            server.databases()?
        );
        names_are_accepted_as_they_are_shown(&system)?;
        system.restore_latest("main", &one).succeed()?;
        ensure!(server.sql("one", "SELECT COUNT(*) FROM `a b``c`")? == "2");
        let table = ["--into", "live", "--table", "crm.\"a b`c\""];
        let taken = system.restore_latest("main", &table).fail(1)?;
        ensure!(taken.contains("live has table a b`c already"), "{taken}");
        server.sql("live", "DROP TABLE `a b``c`")?;
        system.restore_latest("main", &table).succeed()?;
        ensure!(server.sql("live", "SELECT COUNT(*) FROM `a b``c`")? == "2");
        system.check_invariants()?;
    }
    Ok(())
}
