//! What a server says of itself.

use dataguardian_core::failure::Failure;
use sqlx::mysql::MySqlConnection;

use super::connect::ask;
use super::flavour::{Flavour, version_num};
use super::grants::Grants;
use super::option_file::Encrypted;

/// A server, and what we may do there.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) flavour: Flavour,
    /// As it says it: `10.11.18-MariaDB-0+deb12u1-log`.
    pub(super) version: String,
    pub(super) version_num: u32,
    /// `server_uuid`, or MariaDB's `server_uid` where it has one.
    pub(super) uuid: Option<String>,
    /// Whether it refuses writes, as replicas do.
    pub(super) read_only: bool,
    /// Whether it keeps a binary log.
    pub(super) binlog: bool,
    /// Whether it keeps sets of executed transactions (MySQL's `gtid_mode`).
    pub(super) gtid: bool,
    /// Whether only trusted users may create functions and triggers.
    pub(super) distrusts_creators: bool,
    /// The longest packet that it takes, in bytes.
    pub(super) max_allowed_packet: u64,
    /// Whether our connection is encrypted.
    pub(super) encrypted: Encrypted,
    pub(super) grants: Grants,
}

impl Server {
    /// Asks it. One of the other family, or one that is too old, is a failure.
    pub(super) async fn ask(session: &mut MySqlConnection, flavour: Flavour) -> Result<Self, Failure> {
        const WHAT: &str = "asking the server for its version";
        const SQL: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_uuid', 'server_uid', 'read_only', \
            'log_bin', 'gtid_mode', 'log_bin_trust_function_creators', 'max_allowed_packet')";
        let rows = ask(session, SQL, WHAT).await?;
        let variable = |name: &str| rows.iter().find(|row| row.text(0) == name).map(|row| row.text(1));
        let is_on = |name: &str| variable(name).is_some_and(|value| value == "ON" || value == "1");
        let version = ask(session, "SELECT VERSION()", WHAT).await?;
        let version = version.first().map(|row| row.text(0)).unwrap_or_default();
        flavour.confirm(&version)?;
        let cipher = ask(session, "SHOW SESSION STATUS LIKE 'Ssl_cipher'", WHAT).await?;
        Ok(Self {
            flavour,
            version_num: version_num(&version),
            version,
            uuid: variable("server_uuid")
                .or_else(|| variable("server_uid"))
                .filter(|uuid| !uuid.is_empty()),
            read_only: is_on("read_only"),
            binlog: is_on("log_bin"),
            gtid: is_on("gtid_mode"),
            distrusts_creators: is_on("log_bin") && !is_on("log_bin_trust_function_creators"),
            max_allowed_packet: variable("max_allowed_packet")
                .and_then(|value| value.parse().ok())
                .unwrap_or(0),
            encrypted: Encrypted(cipher.first().is_some_and(|row| !row.text(1).is_empty())),
            grants: Grants::ask(session, flavour).await?,
        })
    }

    /// Whether the user may do nearly everything.
    pub(super) fn is_super(&self) -> bool {
        self.grants.globally("SUPER")
    }

    /// Whether a dump can tell where the binary log stood: it takes a lock on everything for a moment, or asks the server.
    pub(super) fn can_tell_position(&self) -> bool {
        let reads = ["REPLICATION CLIENT", "BINLOG MONITOR", "SUPER"];
        self.binlog
            && self.grants.globally("RELOAD")
            && reads.iter().any(|privilege| self.grants.globally(privilege))
    }

    /// Whether routines are shown to the user who did not define them; elsewhere they would be missing without a word.
    pub(super) fn shows_routines(&self) -> bool {
        let grants = &self.grants;
        match self.flavour {
            Flavour::MySql => grants.globally("SELECT") || grants.globally("SHOW_ROUTINE"),
            Flavour::MariaDb => {
                grants.globally("SHOW CREATE ROUTINE") || grants.on_table("mysql", "proc", "SELECT")
            }
        }
    }

    /// Whether things can be given to other accounts.
    pub(super) fn may_set_definers(&self) -> bool {
        let any: &[&str] = match self.flavour {
            Flavour::MySql => &["SET_ANY_DEFINER", "SET_USER_ID", "SUPER"],
            Flavour::MariaDb => &["SET USER", "SUPER"],
        };
        any.iter().any(|privilege| self.grants.globally(privilege))
    }
}
