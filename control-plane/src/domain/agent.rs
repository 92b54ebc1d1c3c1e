//! Agents.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, JoinTokenId, ReplicaId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::Secret;
use serde::{Deserialize, Serialize};

use super::field::{BadField, Checks};
use super::text;

mod boots;
mod notice;

pub use boots::{BootVerdict, Boots};
pub use notice::{Notice, notices};

/// How long a join token is good for unless told otherwise.
pub const DEFAULT_JOIN_TTL: TimeDelta = TimeDelta::hours(1);
/// The longest that a join token may be good for.
pub const MAX_JOIN_TTL: TimeDelta = TimeDelta::days(7);
/// The most client programs that are kept of what an agent finds.
const MAX_CLIENTS: usize = 64;

/// Whether an agent may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    /// It may.
    Active,
    /// It gets no new work; what it is at work on goes on.
    Locked,
    /// Its identity was ended for good.
    Revoked,
}

impl AgentState {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Locked => "locked",
            Self::Revoked => "revoked",
        }
    }
}

/// What happened to an agent's identity that a person has to look into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlertKind {
    /// A certificate was used that a newer one had replaced: by a copy of the agent's state, a restored disk, or a host that
    /// was replaced and still runs.
    IdentityCopied,
    /// Two processes take turns with the same certificate.
    IdentityShared,
}

impl AlertKind {
    /// The stable name, in tables, in the API and in the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::IdentityCopied => "IDENTITY_COPIED",
            Self::IdentityShared => "IDENTITY_SHARED",
        }
    }
}

/// An alert that stands until a person clears it, or the agent enrolls anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityAlert {
    /// What happened.
    pub kind: AlertKind,
    /// When it last happened.
    pub at: DateTime<Utc>,
    /// Where from: an address, a host's name; empty if that is not known.
    pub from: String,
}

/// Whether an agent may recover whose certificate ended long ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// When it first asked and was refused.
    pub asked_at: Option<DateTime<Utc>>,
    /// Until when it may.
    pub until: Option<DateTime<Utc>>,
}

/// What an agent says of itself and its host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFacts {
    /// Its version.
    pub version: String,
    /// Its host's name.
    pub hostname: String,
    /// Its host's operating system.
    pub operating_system: String,
    /// Client programs that it finds there.
    pub clients: Vec<ClientProgram>,
}

/// Client programs of a database engine on an agent's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientProgram {
    /// Such as `postgres`.
    pub engine: String,
    /// Such as `16.4`.
    pub version: String,
    /// Where they are.
    pub directory: String,
}

impl AgentFacts {
    /// The facts cut to what is kept of them: they are shown to people and decide nothing.
    #[must_use]
    pub fn kept(self) -> Self {
        let short = |text: &str| text::kept(text, text::MAX_TEXT);
        Self {
            version: short(&self.version),
            hostname: short(&self.hostname),
            operating_system: short(&self.operating_system),
            clients: self
                .clients
                .iter()
                .take(MAX_CLIENTS)
                .map(|client| ClientProgram {
                    engine: short(&client.engine),
                    version: short(&client.version),
                    directory: text::kept(&client.directory, text::MAX_LONG_TEXT),
                })
                .collect(),
        }
    }
}

/// One installation beside one or more databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its id, which is also in its certificate.
    pub id: AgentId,
    /// Its name.
    pub name: ResourceName,
    /// Whether it may work.
    pub state: AgentState,
    /// What it says of itself.
    pub facts: AgentFacts,
    /// Ed25519: checks what it signs.
    pub signing_public_key: [u8; 32],
    /// When it enrolled.
    pub enrolled_at: DateTime<Utc>,
    /// When it was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// When its newest certificate ends.
    pub certificate_expires_at: Option<DateTime<Utc>>,
    /// How far its clock is ahead of ours; negative if behind.
    pub clock_skew: Option<TimeDelta>,
    /// Rises with each session; what an older session says counts no more.
    pub session_epoch: u64,
    /// The replica that has its session, or had when it was killed.
    pub session_replica: Option<ReplicaId>,
    /// Certificates of a generation below this are dead, on open connections too.
    pub certificate_floor: u32,
    /// Whether it may recover after a long absence.
    pub recovery: Recovery,
    /// What happened to its identity.
    pub alert: Option<IdentityAlert>,
}

/// A one-time permission to enroll. The token is shown this once.
#[derive(Debug)]
pub struct JoinToken {
    /// Its id.
    pub id: JoinTokenId,
    /// `dgjoin_<id>_<secret>`.
    pub token: Secret,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// The name the agent will have, if the token fixes it.
    pub name: Option<ResourceName>,
}

/// A session that begins.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// What the agent says of itself.
    pub facts: AgentFacts,
    /// How far the agent's clock is ahead of ours.
    pub clock_skew: Option<TimeDelta>,
    /// How many attempts it takes on at all.
    pub slots: Option<u32>,
    /// Names the agent's process; empty if it does not say.
    pub boot_id: String,
    /// An agent that was heard of within this time still has its older session.
    pub alive_within: TimeDelta,
}

/// A host that wants to become an agent.
#[derive(Debug)]
pub struct Enrollment {
    /// The token it was given.
    pub join_token: Secret,
    /// The public key out of its certificate request: SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    /// Ed25519: will check what it signs.
    pub signing_public_key: Vec<u8>,
    /// What it says of itself.
    pub facts: AgentFacts,
    /// The name it asks for, if the token leaves it open; empty for one made from the host's name.
    pub name: String,
    /// The agent that it was before and wants to be again.
    pub again_as: Option<AgentId>,
}

impl Enrollment {
    /// Checks the parts that do not depend on the token.
    pub fn check(&self) -> Result<[u8; 32], Vec<BadField>> {
        let mut checks = Checks::new();
        checks.require(
            (1..=4096).contains(&self.public_key.len()),
            "certificate_request",
            "holds no usable public key",
        );
        checks.take(text::required(
            "join_token",
            self.join_token.expose(),
            text::MAX_TEXT,
        ));
        let key = <[u8; 32]>::try_from(self.signing_public_key.as_slice())
            .map_err(|_| BadField::new("signing_public_key", "must be an Ed25519 key of 32 bytes"));
        let key = checks.take(key).unwrap_or_default();
        checks.finish()?;
        Ok(key)
    }
}

/// A name made from a host's name: lower case, other characters replaced by `-`.
pub fn name_from_hostname(hostname: &str) -> Option<ResourceName> {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_') {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let text: String = hostname.chars().map(plain).take(63).collect();
    super::reference::new_name("name", text.trim_matches(|c: char| !c.is_ascii_alphanumeric())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostname_becomes_a_name() {
        let name = |host| name_from_hostname(host).map(String::from);
        assert_eq!(name("DB-1.example.org").as_deref(), Some("db-1.example.org"));
        assert_eq!(name("-räk-").as_deref(), Some("r-k"));
        assert_eq!(name(""), None);
        assert_eq!(name(&"h".repeat(300)).map(|name| name.len()), Some(63));
    }
}
