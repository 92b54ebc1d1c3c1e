//! Others want tables for themselves while a dump begins or runs.

use std::time::Duration;

use dataguardian_agent::engines::postgres::{DumpReport, RestoreMode};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::stream::StreamRole;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::wait::until_async;
use sqlx::{Connection as _, PgConnection};

use crate::round_trip::assert_equal;
use crate::setup::{Dumping, Restoring, clients_with};

const TABLES: &str = "
    CREATE TABLE a (id int); INSERT INTO a SELECT generate_series(1, 500);
    CREATE TABLE b (id int); INSERT INTO b SELECT generate_series(1, 500);
    CREATE TABLE c (id int); INSERT INTO c SELECT generate_series(1, 500);";

fn server() -> Postgres {
    let server = Postgres::start(Version::V15).unwrap();
    server.create_database("shop").unwrap();
    server.psql("shop", TABLES).unwrap();
    server
}

async fn session(server: &Postgres) -> PgConnection {
    let options = server.connection().options("shop");
    PgConnection::connect_with(&options).await.unwrap()
}

async fn execute(session: &mut PgConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(session).await.unwrap();
}

/// Waits until so many sessions whose name begins so wait for a lock.
async fn waiting_for_locks(server: &Postgres, name: &str, count: i64) {
    let pool = server.pool("postgres").await.unwrap();
    until_async("sessions to wait for locks", || async {
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE starts_with(application_name, $1) AND wait_event_type = 'Lock'";
        let waiting: i64 = sqlx::query_scalar(sql).bind(name).fetch_one(&pool).await?;
        Ok(waiting >= count)
    })
    .await
    .unwrap();
}

fn rows(dumping: &Dumping, table: &str) -> Option<u64> {
    let streams = dumping.sink.streams();
    let of_table = |name: &str| name == table;
    let stream = streams.iter().find(|stream| {
        stream
            .header
            .object
            .as_ref()
            .is_some_and(|object| of_table(&object.name))
    });
    stream.and_then(|stream| stream.end).and_then(|end| end.rows)
}

async fn assert_restores(server: &Postgres, dumping: &Dumping, dumped: &DumpReport) {
    let names = [("shop", "again")];
    let source = dumping.sink.source();
    let restoring = Restoring::of(server, dumped, source, &names, RestoreMode::CreateNew);
    restoring.run().await.unwrap();
    assert_equal(server, "shop", "again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_truncated_and_filled_meanwhile_comes_out_full() {
    let server = server();
    let mut other = session(&server).await;
    execute(
        &mut other,
        "BEGIN; TRUNCATE b; INSERT INTO b SELECT generate_series(1, 700)",
    )
    .await;
    let dumping = Dumping::of(&server, &["shop"]);
    let commit = async {
        waiting_for_locks(&server, "dataguardian", 1).await;
        execute(&mut other, "COMMIT").await;
    };
    let (dumped, ()) = tokio::join!(dumping.run(), commit);
    dumped.unwrap();
    assert_eq!(rows(&dumping, "b"), Some(700));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_not_given_up_is_named_with_its_holder() {
    let server = server();
    let mut other = session(&server).await;
    execute(&mut other, "BEGIN; LOCK TABLE b").await;
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.options.lock_timeout = Duration::from_secs(1);
    let failure = dumping.run().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::DatabaseLockTimeout);
    assert!(
        failure.message.contains("public.b is locked by process"),
        "{failure}"
    );
    dumping.assert_nothing_left(&server);
    execute(&mut other, "ROLLBACK").await;
    dumping.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_database_of_several_that_fails_is_left_out() {
    let server = server();
    server.create_database("other").unwrap();
    let mut other = session(&server).await;
    execute(&mut other, "BEGIN; LOCK TABLE b").await;
    let mut dumping = Dumping::of(&server, &["other", "shop"]);
    dumping.request.options.lock_timeout = Duration::from_secs(1);
    let report = dumping.run().await.unwrap();
    assert_eq!(report.databases.len(), 1);
    assert_eq!(report.failed[0].database, "shop");
    assert_eq!(report.failed[0].failure.kind, FailureKind::DatabaseLockTimeout);
    dumping.sink.source();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_a_table_before_its_schema_is_read_goes_first() {
    let server = server();
    let gate = tempfile::tempdir().unwrap();
    let path = |name: &str| gate.path().join(name);
    // Only the first one waits.
    let script = format!(
        "if mkdir {first}; then touch {reached}; until [ -e {open} ]; do sleep 0.01; done; fi",
        first = path("first").display(),
        reached = path("reached").display(),
        open = path("open").display(),
    );
    let (_programs, clients) = clients_with(server.version(), &script);
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.clients = clients;
    let mut other = session(&server).await;
    let altering = async {
        until_async("pg_dump to start", || async { Ok(path("reached").exists()) })
            .await
            .unwrap();
        execute(&mut other, "SET application_name = 'altering'").await;
        let opening = async {
            waiting_for_locks(&server, "altering", 1).await;
            std::fs::write(path("open"), "").unwrap();
        };
        tokio::join!(
            execute(&mut other, "ALTER TABLE b ADD COLUMN more int DEFAULT 1"),
            opening
        );
    };
    let (dumped, ()) = tokio::join!(dumping.run(), altering);
    let dumped = dumped.unwrap();
    assert!(
        dumping
            .progress
            .lines
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains("goes first"))
    );
    assert_restores(&server, &dumping, &dumped).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_another_connection_can_not_lock_is_copied_all_the_same() {
    let server = server();
    let mut dumping = Dumping::of(&server, &["shop"]).stopping_at(StreamRole::TableData);
    dumping.request.options.connections = 2;
    let mut other = session(&server).await;
    let altering = async {
        // Both connections hold a table each now; the third is free to be asked for.
        dumping.sink.reached().await;
        dumping.sink.reached().await;
        let streams = dumping.sink.streams();
        let taken: Vec<String> = streams
            .iter()
            .filter_map(|stream| stream.header.object.as_ref().map(|object| object.name.clone()))
            .collect();
        let free = ["a", "b", "c"]
            .into_iter()
            .find(|name| !taken.iter().any(|taken| taken == name));
        let sql = format!(
            "SET application_name = 'altering'; ALTER TABLE {} ADD COLUMN more int",
            free.unwrap()
        );
        let opening = async {
            waiting_for_locks(&server, "altering", 1).await;
            dumping.sink.open_gate();
        };
        let alter = async {
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                .execute(&mut other)
                .await
                .unwrap()
        };
        tokio::join!(alter, opening);
    };
    let (dumped, ()) = tokio::join!(dumping.run(), altering);
    dumped.unwrap();
    for table in ["a", "b", "c"] {
        assert_eq!(rows(&dumping, table), Some(500));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_waits_for_a_lock_can_be_cancelled() {
    let server = server();
    let mut other = session(&server).await;
    execute(&mut other, "BEGIN; LOCK TABLE b").await;
    let dumping = Dumping::of(&server, &["shop"]);
    let cancelling = async {
        waiting_for_locks(&server, "dataguardian", 1).await;
        dumping.cancel.cancel();
    };
    let (dumped, ()) = tokio::join!(dumping.run(), cancelling);
    assert_eq!(dumped.unwrap_err().kind, FailureKind::Superseded);
    dumping.assert_nothing_left(&server);
}
