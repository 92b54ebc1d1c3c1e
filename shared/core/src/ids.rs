//! Identities. Each noun has its own type, so that one can't be passed for another.
//!
//! New ids are UUIDv7 (RFC 9562): they sort by the time of their making, which keeps index pages and listings in order.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind} id: expected a UUID")]
pub struct InvalidId {
    /// The noun whose id was expected, in lower case.
    pub kind: &'static str,
    /// The text as it was given, cut to 64 characters.
    pub text: String,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident, $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new, never used id.
            #[expect(clippy::new_without_default, reason = "a fresh id is not a default value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id that these 128 bits stand for.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The 128 bits behind the id.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }

            /// The 128 bits behind the id, in network order.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| InvalidId { kind: $kind, text: text.chars().take(64).collect() })
            }
        }
    )+};
}

ids! {
    /// An agent: one installation beside one or more databases.
    AgentId, "agent";
    /// One use of an API token.
    ApiTokenId, "API token";
    /// A committed backup, and the manifest that is it.
    BackupId, "backup";
    /// A control plane's installation: it owns repositories and signs manifests.
    ControlPlaneId, "control plane";
    /// A database server that an agent reaches.
    DatasourceId, "datasource";
    /// One run of something: a backup, a restore.
    ExecutionId, "execution";
    /// What to back up, when, and to where.
    JobId, "job";
    /// A one-time permission to enrol an agent.
    JoinTokenId, "join token";
    /// The secret half of a [`crate::execution::Fence`]: a new one for each lease.
    LeaseToken, "lease token";
    /// Something that people were told.
    NotificationId, "notification";
    /// A way to tell people or programs what goes wrong.
    NotificationChannelId, "notification channel";
    /// A notification on its way through one channel.
    NotificationDeliveryId, "notification delivery";
    /// What is told to whom.
    NotificationRuleId, "notification rule";
    /// A repository: one prefix of one storage.
    RepositoryId, "repository";
    /// A question put to an agent over its session.
    RequestId, "request";
    /// A set of permissions.
    RoleId, "role";
    /// That somebody has a role.
    RoleBindingId, "role binding";
    /// One sign-in of a user.
    SessionId, "session";
    /// A place for backups.
    StorageId, "storage";
    /// A script on its way from an agent to a call that waits for it.
    TransferId, "transfer";
    /// A person or program that may sign in.
    UserId, "user";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = BackupId::new();
        assert_eq!(id.to_string().parse::<BackupId>(), Ok(id));
    }

    #[test]
    fn a_wrong_text_is_named_and_cut() {
        let error = "x".repeat(100_000).parse::<JobId>().unwrap_err();
        assert_eq!(error.kind, "job");
        assert_eq!(error.text.len(), 64);
    }

    #[test]
    fn later_ids_sort_later() {
        let ids: Vec<_> = (0..1000).map(|_| ExecutionId::new()).collect();
        assert!(ids.is_sorted());
    }
}
