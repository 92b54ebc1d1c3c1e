//! Jobs that leave tables or rows out, as a person meets them.

use anyhow::{Result, ensure};
use dataguardian_tests::mysql::{MySql, Version as MySqlVersion};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::System;

const SHOP: &str = "
    CREATE SCHEMA audit;
    CREATE TABLE audit.log (id serial PRIMARY KEY, what text);
    INSERT INTO audit.log (what) VALUES ('secret');
    CREATE TABLE session (id int PRIMARY KEY, token text);
    INSERT INTO session VALUES (1, 'private');
    CREATE TABLE sale (id int PRIMARY KEY, session int REFERENCES session, amount int);
    INSERT INTO sale VALUES (1, 1, 10), (2, 1, 20);";

#[test]
fn what_a_job_leaves_out_is_in_no_backup_and_the_rest_comes_back_every_way() -> Result<()> {
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    server.psql("shop", SHOP)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    let left_out = ["--exclude-table", "audit.*", "--exclude-table-data", "session"];
    system.add_job("main", &left_out)?;
    let said = system.run_job("main").succeed()?.stdout;
    for part in [
        "the tables audit.log, audit.log_id_seq; the rows of public.session",
        "foreign key sale_session_fkey of public.sale to public.session",
    ] {
        ensure!(said.contains(part), "{said}");
    }
    let restored = system
        .restore_latest("main", &["--database", "shop=copy"])
        .succeed()?;
    ensure!(
        restored.stdout.contains("the backup lacks what was left out"),
        "{}",
        restored.stdout
    );
    // The script that is downloaded, and whatever reads the repository, have what a restore has.
    let script = system
        .dgctl(&["backup", "download", "latest", "--datasource", "main"])
        .succeed()?
        .stdout;
    ensure!(
        !script.contains("sale_session_fkey") && !script.contains("secret"),
        "{script}"
    );
    server.create_database("script")?;
    let file = system.folder().join("script.sql");
    std::fs::write(&file, script)?;
    server.psql_file("script", &file, &[])?;
    for copy in ["copy", "script"] {
        let counts =
            "SELECT (SELECT sum(amount) FROM sale), (SELECT count(*) FROM session), to_regclass('audit.log')";
        ensure!(server.psql(copy, counts)? == "30|0|", "{copy}");
    }
    // What is no longer left out is in the next backup.
    system
        .dgctl(&["job", "update", "main", "--exclude-nothing"])
        .succeed()?;
    system.run_job("main").succeed()?;
    system
        .restore_latest("main", &["--database", "shop=whole"])
        .succeed()?;
    ensure!(server.psql("whole", "SELECT count(*) FROM audit.log")? == "1");
    let refused = system
        .dgctl(&["job", "update", "main", "--exclude-table", "audit."])
        .fail(1)?;
    ensure!(refused.contains("exclude_tables[0]"), "{refused}");
    system.check_invariants()
}

#[test]
fn mysql_leaves_out_likewise() -> Result<()> {
    let server = MySql::start(MySqlVersion::MariaDb11)?;
    server.create_database("shop")?;
    server.sql(
        "shop",
        "CREATE TABLE audit_log (id int); INSERT INTO audit_log VALUES (1);
         CREATE TABLE sale (id int); INSERT INTO sale VALUES (1);
         CREATE TABLE session (id int); INSERT INTO session VALUES (1);",
    )?;
    let system = System::start()?;
    system.add_mysql("main", &server, "root", &["shop"])?;
    system.add_job(
        "main",
        &[
            "--exclude-table",
            "shop.audit_*",
            "--exclude-table-data",
            "session",
        ],
    )?;
    let said = system.run_job("main").succeed()?.stdout;
    ensure!(
        said.contains("the tables audit_log; the rows of session"),
        "{said}"
    );
    system
        .restore_latest("main", &["--database", "shop=copy"])
        .succeed()?;
    let tables = "SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables WHERE table_schema = 'copy'";
    ensure!(server.sql("", tables)? == "sale,session");
    ensure!(
        server.sql(
            "copy",
            "SELECT (SELECT COUNT(*) FROM sale), (SELECT COUNT(*) FROM session)"
        )? == "1\t0"
    );
    system.check_invariants()
}
