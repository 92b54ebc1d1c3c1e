//! Our sessions on servers: which there are, what they wait for, and how they are ended.
//!
//! A server does not know a session's name, so each is remembered by its number and by the address that the server sees,
//! which together are nobody else's. A program that is killed leaves its session behind while that works on a statement.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use sqlx::mysql::MySqlConnection;
use tokio::time::Instant;

use super::connect::{self, ask, ask_one};
use super::failure;
use crate::engines::marker::SessionMarker;
use crate::patience;

/// How long ended sessions may take to go.
const GRACE: Duration = Duration::from_secs(10);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);
/// How long a look may take.
const LOOKING: Duration = Duration::from_secs(10);
/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A session as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionId {
    pub(super) number: u64,
    /// The address that it comes from; empty where it is not known.
    pub(super) host: String,
}

impl SessionId {
    fn is(&self, seen: &Self) -> bool {
        self.number == seen.number && (self.host.is_empty() || self.host == seen.host)
    }
}

/// A session that is there at this moment.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) id: SessionId,
    pub(super) database: String,
    pub(super) command: String,
    pub(super) state: String,
    pub(super) seconds: u64,
}

impl Seen {
    /// Whether it waits for a lock on a table or on everything.
    pub(super) fn waits_for_lock(&self) -> bool {
        let state = self.state.to_ascii_lowercase();
        state.starts_with("waiting for") && (state.contains("lock") || state.contains("flush"))
    }
}

/// The sessions of every attempt of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry(Arc<Mutex<HashMap<String, Vec<SessionId>>>>);

impl Registry {
    pub(super) fn add(&self, marker: &SessionMarker, id: SessionId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(marker.to_string()).or_default().push(id);
    }

    /// Whether a session is one of ours.
    pub(super) fn knows(&self, id: &SessionId) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().flatten().any(|own| own.is(id))
    }

    fn of(&self, marker: &SessionMarker) -> Vec<SessionId> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&marker.to_string()).cloned().unwrap_or_default()
    }

    fn forget(&self, marker: &SessionMarker) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&marker.to_string());
    }

    /// Ends every session of an attempt. Failing that is logged, not told: the run has failed already, or the server is away
    /// and its sessions with it.
    pub(super) async fn end(&self, target: &ConnectionTarget, marker: &SessionMarker) {
        let ids = self.of(marker);
        if !ids.is_empty() {
            match patience::timeout(PATIENCE, end_all(target, &ids)).await {
                Ok(Ok(0)) => {}
                Ok(Ok(left)) => tracing::warn!(%marker, left, "sessions on the server could not be ended"),
                Ok(Err(error)) => {
                    tracing::info!(%marker, %error, "sessions on the server were not looked for")
                }
                Err(_) => tracing::warn!(%marker, "ending sessions on the server took too long"),
            }
        }
        self.forget(marker);
    }

    /// The run is over and its sessions have ended.
    pub(super) fn done(&self, marker: &SessionMarker) {
        self.forget(marker);
    }

    /// What an attempt's sessions do at this moment, one line each.
    pub(super) async fn waits(&self, target: &ConnectionTarget, marker: &SessionMarker) -> Vec<String> {
        let ids = self.of(marker);
        let asking = async {
            let mut session = connect::open(target).await?;
            let seen = own(&mut session).await;
            connect::close(session).await;
            seen
        };
        match patience::timeout(LOOKING, asking).await {
            Ok(Ok(seen)) => seen
                .iter()
                .filter(|seen| ids.iter().any(|id| id.is(&seen.id)))
                .map(line)
                .collect(),
            Ok(Err(failure)) => vec![format!("the server could not be asked: {failure}")],
            Err(_) => vec![format!(
                "the server did not answer within {} s",
                LOOKING.as_secs()
            )],
        }
    }
}

fn line(seen: &Seen) -> String {
    let state = if seen.state.is_empty() {
        "working"
    } else {
        &seen.state
    };
    format!(
        "server session {} in {:?}: {}, {state} for {} s",
        seen.id.number, seen.database, seen.command, seen.seconds
    )
}

/// How the server knows a session of ours.
pub(super) async fn identify(session: &mut MySqlConnection) -> Result<SessionId, Failure> {
    const WHAT: &str = "asking for the session's number";
    let number = ask_one(session, "SELECT CONNECTION_ID()", WHAT).await?;
    let number = number.and_then(|number| number.parse().ok()).unwrap_or(0);
    let seen = own(session).await?;
    let host = seen.into_iter().find(|seen| seen.id.number == number);
    Ok(SessionId {
        number,
        host: host.map(|seen| seen.id.host).unwrap_or_default(),
    })
}

/// The sessions of our user, whoever opened them.
pub(super) async fn own(session: &mut MySqlConnection) -> Result<Vec<Seen>, Failure> {
    const WHAT: &str = "looking at our sessions";
    let user = ask_one(session, "SELECT USER()", WHAT).await?.unwrap_or_default();
    let user = user.rsplit_once('@').map_or(user.as_str(), |(user, _)| user);
    // Not from a table: a statement of another session may hold what its column can't.
    let rows = ask(session, "SHOW PROCESSLIST", WHAT).await?;
    let seen = |row: &connect::TextRow| Seen {
        id: SessionId {
            number: row.number(0),
            host: row.text(2),
        },
        database: row.text(3),
        command: row.text(4),
        seconds: row.number(5),
        state: row.text(6),
    };
    Ok(rows.iter().filter(|row| row.text(1) == user).map(seen).collect())
}

/// Ends the sessions and waits until none is left or the time is over; gives how many are.
async fn end_all(target: &ConnectionTarget, ids: &[SessionId]) -> Result<usize, Failure> {
    let mut session = connect::open(target).await?;
    let deadline = Instant::now() + GRACE;
    let mut asked = Vec::new();
    let left = loop {
        let seen = own(&mut session).await?;
        let left: Vec<_> = seen
            .into_iter()
            .filter(|seen| ids.iter().any(|id| id.is(&seen.id)))
            .collect();
        for seen in left.iter().filter(|seen| !asked.contains(&seen.id)) {
            kill(&mut session, seen.id.number).await?;
        }
        asked.extend(left.iter().map(|seen| seen.id.clone()));
        if left.is_empty() || Instant::now() >= deadline {
            break left.len();
        }
        tokio::time::sleep(LOOK).await;
    };
    connect::close(session).await;
    Ok(left)
}

async fn kill(session: &mut MySqlConnection, number: u64) -> Result<(), Failure> {
    let killed = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL CONNECTION {number}")))
        .execute(&mut *session)
        .await;
    match killed {
        Ok(_) => Ok(()),
        Err(error) if failure::number(&error) == Some(failure::NO_SUCH_THREAD) => Ok(()),
        Err(error) => Err(failure::working("ending a session", &error)),
    }
}
