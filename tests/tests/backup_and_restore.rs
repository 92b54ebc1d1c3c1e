//! The main job: a real PostgreSQL backed up and brought back, under every name and mode, equal to its source.

use anyhow::{Context as _, Result};
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::Awkward;
use dataguardian_tests::system::{Backing, System};

async fn awkward_comes_back(version: Version) -> Result<()> {
    awkward_comes_back_on(Backing::from_environment()?, version).await
}

async fn awkward_comes_back_on(backing: Backing, version: Version) -> Result<()> {
    let server = Postgres::start(version)?;
    Awkward::FULL.load(&server, "shop")?;
    let system = System::start_on(backing)?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    system
        .restore_latest("main", &["--database", "shop=restored"])
        .succeed()?;
    equal(&server, "shop", &server, "restored").await?;
    assert_eq!(server.server_sessions("dataguardian")?, 0);
    system.check_invariants()
}

async fn equal(left: &Postgres, one: &str, right: &Postgres, other: &str) -> Result<()> {
    let report = Comparison::new(Database::of(left, one), Database::of(right, other))
        .run()
        .await?;
    report.equal().map(|_| ())
}

#[tokio::test]
async fn every_awkward_thing_comes_back_on_postgres_15() -> Result<()> {
    awkward_comes_back(Version::V15).await
}

#[tokio::test]
async fn every_awkward_thing_comes_back_on_postgres_16() -> Result<()> {
    awkward_comes_back(Version::V16).await
}

#[tokio::test]
async fn every_awkward_thing_comes_back_on_postgres_18() -> Result<()> {
    awkward_comes_back(Version::V18).await
}

/// The same on the other set-up: metadata in PostgreSQL, the queue through Redis.
#[tokio::test]
async fn every_awkward_thing_comes_back_with_postgres_and_redis_behind() -> Result<()> {
    awkward_comes_back_on(Backing::Servers, Version::V18).await
}

#[tokio::test]
async fn all_databases_of_an_instance_come_back_elsewhere() -> Result<()> {
    let (source, target) = (Postgres::start(Version::V16)?, Postgres::start(Version::V16)?);
    for name in ["one", "Two; drop", "three"] {
        source.create_database(name)?;
        source.psql(
            name,
            "create table t (a int primary key, b text); insert into t values (1, 'x'), (2, null)",
        )?;
    }
    let system = System::start()?;
    system.add_datasource("main", &source, &[])?;
    system.add_datasource("other", &target, &[])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    let words = [
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--to",
        "other",
        "--wait",
    ];
    let named = [
        "--database",
        "one=one",
        "--database",
        "Two; drop=Two; drop",
        "--database",
        "three=3",
    ];
    system.dgctl(&[&words[..], &named[..]].concat()).succeed()?;
    for (old, new) in [("one", "one"), ("Two; drop", "Two; drop"), ("three", "3")] {
        equal(&source, old, &target, new)
            .await
            .with_context(|| old.to_owned())?;
    }
    system.check_invariants()
}

#[tokio::test]
async fn a_scratch_restore_compares_and_leaves_nothing() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    Awkward::default().load(&server, "shop")?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    let before = server.psql("postgres", "select datname from pg_database order by 1")?;
    let words = [
        "restore",
        "--backup",
        "latest",
        "--datasource",
        "main",
        "--scratch",
        "--wait",
    ];
    let done = system.json(&words)?;
    assert_eq!(
        server.psql("postgres", "select datname from pg_database order by 1")?,
        before
    );
    let report = &done["execution"]["restoreReport"];
    assert_eq!(report["databases"][0]["dropped"], true, "{done:#}");
    let tables = report["tables"].as_array().context("tables")?;
    assert!(tables.len() > 100);
    assert!(
        tables
            .iter()
            .all(|table| table["expectedRows"] == table["restoredRows"]),
        "{report:#}"
    );
    system.check_invariants()
}

#[tokio::test]
async fn replace_swaps_the_old_contents_for_those_of_the_backup() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    Awkward::default().load(&server, "shop")?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;
    let beside = ["--database", "shop=original", "--wait"];
    let words = ["restore", "--backup", "latest", "--datasource", "main"];
    system.dgctl(&[&words[..], &beside[..]].concat()).succeed()?;
    equal(&server, "shop", &server, "original").await?;
    server.psql("shop", "create schema made_later")?;
    let taken = ["restore", "--backup", "latest", "--datasource", "main", "--wait"];
    let said = system.dgctl(&taken).fail(1)?;
    assert!(said.contains("TARGET_EXISTS"), "{said}");
    let untouched = server.psql(
        "shop",
        "select count(*) from pg_namespace where nspname = 'made_later'",
    )?;
    assert_eq!(untouched.trim(), "1", "nothing was touched");
    let replace = [&taken[..], &["--replace"]].concat();
    let unasked = system.dgctl(&replace).fail(2)?;
    assert!(unasked.contains("add --yes"), "{unasked}");
    system.dgctl(&[&replace[..], &["--yes"]].concat()).succeed()?;
    equal(&server, "original", &server, "shop").await?;
    let left = server.psql("postgres", "select datname from pg_database where datname not in ('template0', 'template1', 'postgres', 'shop', 'original')")?;
    assert_eq!(left.trim(), "");
    system.check_invariants()
}

#[tokio::test]
async fn an_unencrypted_backup_comes_back_too() -> Result<()> {
    let server = Postgres::start(Version::V18)?;
    Awkward::default().load(&server, "shop")?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job(
        "main",
        &[
            "--no-encrypt",
            "--compression-level",
            "1",
            "--table-connections",
            "3",
        ],
    )?;
    system.run_job("main").succeed()?;
    system
        .restore_latest("main", &["--database", "shop=restored"])
        .succeed()?;
    equal(&server, "shop", &server, "restored").await?;
    system.check_invariants()
}
