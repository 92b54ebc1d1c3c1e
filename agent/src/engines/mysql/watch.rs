//! Watches a client program's session on the server: which one it is, and whether it waits for a lock for too long.
//!
//! The programs take no wish about time-outs, and a server's own is a day or a year.

use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::mysql::MySqlConnection;
use tokio::time::Instant;

use super::connect;
use super::run::Run;
use super::sessions::{self, SessionId};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(250);

/// A program that is watched.
pub(super) struct Watch<'a> {
    pub(super) run: &'a Run,
    /// Its process.
    pub(super) process: u32,
    /// How long it may wait for a lock.
    pub(super) patience: Duration,
    /// The sessions of the same user that were there before it.
    pub(super) before: Vec<SessionId>,
}

impl Watch<'_> {
    /// Looks until the program waits for a lock for too long, which is the failure, or until the caller has enough.
    pub(super) async fn look(self, session: &mut MySqlConnection) -> Failure {
        let mut known: Option<SessionId> = None;
        let mut waits_since: Option<Instant> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let seen = match sessions::own(session).await {
                Ok(seen) => seen,
                // The program finds out by itself, and knows more of it.
                Err(failure) => {
                    tracing::info!(%failure, "the dump's session is not watched any more");
                    return std::future::pending().await;
                }
            };
            if known.is_none() {
                known = self.find(&seen);
                if let Some(id) = &known {
                    self.run.register(id.clone());
                }
            }
            let own = seen.iter().find(|seen| Some(&seen.id) == known.as_ref());
            let Some(waiting) = own.filter(|seen| seen.waits_for_lock()) else {
                waits_since = None;
                continue;
            };
            let since = *waits_since.get_or_insert_with(Instant::now);
            if since.elapsed() >= self.patience {
                return Failure::new(
                    FailureKind::DatabaseLockTimeout,
                    format!(
                        "the dump waited for more than {} s in state {:?} (server session {})",
                        self.patience.as_secs(),
                        waiting.state,
                        waiting.id.number
                    ),
                );
            }
        }
    }

    /// By the port that the program connects from, where there is one; else the only session that was not there before.
    fn find(&self, seen: &[sessions::Seen]) -> Option<SessionId> {
        let new = || {
            seen.iter()
                .filter(|seen| !self.before.contains(&seen.id) && !self.run.registry.knows(&seen.id))
        };
        if connect::socket(&self.run.target).is_none() {
            let ports = local_ports(self.process);
            let from = |id: &SessionId| {
                id.host
                    .rsplit_once(':')
                    .and_then(|(_, port)| port.parse::<u16>().ok())
            };
            return new()
                .find(|seen| from(&seen.id).is_some_and(|port| ports.contains(&port)))
                .map(|seen| seen.id.clone());
        }
        let mut new = new();
        match (new.next(), new.next()) {
            (Some(only), None) => Some(only.id.clone()),
            _ => None,
        }
    }
}

/// The TCP ports that a process's sockets have on this side (`proc_pid_net(5)`).
fn local_ports(process: u32) -> Vec<u16> {
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{process}/fd")) else {
        return Vec::new();
    };
    let sockets: Vec<String> = descriptors
        .filter_map(Result::ok)
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .filter_map(|link| {
            Some(
                link.to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    let mut ports = Vec::new();
    for table in ["tcp", "tcp6"] {
        let table = std::fs::read_to_string(format!("/proc/{process}/net/{table}")).unwrap_or_default();
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (Some(local), Some(inode)) = (fields.get(1), fields.get(9)) else {
                continue;
            };
            if sockets.iter().any(|socket| socket == inode)
                && let Some(port) = local
                    .rsplit_once(':')
                    .and_then(|(_, port)| u16::from_str_radix(port, 16).ok())
            {
                ports.push(port);
            }
        }
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_s_ports_are_found() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(local_ports(std::process::id()).contains(&port));
        drop(listener);
        assert!(!local_ports(std::process::id()).contains(&port));
    }
}
