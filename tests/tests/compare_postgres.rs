//! The comparison finds every kind of difference, and none where `pg_dump | psql` copied a database.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::{
    compare::{Aspect, Comparison, Database, Report},
    postgres::{Postgres, Version},
    sample::{Awkward, load_bulk},
};

/// `pg_dump | psql`, with nothing between.
fn copy(from: &Postgres, database: &str, to: &Postgres, into: &str, options: &[&str]) -> Result<()> {
    let mut dump = from
        .command("pg_dump", database)
        .args(options)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut load = to.command("psql", into);
    load.args(["-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1"]);
    let load = load
        .stdin(dump.stdout.take().context("a pipe")?)
        .stderr(Stdio::piped())
        .output()?;
    ensure!(dump.wait()?.success(), "pg_dump failed");
    ensure!(load.status.success(), "{}", String::from_utf8_lossy(&load.stderr));
    Ok(())
}

fn copy_roles(from: &Postgres, to: &Postgres) -> Result<()> {
    let roles = from
        .command("pg_dumpall", "postgres")
        .args(["--globals-only", "--no-role-passwords"])
        .output()?;
    ensure!(
        roles.status.success(),
        "{}",
        String::from_utf8_lossy(&roles.stderr)
    );
    // The superuser is there already.
    let text = String::from_utf8(roles.stdout)?.replace("CREATE ROLE postgres;", "");
    to.psql("postgres", &text)?;
    Ok(())
}

async fn compare(left: Database, right: Database) -> Result<Report> {
    Comparison::new(left, right).without(Aspect::Database).run().await
}

/// In one server, under another name.
async fn a_plain_copy_is_equal(version: Version) -> Result<()> {
    let server = Postgres::start(version)?;
    Awkward::FULL.load(&server, "sample")?;
    server.create_database("copy")?;
    copy(&server, "sample", &server, "copy", &[])?;
    let report = compare(Database::of(&server, "sample"), Database::of(&server, "copy")).await?;
    report.equal()?;
    let [summary, _] = report.summaries();
    ensure!(summary.tables > 330 && summary.rows > 9_000, "{summary}");
    ensure!(summary.sequences > 15 && summary.large_objects == 10, "{summary}");
    // A trigger of the sample that fired while the copy was loaded would have left a row here.
    ensure!(
        server.psql("copy", "SELECT count(*) FROM awkward.fired")? == "0",
        "a trigger fired"
    );
    Ok(())
}

#[tokio::test]
async fn a_plain_copy_is_equal_on_15() {
    a_plain_copy_is_equal(Version::V15).await.unwrap();
}

#[tokio::test]
async fn a_plain_copy_is_equal_on_16() {
    a_plain_copy_is_equal(Version::V16).await.unwrap();
}

#[tokio::test]
async fn a_plain_copy_is_equal_on_18() {
    a_plain_copy_is_equal(Version::V18).await.unwrap();
}

/// With everything that belongs to the database itself, as `--create` brings it.
#[tokio::test]
async fn a_copy_in_another_server_is_equal_in_every_aspect() {
    for version in Version::ALL {
        let (server, other) = (
            Postgres::start(version).unwrap(),
            Postgres::start(version).unwrap(),
        );
        Awkward::default().load(&server, "sample").unwrap();
        copy_roles(&server, &other).unwrap();
        copy(&server, "sample", &other, "postgres", &["--create"]).unwrap();
        let comparison = Comparison::new(Database::of(&server, "sample"), Database::of(&other, "sample"));
        comparison.run().await.unwrap().equal().unwrap();
    }
}

/// What is changed in a copy, and what the comparison must say about it. The changes of one list do not hide each other.
const CHANGES: [&[(&str, &str)]; 6] = [
    &[
        (
            "UPDATE shop.item SET name = 'one!' WHERE id = 1",
            "rows of table shop.item: left: 3 rows",
        ),
        (
            "INSERT INTO shop.twins VALUES (1)",
            "rows of table shop.twins: left: 4 rows",
        ),
        (
            "INSERT INTO shop.no_columns DEFAULT VALUES",
            "rows of table shop.no_columns: left: 1 rows",
        ),
        (
            "UPDATE shop.bytes SET b = set_byte(b, 1999999, 1)",
            "rows of table shop.bytes",
        ),
        ("TRUNCATE shop.part_1", "rows of table shop.part_1: left: 1 rows"),
        (
            "DROP TRIGGER t ON shop.item",
            "schema item t; Type: TRIGGER; Schema: shop: only on the left",
        ),
        (
            "SELECT nextval('shop.number')",
            "sequence shop.number: left: last value 41, called; right: last value 42, called",
        ),
        ("SELECT lo_put(7, 2999999, '\\x01')", "large object 7"),
        (
            "REFRESH MATERIALIZED VIEW shop.counted WITH NO DATA",
            "materialised view shop.counted: left: 1 rows",
        ),
        (
            "ALTER DATABASE changed SET work_mem = '7MB'",
            "database setting of everybody: work_mem: only on the right: 7MB",
        ),
    ],
    &[
        (
            "DELETE FROM shop.item WHERE id = 2",
            "rows of table shop.item: left: 3 rows",
        ),
        (
            "INSERT INTO shop.twins VALUES (1); DELETE FROM shop.twins WHERE ctid = (SELECT min(ctid) FROM shop.twins WHERE n = 2)",
            "rows of table shop.twins",
        ),
        ("UPDATE shop.secret SET n = 2", "rows of table shop.secret"),
        (
            "ALTER TABLE shop.item DISABLE TRIGGER t",
            "schema item t; Type: TRIGGER",
        ),
        (
            "SELECT setval('shop.number', 41, false)",
            "right: last value 41, not called",
        ),
        ("SELECT lo_unlink(7)", "large object 7: only on the left"),
        (
            "COMMENT ON DATABASE changed IS 'hello'",
            "database comment: left: none; right: hello",
        ),
    ],
    &[
        (
            "INSERT INTO shop.item VALUES (4, NULL)",
            "rows of table shop.item: left: 3 rows",
        ),
        (
            "INSERT INTO shop.twins VALUES (9); REFRESH MATERIALIZED VIEW shop.counted",
            "materialised view shop.counted",
        ),
        (
            "DROP TABLE shop.secret",
            "schema secret; Type: TABLE; Schema: shop: only on the left",
        ),
        (
            "ALTER TABLE shop.item ENABLE ALWAYS TRIGGER t",
            "schema item t; Type: TRIGGER",
        ),
        ("COMMENT ON LARGE OBJECT 7 IS 'other'", "large object 7"),
        (
            "ALTER DATABASE changed OWNER TO somebody",
            "database owner: left: postgres; right: somebody",
        ),
    ],
    &[
        (
            "UPDATE shop.item SET name = '' WHERE name IS NULL",
            "rows of table shop.item: left: 3 rows",
        ),
        (
            "CREATE TABLE shop.added ()",
            "schema added; Type: TABLE; Schema: shop: only on the right",
        ),
        (
            "ALTER TABLE shop.item ALTER name SET DEFAULT 'x'",
            "schema item; Type: TABLE",
        ),
        (
            "COMMENT ON TABLE shop.item IS NULL",
            "schema TABLE item; Type: COMMENT",
        ),
        ("GRANT SELECT ON LARGE OBJECT 7 TO PUBLIC", "large object 7"),
    ],
    &[
        (
            "ALTER TABLE shop.item OWNER TO somebody",
            "right: ALTER TABLE shop.item OWNER TO somebody",
        ),
        ("DROP INDEX shop.item_name", "schema item_name; Type: INDEX"),
        (
            "CREATE OR REPLACE FUNCTION shop.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN  RETURN NEW; END'",
            "schema noted(); Type: FUNCTION",
        ),
        ("ALTER LARGE OBJECT 7 OWNER TO somebody", "large object 7"),
    ],
    &[
        (
            "ALTER TABLE shop.item ADD COLUMN c int",
            "schema item; Type: TABLE",
        ),
        (
            "GRANT SELECT ON shop.item TO PUBLIC",
            "schema TABLE item; Type: ACL",
        ),
        ("ALTER TABLE shop.twins SET UNLOGGED", "schema twins; Type: TABLE"),
    ],
];

const SHOP: &str = "
    CREATE SCHEMA shop;
    SET search_path = shop;
    CREATE TABLE item (id int, name text);
    INSERT INTO item VALUES (1, 'one'), (2, 'two'), (3, NULL);
    CREATE INDEX item_name ON item (name);
    COMMENT ON TABLE item IS 'things';
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    CREATE TRIGGER t BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION noted();
    CREATE TABLE twins (n int);
    INSERT INTO twins VALUES (1), (1), (2), (2);
    CREATE TABLE no_columns ();
    INSERT INTO no_columns DEFAULT VALUES;
    CREATE TABLE bytes (b bytea);
    INSERT INTO bytes VALUES (decode(repeat('00', 2000000), 'hex'));
    CREATE TABLE whole (n int) PARTITION BY LIST (n);
    CREATE TABLE part_1 PARTITION OF whole FOR VALUES IN (1);
    INSERT INTO whole VALUES (1);
    CREATE TABLE secret (n int);
    INSERT INTO secret VALUES (1);
    ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE SEQUENCE number;
    SELECT setval('number', 41);
    SELECT lo_from_bytea(7, decode(repeat('00', 3000000), 'hex'));
    COMMENT ON LARGE OBJECT 7 IS 'seven';
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM twins;
";

#[tokio::test]
async fn every_change_is_found() {
    let server = Postgres::start(Version::V15).unwrap();
    server.psql("postgres", "CREATE ROLE somebody").unwrap();
    server.create_database("shop").unwrap();
    server.psql("shop", SHOP).unwrap();
    server
        .psql("postgres", "CREATE DATABASE same TEMPLATE shop")
        .unwrap();
    let same = Comparison::new(Database::of(&server, "shop"), Database::of(&server, "same"));
    same.run().await.unwrap().equal().unwrap();
    for changes in CHANGES {
        server
            .psql("postgres", "CREATE DATABASE changed TEMPLATE shop")
            .unwrap();
        for (change, _) in changes {
            server.psql("changed", change).unwrap();
        }
        let comparison = Comparison::new(Database::of(&server, "shop"), Database::of(&server, "changed"));
        let text = comparison.run().await.unwrap().to_string();
        for (change, finding) in changes {
            assert!(text.contains(finding), "after {change}\n{text}");
        }
        server.drop_database("changed").unwrap();
    }
}

#[tokio::test]
async fn rows_that_differ_are_shown() {
    let server = Postgres::start(Version::V15).unwrap();
    for (name, third) in [("a", "two"), ("b", "zwei")] {
        server.create_database(name).unwrap();
        server
            .psql(
                name,
                &format!("CREATE TABLE t (n int, w text); INSERT INTO t VALUES (1, 'one'), (2, '{third}')"),
            )
            .unwrap();
    }
    let text = compare(Database::of(&server, "a"), Database::of(&server, "b"))
        .await
        .unwrap()
        .to_string();
    assert!(
        text.contains("only on the left: 2\\ttwo") && text.contains("only on the right: 2\\tzwei"),
        "{text}"
    );
    assert!(!text.contains("one"), "{text}");
}

/// 15 against 18: what a restore into a newer server is measured by.
#[tokio::test]
async fn rows_compare_across_versions() {
    let (old, new) = (
        Postgres::start(Version::V15).unwrap(),
        Postgres::start(Version::V18).unwrap(),
    );
    old.create_database("shop").unwrap();
    old.psql("shop", SHOP).unwrap();
    new.create_database("shop").unwrap();
    let dump = Command::new(new.bin_dir().join("pg_dump"))
        .args(["--no-owner", "-d", &old.connection().url("shop")])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    new.psql("shop", &String::from_utf8(dump.stdout).unwrap())
        .unwrap();
    compare(Database::of(&old, "shop"), Database::of(&new, "shop"))
        .await
        .unwrap()
        .equal()
        .unwrap();
}

#[test]
fn the_program_tells_by_its_status() {
    let server = Postgres::start(Version::V15).unwrap();
    for name in ["a", "b"] {
        server.create_database(name).unwrap();
        server
            .psql(name, "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n")
            .unwrap();
    }
    let run = |other: &str| {
        let program = env!("CARGO_BIN_EXE_compare-databases");
        let urls = [server.connection().url("a"), server.connection().url(other)];
        let output = Command::new(program).args(urls).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, text) = run("b");
    assert_eq!(status, 0, "{text}");
    assert!(
        text.contains("databases equal: 1 tables, 1000 rows compared"),
        "{text}"
    );
    server.psql("b", "UPDATE t SET n = 0 WHERE n = 500").unwrap();
    let (status, text) = run("b");
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("only on the right: 0"), "{text}");
    assert_eq!(run("absent").0, 2);
    server.psql("a", "DROP TABLE t").unwrap();
    server.psql("b", "DROP TABLE t").unwrap();
    assert_eq!(run("b").0, 2, "nothing was compared");
}

#[tokio::test]
async fn bulk_data_is_the_same_each_time() {
    let servers = [Version::V15, Version::V18].map(|version| Postgres::start(version).unwrap());
    for server in &servers {
        load_bulk(server, "bulk", 2_000).unwrap();
    }
    let [left, right] = &servers;
    let report = compare(Database::of(left, "bulk"), Database::of(right, "bulk"))
        .await
        .unwrap();
    let rows_differ = report
        .differences()
        .iter()
        .any(|difference| difference.to_string().contains("rows"));
    assert!(!rows_differ, "{report}");
    assert!(
        report.summaries().iter().all(|summary| summary.rows > 8_000),
        "{report}"
    );
}
