//! Why an execution failed, as a closed set, with what to do about it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! failure_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $retry:expr, $advice:literal;)+) => {
        /// What went wrong. Whether a new attempt can help is a property of the kind, never of a text.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FailureKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)+
        }

        impl FailureKind {
            /// Every kind, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable name in the API, tables and logs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            /// Whether a new attempt may succeed without anybody changing anything.
            pub const fn is_retryable(self) -> bool {
                match self { $(Self::$name => $retry),+ }
            }

            /// The next step for a person.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice),+ }
            }
        }

        impl FromStr for FailureKind {
            type Err = UnknownFailureKind;
            fn from_str(text: &str) -> Result<Self, UnknownFailureKind> {
                match text { $($text => Ok(Self::$name),)+ other => Err(UnknownFailureKind(other.chars().take(64).collect())) }
            }
        }
    };
}

/// A text that names no failure kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown failure kind {0:?}")]
pub struct UnknownFailureKind(pub String);

failure_kinds! {
    /// The database server does not answer.
    DatabaseUnreachable = "DATABASE_UNREACHABLE", true, "check that the server runs and that host and port are right as seen from the agent's host";
    /// The server refuses user or password.
    DatabaseAuthentication = "DATABASE_AUTHENTICATION", false, "check the datasource's user name and password, and the server's host-based access rules";
    /// The connection can't be encrypted as demanded.
    DatabaseTls = "DATABASE_TLS", false, "check the datasource's TLS mode and authority file against the server's certificate";
    /// A privilege is missing.
    DatabasePrivilege = "DATABASE_PRIVILEGE", false, "grant the missing privilege, as the message says, or use another user";
    /// A named database does not exist.
    DatabaseMissing = "DATABASE_MISSING", false, "correct the datasource's database names; `dgctl datasource discover` lists what is there";
    /// The connection to the server broke while in use.
    DatabaseConnectionLost = "DATABASE_CONNECTION_LOST", true, "look into the database server's log for a restart, a crash or a time-out at that moment";
    /// The server refused a statement.
    DatabaseError = "DATABASE_ERROR", false, "look the message up, which is the server's own; the server's log has the context";
    /// A lock could not be had in time.
    DatabaseLockTimeout = "DATABASE_LOCK_TIMEOUT", true, "another session holds a conflicting lock: run at a quieter time or raise the lock time-out";
    /// Tables were changed under a dump that read them.
    DatabaseSchemaChanged = "DATABASE_SCHEMA_CHANGED", true, "somebody altered, truncated or dropped tables during the dump: run it again, at a time without such changes";
    /// A standby cancelled the dump.
    DatabaseStandbyConflict = "DATABASE_STANDBY_CONFLICT", true, "raise max_standby_streaming_delay on the standby, or back up the primary";
    /// The client programs are not on the agent's host.
    ClientMissing = "CLIENT_MISSING", false, "install the client programs of the server's version on the agent's host; `dataguardian-agent doctor` shows what is found";
    /// The client programs are older than the server.
    ClientTooOld = "CLIENT_TOO_OLD", false, "install client programs at least as new as the server on the agent's host";
    /// A client program ended with an error.
    ClientFailed = "CLIENT_FAILED", true, "the message is the program's own; the execution's log has its last lines";
    /// A storage does not answer.
    StorageUnreachable = "STORAGE_UNREACHABLE", true, "check the storage with `dgctl storage test`";
    /// A storage refuses.
    StorageDenied = "STORAGE_DENIED", false, "check the permissions of the path, or the storage's credentials";
    /// Another storage is there.
    PlaceTaken = "PLACE_TAKEN", false, "two copies there would be lost together: choose another folder, best on another disk";
    /// A storage has no room.
    StorageFull = "STORAGE_FULL", false, "free space on the storage or use another one, then run the job again";
    /// A storage answers nonsense or breaks off.
    StorageError = "STORAGE_ERROR", true, "check the storage with `dgctl storage test` and look at its own log";
    /// Data in a storage is not what was written.
    RepositoryDamaged = "REPOSITORY_DAMAGED", false, "the object named in the message is damaged or missing: restore from another copy or another backup; to back up there, mend it or give the storage another path";
    /// A repository is another control plane's, or a newer version's.
    RepositoryForeign = "REPOSITORY_FOREIGN", false, "give the storage another path or prefix, or use the control plane or the version that the message names";
    /// What is stored can't be opened with the keys at hand.
    RepositoryKey = "REPOSITORY_KEY", false, "restore with the control plane that wrote this backup: the keys of this one do not fit";
    /// The restore's target is not fit for it.
    TargetUnfit = "TARGET_UNFIT", false, "mend what the message names on the target server; nothing was changed there";
    /// A database of that name exists at the target.
    TargetExists = "TARGET_EXISTS", false, "choose another name with --database OLD=NEW, or replace it with --replace";
    /// Names that chosen parts need are taken in the database that they are added to.
    NamesTaken = "NAMES_TAKEN", false, "rename or drop what has these names, or restore into a new database with --database OLD=NEW; nothing was changed";
    /// Parts were chosen that can't be restored.
    ChoiceUnfit = "CHOICE_UNFIT", false, "choose again, as the message says; `dgctl backup contents` lists what is in the backup; nothing was changed on the target server";
    /// The restored contents differ from what the manifest counts.
    RestoreMismatch = "RESTORE_MISMATCH", false, "do not use the restored database; verify the backup and report this as a bug";
    /// The agent's own rules forbid it.
    AgentPolicy = "AGENT_POLICY", false, "the agent's configuration on its host forbids this: change agent.toml there if it should be allowed";
    /// A password or a connection service that the agent's host should have can't be used.
    CredentialUnusable = "CREDENTIAL_UNUSABLE", false, "mend what the message names on the agent's host: the password file, the service file or agent.toml";
    /// The agent started anew in mid-run.
    AgentRestarted = "AGENT_RESTARTED", true, "the agent's host or service was restarted; look into its log if it happens again";
    /// The agent was silent for too long.
    AgentLost = "AGENT_LOST", true, "check the agent's host, its service and its network";
    /// The agent was revoked.
    AgentRevoked = "AGENT_REVOKED", false, "a revoked agent never comes back: enroll its host under another name, then `dgctl datasource update NAME --agent NEW` and `dgctl storage update NAME --agent NEW` hand over what it had";
    /// The attempt took longer than allowed.
    TimedOut = "TIMED_OUT", true, "find out what slows it down, or give it more time with --max-duration";
    /// Nothing moved for longer than allowed.
    NoProgress = "NO_PROGRESS", true, "look at what the message says it waited for; give it more time with --no-progress-timeout if such a wait is normal there";
    /// Another attempt has taken over.
    Superseded = "SUPERSEDED", false, "nothing: a newer attempt runs instead";
    /// We are wrong.
    Internal = "INTERNAL", true, "this is a bug in DataGuardian: please report it with the execution's log";
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as it is told to people: kind and particulars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind it is.
    pub kind: FailureKind,
    /// The particulars: which host, object, program, statement. No secret.
    pub message: String,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert!(!kind.advice().is_empty());
        }
    }

    #[test]
    fn what_only_a_person_can_mend_is_never_tried_again() {
        use FailureKind as K;
        let passing = [
            K::DatabaseUnreachable,
            K::DatabaseConnectionLost,
            K::DatabaseLockTimeout,
            K::DatabaseSchemaChanged,
            K::DatabaseStandbyConflict,
            K::ClientFailed,
            K::StorageUnreachable,
            K::StorageError,
            K::AgentRestarted,
            K::AgentLost,
            K::TimedOut,
            K::NoProgress,
            K::Internal,
        ];
        for kind in K::ALL {
            assert_eq!(kind.is_retryable(), passing.contains(kind), "{kind}");
        }
    }
}
