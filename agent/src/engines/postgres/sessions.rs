//! Ending our own sessions on the server.
//!
//! A client that is killed leaves its backend behind while that waits for a lock or works on a long statement, and the
//! backend holds its snapshot and its locks. So a run that fails or is cancelled asks the server to end them.

use std::time::Duration;

use dataguardian_core::target::ConnectionTarget;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::connect;
use crate::engines::marker::SessionMarker;
use crate::patience;

/// How long cancelled sessions may take to go before they are terminated.
const CANCEL_GRACE: Duration = Duration::from_secs(2);
/// How long terminated sessions may take to go.
const TERMINATE_GRACE: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);
/// How long a look may take.
const LOOKING: Duration = Duration::from_secs(10);
/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends every session that belongs to the marker's attempt. Failing that is logged, not told: the run has failed already,
/// or the server is away and its sessions with it.
pub(super) async fn end(target: &ConnectionTarget, marker: &SessionMarker) {
    let name = marker.to_string();
    match patience::timeout(PATIENCE, end_named(target, &name)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(left)) => tracing::warn!(marker = name, left, "sessions on the server could not be ended"),
        Ok(Err(error)) => tracing::info!(marker = name, %error, "sessions on the server were not looked for"),
        Err(_) => tracing::warn!(marker = name, "ending sessions on the server took too long"),
    }
}

/// Process, database, state, what it waits for, who blocks it.
type Waiting = (i32, String, String, String, String);

/// What our sessions of an attempt do or wait for at this moment, one line each: for the failure of one that got stuck. Names no
/// statement and no value. Nothing if the server does not answer soon.
pub async fn waits(target: &ConnectionTarget, marker: &SessionMarker) -> Vec<String> {
    const SQL: &str = "
        SELECT pid, COALESCE(datname, ''), COALESCE(state, 'unknown'),
            COALESCE(wait_event_type || ' ' || wait_event, 'nothing'),
            pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(pid), ', ')
        FROM pg_catalog.pg_stat_activity
        WHERE application_name = $1 AND usename = current_user AND pid <> pg_catalog.pg_backend_pid()
        ORDER BY state, pid LIMIT 8";
    let asking = async {
        let database = connect::maintenance_database(target);
        let mut connection = connect::open(target, database, "dataguardian looking").await?;
        let found: Result<Vec<Waiting>, _> = sqlx::query_as(SQL)
            .bind(marker.to_string())
            .fetch_all(&mut connection)
            .await;
        connect::close(connection).await;
        found.map_err(super::failure::at("looking at our sessions"))
    };
    let line = |(pid, database, state, event, blockers): Waiting| {
        let blocked = match blockers.as_str() {
            "" => String::new(),
            blockers => format!(", blocked by process {blockers}"),
        };
        format!("server process {pid} in {database}: {state}, waits for {event}{blocked}")
    };
    match patience::timeout(LOOKING, asking).await {
        Ok(Ok(found)) => found.into_iter().map(line).collect(),
        Ok(Err(failure)) => vec![format!("the server could not be asked: {failure}")],
        Err(_) => vec![format!(
            "the server did not answer within {} s",
            LOOKING.as_secs()
        )],
    }
}

async fn end_named(
    target: &ConnectionTarget,
    name: &str,
) -> Result<i64, Box<dyn std::error::Error + Send + Sync>> {
    let database = connect::maintenance_database(target);
    let mut connection = connect::open(target, database, "dataguardian tidying up").await?;
    let mut left = ask(&mut connection, "pg_cancel_backend", name, CANCEL_GRACE).await?;
    if left > 0 {
        left = ask(&mut connection, "pg_terminate_backend", name, TERMINATE_GRACE).await?;
    }
    connect::close(connection).await;
    Ok(left)
}

/// Calls `function` on each session once, then waits until none is left or the time is over; gives how many are.
async fn ask(
    connection: &mut PgConnection,
    function: &'static str,
    name: &str,
    grace: Duration,
) -> Result<i64, sqlx::Error> {
    let ours = "FROM pg_catalog.pg_stat_activity WHERE application_name = $1 AND usename = current_user \
        AND pid <> pg_catalog.pg_backend_pid()";
    let call = format!("SELECT pg_catalog.count(pg_catalog.{function}(pid)) {ours}");
    let mut left = count(connection, call, name).await?;
    let deadline = Instant::now() + grace;
    while left > 0 && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
        left = count(connection, format!("SELECT pg_catalog.count(*) {ours}"), name).await?;
    }
    Ok(left)
}

async fn count(connection: &mut PgConnection, sql: String, name: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(name)
        .fetch_one(connection)
        .await
}
