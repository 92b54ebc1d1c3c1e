//! Targets that are unlike the source: what they lack, what may not be touched there, older and newer servers and programs.

use std::sync::Arc;

use dataguardian_agent::engines::postgres::{MissingRoles, RestoreMode};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::secret::Secret;
use dataguardian_tests::compare::{Aspect, Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};

use crate::restores::{databases, fails, shop};
use crate::round_trip::assert_equal;
use crate::setup::{Dumping, Restoring, clients};

#[tokio::test(flavor = "multi_thread")]
async fn what_the_target_lacks_is_told_before_anything_is_touched() {
    let (source_server, mut report, source) = shop(Version::V18).await;
    let older = Postgres::start(Version::V15).unwrap();
    let mut restoring = Restoring::of(&older, &report, Arc::clone(&source), &[], RestoreMode::CreateNew);
    restoring.request.clients = clients(Version::V18);
    let failure = fails(&restoring, FailureKind::TargetUnfit).await;
    assert!(failure.message.contains("older version 15"), "{failure}");
    assert_eq!(databases(&older), "");

    let needs = &mut report.databases[0].needs;
    needs.roles.push("absent \"role\"".into());
    needs.extensions.push("absent_extension".into());
    needs.tablespaces.push("absent_space".into());
    let names = [("shop", "b")];
    let mut restoring = Restoring::of(
        &source_server,
        &report,
        Arc::clone(&source),
        &names,
        RestoreMode::CreateNew,
    );
    let failure = fails(&restoring, FailureKind::TargetUnfit).await;
    assert!(
        failure.message.contains("absent \"role\"") && failure.message.contains("absent_extension"),
        "{failure}"
    );
    assert_eq!(databases(&source_server), "shop");
    restoring.request.databases[0].needs.extensions.clear();
    restoring.request.missing_roles = MissingRoles::Create;
    let restored = restoring.run().await.unwrap();
    assert!(
        restored.warnings[0].message.contains("absent_space"),
        "{:?}",
        restored.warnings
    );
    let roles = "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'absent \"role\"'";
    assert_eq!(source_server.psql("postgres", roles).unwrap(), "f");
    assert_equal(&source_server, "shop", "b").await;

    let mut unknown_locale = report.clone();
    unknown_locale.databases[0].needs = Default::default();
    if let Some(locale) = &mut unknown_locale.databases[0].locale {
        locale.collate = "xx_XX.nonsense".into();
    }
    let names = [("shop", "c")];
    let restoring = Restoring::of(
        &source_server,
        &unknown_locale,
        source,
        &names,
        RestoreMode::CreateNew,
    );
    fails(&restoring, FailureKind::TargetUnfit).await;
    assert_eq!(databases(&source_server), "b shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_superuser_restores_without_owners() {
    let (server, report, source) = shop(Version::V15).await;
    server
        .psql("postgres", "CREATE ROLE maker LOGIN CREATEDB PASSWORD 'maker'")
        .unwrap();
    let mut restoring = Restoring::of(&server, &report, source, &[("shop", "b")], RestoreMode::CreateNew);
    restoring.request.target.username = "maker".into();
    restoring.request.target.password = Some(Secret::new("maker"));
    let failure = fails(&restoring, FailureKind::TargetUnfit).await;
    assert!(failure.message.contains("--no-owner"), "{failure}");
    restoring.request.no_owner = true;
    restoring.run().await.unwrap();
    let owners = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(server.psql("b", owners).unwrap(), "maker");
    // And once more in its place.
    restoring.request.mode = RestoreMode::Replace;
    restoring.run().await.unwrap();
    assert_eq!(databases(&server), "b shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_programs_can_be_used_for_an_older_server() {
    let (server, ..) = shop(Version::V15).await;
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.clients = clients(Version::V18);
    let report = dumping.run().await.unwrap();
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.message.contains("client programs"))
    );
    server.create_database("by_psql").unwrap();
    let script = String::from_utf8(dumping.sink.script("shop")).unwrap();
    // The server's own psql knows the programs' commands in it.
    server.psql("by_psql", &script).unwrap();
    let source = dumping.sink.source();
    let mut restoring = Restoring::of(
        &server,
        &report,
        source,
        &[("shop", "again")],
        RestoreMode::CreateNew,
    );
    restoring.request.clients = clients(Version::V18);
    restoring.run().await.unwrap();
    assert_equal(&server, "shop", "again").await;
    let comparison = Comparison::new(Database::of(&server, "shop"), Database::of(&server, "by_psql"));
    comparison
        .without(Aspect::Database)
        .run()
        .await
        .unwrap()
        .equal()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_that_everybody_connects_to_can_be_replaced_too() {
    let (server, report, source) = shop(Version::V16).await;
    let restoring = Restoring::of(
        &server,
        &report,
        source,
        &[("shop", "postgres")],
        RestoreMode::Replace,
    );
    restoring.run().await.unwrap();
    assert_equal(&server, "shop", "postgres").await;
    assert_eq!(databases(&server), "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_not_replaced_by_what_is_none() {
    let (server, report, source) = shop(Version::V16).await;
    let restoring = Restoring::of(
        &server,
        &report,
        source,
        &[("shop", "template1")],
        RestoreMode::Replace,
    );
    let failure = fails(&restoring, FailureKind::TargetUnfit).await;
    assert!(
        failure.message.contains("\"template1\" is a template"),
        "{failure}"
    );
    let still = "SELECT datistemplate FROM pg_database WHERE datname = 'template1'";
    assert_eq!(server.psql("postgres", still).unwrap().trim(), "t");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_server_takes_an_older_ones_backup() {
    let (old, report, source) = shop(Version::V15).await;
    let new = Postgres::start(Version::V18).unwrap();
    let restoring = Restoring::of(&new, &report, source, &[], RestoreMode::CreateNew);
    restoring.run().await.unwrap();
    let comparison = Comparison::new(Database::of(&old, "shop"), Database::of(&new, "shop"));
    let comparison = comparison.without(Aspect::Schema).without(Aspect::Database);
    comparison.run().await.unwrap().equal().unwrap();
}
