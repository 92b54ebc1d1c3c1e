//! Agents' certificates: what the authority issues and what the catalogue remembers.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::AgentId;
use dataguardian_core::name::ResourceName;

/// A certificate as the authority issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// DER, the agent's own first.
    pub chain: Vec<Vec<u8>>,
    /// SHA-256 of the agent's own certificate, DER.
    pub fingerprint: [u8; 32],
    /// The serial number, in lower-case hexadecimal.
    pub serial: String,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

/// An agent with a fresh certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The agent's id.
    pub agent: AgentId,
    /// Its name.
    pub name: ResourceName,
    /// Its certificate.
    pub certificate: IssuedCertificate,
}

/// Who a presented certificate belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The agent.
    pub agent: AgentId,
    /// The certificate's generation: one more with each renewal.
    pub generation: u32,
}

/// What a handshake means for the generations of an agent's certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationVerdict {
    /// The one in use.
    Current,
    /// Newer than the one in use: from now on this one is in use and older ones are dead.
    FirstSeen,
    /// Replaced by a newer one that was seen already: a clone, or a restored disk.
    Dead,
}

/// Judges a presented generation against the newest that was seen.
pub const fn judge_generation(presented: u32, newest_seen: u32) -> GenerationVerdict {
    if presented < newest_seen {
        GenerationVerdict::Dead
    } else if presented == newest_seen {
        GenerationVerdict::Current
    } else {
        GenerationVerdict::FirstSeen
    }
}
