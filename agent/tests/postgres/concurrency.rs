//! A dump while others write, truncate and change tables shows one moment, or says clearly why not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dataguardian_agent::engines::postgres::{RestoreMode, RestoreReport};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_tests::postgres::{Postgres, Version};
use sqlx::{PgPool, Row};
use tokio::task::JoinSet;

use crate::setup::{Dumping, Restoring};

/// Money is moved and never made: the sum is 100,000 at any moment. A full `staging` always has 500 rows.
const TABLES: &str = "
    CREATE TABLE account (id int PRIMARY KEY, amount int NOT NULL);
    INSERT INTO account SELECT i, 1000 FROM generate_series(1, 100) i;
    CREATE TABLE staging (id int, note text);
    INSERT INTO staging SELECT i, repeat('x', 100) FROM generate_series(1, 500) i;
    CREATE TABLE changing (id int PRIMARY KEY);
    INSERT INTO changing SELECT generate_series(1, 100);
    CREATE TABLE paired_a (id int);
    CREATE TABLE paired_b (id int);
    CREATE TABLE filler AS SELECT i, md5(i::text) FROM generate_series(1, 20000) i;";

/// What goes on meanwhile; each line over and over, with the pause after it in milliseconds.
const WORK: [(&str, u64); 6] = [
    (
        "WITH pair AS (SELECT (random() * 99)::int + 1 AS a, (random() * 99)::int + 1 AS b)
         UPDATE account SET amount = amount + CASE WHEN id = pair.a THEN 7 ELSE -7 END
         FROM pair WHERE pair.a <> pair.b AND id IN (pair.a, pair.b)",
        0,
    ),
    (
        "BEGIN; TRUNCATE staging; INSERT INTO staging SELECT i, repeat('y', 100) FROM generate_series(1, 500) i; COMMIT",
        300,
    ),
    (
        "BEGIN; INSERT INTO paired_a VALUES (1); INSERT INTO paired_b VALUES (1); COMMIT",
        1,
    ),
    (
        "ALTER TABLE changing ADD COLUMN extra int DEFAULT 5; ALTER TABLE changing ALTER COLUMN extra TYPE text; \
         ALTER TABLE changing DROP COLUMN extra",
        700,
    ),
    (
        "CREATE TABLE passing AS SELECT i FROM generate_series(1, 100) i; DROP TABLE IF EXISTS passed; \
         ALTER TABLE passing RENAME TO passed",
        500,
    ),
    (
        "BEGIN; DROP TABLE IF EXISTS rebuilt; CREATE TABLE rebuilt AS SELECT i FROM generate_series(1, 300) i; COMMIT",
        600,
    ),
];

async fn keep_working(pool: PgPool, line: &'static str, pause: u64, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        // Losing a race against another line is part of the game.
        if let Err(error) = sqlx::raw_sql(line).execute(&pool).await {
            assert!(error.as_database_error().is_some(), "{error}");
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

async fn check(server: &Postgres, database: &str, restored: &RestoreReport) {
    let pool = server.pool(database).await.unwrap();
    let row = sqlx::query(
        "SELECT (SELECT sum(amount)::int8 FROM account), (SELECT count(*) FROM staging),
            (SELECT count(*) FROM paired_a) - (SELECT count(*) FROM paired_b), (SELECT count(*) FROM changing)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    let seen: Vec<i64> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(seen, [100_000, 500, 0, 100], "{:?}", restored.tables);
    for table in &restored.tables {
        let expected = match table.table.as_str() {
            "passing" | "passed" => 100,
            "rebuilt" => 300,
            _ => continue,
        };
        assert_eq!(table.restored_rows, expected, "{}", table.table);
    }
    pool.close().await;
}

async fn dumps_show_one_moment(version: Version, connections: usize) {
    let server = Postgres::start(version).unwrap();
    server.create_database("busy").unwrap();
    server.psql("busy", TABLES).unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let mut workers = JoinSet::new();
    for (line, pause) in WORK {
        let own = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .connect_with(server.connection().options("busy"))
            .await
            .unwrap();
        workers.spawn(keep_working(own, line, pause, Arc::clone(&stop)));
    }
    let mut good = 0;
    for _ in 0..12 {
        let mut dumping = Dumping::of(&server, &["busy"]);
        dumping.request.options.connections = connections;
        match dumping.run().await {
            Ok(dumped) => {
                let source = dumping.sink.source();
                let names = [("busy", "quiet")];
                let restoring = Restoring::of(&server, &dumped, source, &names, RestoreMode::Replace);
                let restored = restoring.run().await.unwrap();
                check(&server, "quiet", &restored).await;
                good += 1;
            }
            Err(Failure { kind, message }) => {
                eprintln!("a dump gave up: {message}");
                assert!(
                    matches!(kind, FailureKind::DatabaseLockTimeout | FailureKind::ClientFailed),
                    "{kind}"
                );
            }
        }
        dumping.assert_nothing_left(&server);
    }
    stop.store(true, Ordering::Relaxed);
    workers.join_all().await;
    assert!(good >= 6, "only {good} of 12 dumps came to an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_of_15_show_one_moment() {
    dumps_show_one_moment(Version::V15, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dumps_of_18_over_three_connections_show_one_moment() {
    dumps_show_one_moment(Version::V18, 3).await;
}
