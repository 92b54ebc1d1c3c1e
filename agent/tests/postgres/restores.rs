//! What a restore does to the target, and what it never does.

use std::sync::Arc;

use dataguardian_agent::engines::postgres::{DumpReport, RestoreMode};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamRole;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::Awkward;

use crate::round_trip::assert_equal;
use crate::setup::{Dumping, Restoring};
use crate::streams::MemorySource;

const SHOP: &str = "
    CREATE TABLE item (id int PRIMARY KEY, name text); INSERT INTO item SELECT i, 'item ' || i FROM generate_series(1, 1000) i;
    CREATE TABLE sale (id serial, item int REFERENCES item); INSERT INTO sale (item) SELECT i FROM generate_series(1, 500) i;
    COMMENT ON DATABASE shop IS 'the shop'";

/// A server with a shop, and a dump of it.
pub(crate) async fn shop(version: Version) -> (Postgres, DumpReport, Arc<MemorySource>) {
    let server = Postgres::start(version).unwrap();
    server.create_database("shop").unwrap();
    server.psql("shop", SHOP).unwrap();
    let dumping = Dumping::of(&server, &["shop"]);
    let report = dumping.run().await.unwrap();
    let source = dumping.sink.source();
    (server, report, source)
}

pub(crate) fn databases(server: &Postgres) -> String {
    let sql = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database
        WHERE datname NOT IN ('postgres', 'template0', 'template1')";
    server.psql("postgres", sql).unwrap()
}

fn broken(source: &MemorySource, role: StreamRole) -> Arc<MemorySource> {
    let fail_at = source.stored.iter().position(|stream| stream.header.role == role);
    Arc::new(MemorySource {
        fail_at,
        ..source.clone()
    })
}

pub(crate) async fn fails(restoring: &Restoring, kind: FailureKind) -> Failure {
    let failure = restoring.run().await.unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    assert_eq!(std::fs::read_dir(&restoring.request.work_dir).unwrap().count(), 0);
    failure
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_exists_is_not_touched_unless_it_is_to_be_replaced() {
    let (server, report, source) = shop(Version::V15).await;
    let restoring = Restoring::of(&server, &report, source, &[], RestoreMode::CreateNew);
    fails(&restoring, FailureKind::TargetExists).await;
    assert_eq!(databases(&server), "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_database_is_as_it_was_though_others_use_it() {
    for version in Version::ALL {
        let (server, report, source) = shop(version).await;
        let before = server
            .psql("postgres", "SELECT oid FROM pg_database WHERE datname = 'shop'")
            .unwrap();
        server
            .psql(
                "shop",
                "TRUNCATE sale; DROP TABLE item CASCADE; CREATE TABLE rubbish (id int)",
            )
            .unwrap();
        // They come back whenever they are thrown out.
        let busy = server.pool("shop").await.unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let mut users = tokio::task::JoinSet::new();
        for _ in 0..3 {
            let (busy, stop) = (busy.clone(), stop.clone());
            users.spawn(async move {
                while !stop.is_cancelled() {
                    let _thrown_out = sqlx::raw_sql("SELECT pg_sleep(0.01)").execute(&busy).await;
                }
            });
        }
        let restoring = Restoring::of(&server, &report, source, &[], RestoreMode::Replace);
        let restored = restoring.run().await.unwrap();
        stop.cancel();
        users.join_all().await;
        assert_eq!(restored.warnings, []);
        assert_eq!(databases(&server), "shop");
        assert_ne!(
            server
                .psql("postgres", "SELECT oid FROM pg_database WHERE datname = 'shop'")
                .unwrap(),
            before
        );
        assert_eq!(
            server
                .psql("shop", "SELECT count(*) FROM sale JOIN item ON item = item.id")
                .unwrap(),
            "500"
        );
        let comment = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'shop'";
        assert_eq!(server.psql("postgres", comment).unwrap(), "the shop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_database_survives_every_failure() {
    let (server, report, source) = shop(Version::V18).await;
    server
        .psql("shop", "CREATE TABLE new_since_then (id int)")
        .unwrap();
    for role in [
        StreamRole::SchemaArchive,
        StreamRole::TableData,
        StreamRole::Sequences,
    ] {
        let restoring = Restoring::of(&server, &report, broken(&source, role), &[], RestoreMode::Replace);
        fails(&restoring, FailureKind::RepositoryDamaged).await;
        assert_eq!(databases(&server), "shop", "{role:?}");
        assert_eq!(
            server
                .psql("shop", "SELECT count(*) FROM new_since_then")
                .unwrap(),
            "0"
        );
        assert_eq!(server.server_sessions("dataguardian").unwrap(), 0);
    }
    // Nobody may be thrown out who holds a prepared transaction: the swap itself fails.
    let (server, report, source) = {
        let server = Postgres::builder(Version::V15)
            .setting("max_prepared_transactions", "2")
            .start()
            .unwrap();
        server.create_database("shop").unwrap();
        server.psql("shop", SHOP).unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let source = dumping.sink.source();
        (server, report, source)
    };
    server
        .psql("shop", "BEGIN; DELETE FROM sale; PREPARE TRANSACTION 'kept'")
        .unwrap();
    let restoring = Restoring::of(&server, &report, source, &[], RestoreMode::Replace);
    fails(&restoring, FailureKind::DatabaseError).await;
    assert_eq!(databases(&server), "shop");
    server.psql("shop", "ROLLBACK PREPARED 'kept'").unwrap();
    restoring.run().await.unwrap();
    assert_eq!(databases(&server), "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_not_there_are_noticed() {
    let (server, report, source) = shop(Version::V16).await;
    let mut lying = MemorySource::clone(&source);
    for stream in lying
        .stored
        .iter_mut()
        .filter(|stream| stream.header.role == StreamRole::TableData)
    {
        stream.end.rows = stream.end.rows.map(|rows| rows + 1);
    }
    let restoring = Restoring::of(&server, &report, Arc::new(lying), &[], RestoreMode::Replace);
    fails(&restoring, FailureKind::RestoreMismatch).await;
    assert_eq!(databases(&server), "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratch_database_is_compared_and_gone_or_kept() {
    let (server, report, source) = shop(Version::V18).await;
    let restoring = Restoring::of(
        &server,
        &report,
        Arc::clone(&source),
        &[],
        RestoreMode::Scratch { keep: false },
    );
    let restored = restoring.run().await.unwrap();
    assert!(!restored.databases[0].kept);
    assert_eq!(
        restored
            .tables
            .iter()
            .map(|table| table.restored_rows)
            .sum::<u64>(),
        1500
    );
    assert_eq!(databases(&server), "shop");
    let restoring = Restoring::of(&server, &report, source, &[], RestoreMode::Scratch { keep: true });
    let restored = restoring.run().await.unwrap();
    let kept = &restored.databases[0];
    assert!(kept.kept && kept.to.starts_with("dg_scratch_shop_"), "{kept:?}");
    assert_equal(&server, "shop", &kept.to).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_a_restore_leaves_nothing() {
    let (server, report, source) = shop(Version::V15).await;
    // A stream that never ends.
    let mut endless = MemorySource::clone(&source);
    endless.hang_at = source
        .stored
        .iter()
        .position(|stream| stream.header.role == StreamRole::TableData);
    let hanging = Arc::clone(&endless.hanging);
    let restoring = Restoring::of(
        &server,
        &report,
        Arc::new(endless),
        &[("shop", "b")],
        RestoreMode::CreateNew,
    );
    let cancelling = async {
        hanging.notified().await;
        restoring.cancel.cancel();
    };
    tokio::join!(fails(&restoring, FailureKind::Superseded), cancelling);
    assert_eq!(databases(&server), "shop");
    assert_eq!(server.server_sessions("dataguardian").unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_attempt_left_that_was_killed_is_dropped_by_the_next() {
    let (server, report, source) = shop(Version::V15).await;
    let restoring = Restoring::of(&server, &report, source, &[("shop", "b")], RestoreMode::CreateNew);
    let left = format!(
        "CREATE DATABASE b_dg_new_1; COMMENT ON DATABASE b_dg_new_1 IS '{} restore in progress';
         CREATE DATABASE b_dg_new_2; COMMENT ON DATABASE b_dg_new_2 IS 'dataguardian:another:1 restore in progress'",
        restoring.request.marker
    );
    for statement in left.split(';') {
        server.psql("postgres", statement).unwrap();
    }
    restoring.run().await.unwrap();
    assert_eq!(databases(&server), "b b_dg_new_2 shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_restore_left_that_was_killed_is_dropped_unless_somebody_works_on_it() {
    let (server, report, source) = shop(Version::V15).await;
    let restoring = Restoring::of(&server, &report, source, &[("shop", "b")], RestoreMode::CreateNew);
    let unfinished = "restore in progress: this database is not whole";
    let marks = [
        ("broken_off", format!("dataguardian:killed:1 {unfinished}")),
        ("in_use", format!("dataguardian:alive:1 {unfinished}")),
        (
            "old",
            "dataguardian:killed:1 replaced by a restore: this database may be dropped".to_owned(),
        ),
        ("theirs", format!("somebody wrote that a {unfinished}")),
    ];
    for (name, mark) in &marks {
        server
            .psql("postgres", &format!("CREATE DATABASE {name}"))
            .unwrap();
        server
            .psql("postgres", &format!("COMMENT ON DATABASE {name} IS '{mark}'"))
            .unwrap();
    }
    let url = format!(
        "{}?application_name=dataguardian:alive:1",
        server.connection().url("postgres")
    );
    let mut alive = <sqlx::PgConnection as sqlx::Connection>::connect(&url)
        .await
        .unwrap();
    let report = restoring.run().await.unwrap();
    assert_eq!(databases(&server), "b in_use old shop theirs");
    let told: Vec<_> = report
        .warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .collect();
    assert!(
        told.iter()
            .any(|told| told.contains("broken_off") && told.contains("was dropped")),
        "{told:?}"
    );
    assert!(
        told.iter()
            .any(|told| told.contains("old") && told.contains("replaced")),
        "{told:?}"
    );
    sqlx::Connection::ping(&mut alive).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn values_of_50_megabytes_come_back() {
    let server = Postgres::start(Version::V15).unwrap();
    Awkward::FULL.load(&server, "awkward").unwrap();
    let dumping = Dumping::of(&server, &["awkward"]);
    let report = dumping.run().await.unwrap();
    assert!(report.largest_row.as_u64() > 100 << 20, "{}", report.largest_row);
    let source = dumping.sink.source();
    let restoring = Restoring::of(
        &server,
        &report,
        source,
        &[("awkward", "again")],
        RestoreMode::CreateNew,
    );
    restoring.run().await.unwrap();
    assert_equal(&server, "awkward", "again").await;
}
