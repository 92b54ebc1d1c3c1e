//! Who the agent is: its keys, its certificate, and whom it trusts.
//!
//! Private keys are made here and never leave the host. They are written down before the first request that names them,
//! so that a lost answer can be asked for again with the same key. The agent never deletes its keys.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, ControlPlaneId};
use dataguardian_repository::manifest::SigningKey;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use serde::{Deserialize, Serialize};

use crate::state::{self, StateDir, StateError};

mod pending;

pub use pending::PendingKey;

const KEYS_FILE: &str = "keys.json";
const IDENTITY_FILE: &str = "identity.json";

/// A wall clock that shows so much less than when the certificate was received was set back.
const SET_BACK: TimeDelta = TimeDelta::minutes(5);

/// The agent's private keys.
pub struct AgentKeys {
    /// For the connection to the control plane.
    pub device: KeyPair,
    /// For signing manifests. Outlives certificates.
    pub signing: SigningKey,
}

/// What the control plane made of an agent when it enrolled. No secret, but for the device key of this certificate.
#[derive(Clone, Serialize, Deserialize)]
pub struct Identity {
    /// The agent's id.
    pub agent_id: AgentId,
    /// The agent's name.
    pub agent_name: String,
    /// The control plane that owns it.
    pub control_plane_id: ControlPlaneId,
    /// Where the agent listener is.
    pub endpoint: Endpoint,
    /// The certificate that is in use.
    pub certificate: CertificateBundle,
}

/// Where the agent listener is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The name that its certificate must have.
    pub server_name: String,
}

/// A certificate with its key and the authorities that go with it, in PEM (RFC 7468).
#[derive(Clone, Serialize, Deserialize)]
pub struct CertificateBundle {
    /// PKCS #8.
    pub key_pem: String,
    /// The agent's own certificate first.
    pub chain_pem: String,
    /// Whom to trust on the agent listener.
    pub authorities_pem: String,
    /// How many seconds it was good for when it was received.
    pub life_seconds: u64,
    /// When it was received, by the agent's own clock.
    pub received_at: DateTime<Utc>,
}

/// The identity can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The state directory can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// A file in it is not what it should be.
    #[error(
        "{file} in the state directory is damaged: {reason}; enroll this host with another state directory, with a token from `dgctl \
         agent token create --for` and the agent's name"
    )]
    Damaged {
        /// Which one.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A key or a request can't be made.
    #[error("the device key can't be made or used")]
    Key(#[from] rcgen::Error),
    /// A signing key can't be made.
    #[error("the signing key can't be made: {0}")]
    Signing(String),
    /// The agent has not enrolled yet.
    #[error("this agent has not enrolled yet: run `dataguardian-agent enroll` first")]
    NotEnrolled,
}

#[derive(Serialize, Deserialize)]
struct StoredKeys {
    device_pem: String,
    signing_hex: String,
}

impl AgentKeys {
    /// The keys in the state directory; made, and durable, if there were none.
    pub fn load_or_make(state: &StateDir) -> Result<Self, IdentityError> {
        if let Some(keys) = Self::load(state)? {
            return Ok(keys);
        }
        let device = KeyPair::generate()?;
        let signing = SigningKey::generate().map_err(|error| IdentityError::Signing(error.to_string()))?;
        let stored = StoredKeys {
            device_pem: device.serialize_pem(),
            signing_hex: hex::encode(signing.expose()),
        };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| IdentityError::Damaged {
            file: KEYS_FILE,
            reason: error.to_string(),
        })?;
        state.write(KEYS_FILE, &text)?;
        Ok(Self { device, signing })
    }

    /// The keys in the state directory, if there are any.
    pub fn load(state: &StateDir) -> Result<Option<Self>, IdentityError> {
        let damaged = |reason: String| IdentityError::Damaged {
            file: KEYS_FILE,
            reason,
        };
        let Some(text) = state.read(KEYS_FILE)? else {
            return Ok(None);
        };
        let stored: StoredKeys = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let signing = hex::decode(&stored.signing_hex).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(Self {
            device: KeyPair::from_pem(&stored.device_pem)?,
            signing: SigningKey::from_bytes(&signing).map_err(|error| damaged(error.to_string()))?,
        }))
    }
}

/// A request for a certificate for this key (PKCS #10, RFC 2986), DER. It asks for nothing: what a certificate of ours
/// says is the server's decision alone.
pub fn certificate_request(key: &KeyPair) -> Result<Vec<u8>, IdentityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(key)?.der().to_vec())
}

impl Identity {
    /// The identity in the state directory.
    pub fn load(state: &StateDir) -> Result<Self, IdentityError> {
        Self::parse(state.read(IDENTITY_FILE)?)
    }

    /// The identity in a state directory that is another user's: nothing in it is made or opened for writing.
    pub fn look(state_dir: &Path) -> Result<Self, IdentityError> {
        Self::parse(state::read(&state_dir.join(IDENTITY_FILE))?)
    }

    fn parse(text: Option<Vec<u8>>) -> Result<Self, IdentityError> {
        let text = text.ok_or(IdentityError::NotEnrolled)?;
        let damaged = |error: serde_json::Error| IdentityError::Damaged {
            file: IDENTITY_FILE,
            reason: error.to_string(),
        };
        serde_json::from_slice(&text).map_err(damaged)
    }

    /// Writes the identity down, durably and at once.
    pub fn save(&self, state: &StateDir) -> Result<(), IdentityError> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| IdentityError::Damaged {
            file: IDENTITY_FILE,
            reason: error.to_string(),
        })?;
        Ok(state.write(IDENTITY_FILE, &text)?)
    }
}

impl CertificateBundle {
    /// Whether it is time for the next certificate: after a third of this one's life. `held` is for how long this process has
    /// had it.
    ///
    /// Only lengths of time count, since clocks may be wrong and be moved: by the wall clock, which also counts the time that
    /// the machine sleeps or the agent is off, or by the time that the process has run. A wall clock that was set back
    /// tells nothing, so that a new certificate is fetched right away.
    pub fn is_due(&self, now: DateTime<Utc>, held: Duration) -> bool {
        let third = Duration::from_secs(self.life_seconds / 3);
        let age = now - self.received_at;
        held >= third || age < -SET_BACK || age.to_std().is_ok_and(|age| age >= third)
    }
}

/// Certificates as PEM, one after the other.
pub fn certificates_to_pem(certificates: &[Vec<u8>]) -> String {
    use base64::Engine as _;
    let mut pem = String::new();
    for der in certificates {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        pem.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in text.as_bytes().chunks(64) {
            pem.push_str(&String::from_utf8_lossy(line));
            pem.push('\n');
        }
        pem.push_str("-----END CERTIFICATE-----\n");
    }
    pem
}

impl std::fmt::Debug for AgentKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentKeys(…)")
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("agent_id", &self.agent_id)
            .field("endpoint", &self.endpoint)
            .finish()
    }
}

impl std::fmt::Debug for CertificateBundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateBundle")
            .field("received_at", &self.received_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(received_at: DateTime<Utc>) -> CertificateBundle {
        CertificateBundle {
            key_pem: String::new(),
            chain_pem: String::new(),
            authorities_pem: String::new(),
            life_seconds: 24 * 3600,
            received_at,
        }
    }

    #[test]
    fn a_certificate_is_due_after_a_third_of_its_life_by_either_clock() {
        let start = DateTime::UNIX_EPOCH;
        let due = |wall: i64, held: u64| {
            bundle(start).is_due(start + TimeDelta::hours(wall), Duration::from_secs(held * 3600))
        };
        assert!(!due(0, 0) && !due(7, 7));
        assert!(due(8, 0), "the machine slept, or the agent was off");
        assert!(
            due(0, 8),
            "the wall clock stands still, or was set back bit by bit"
        );
        assert!(due(40 * 24, 0));
    }

    #[test]
    fn clocks_that_were_moved_cost_one_early_renewal_at_most() {
        let start = DateTime::UNIX_EPOCH;
        for moved in [-24, 24] {
            let now = start + TimeDelta::hours(moved);
            assert!(bundle(start).is_due(now, Duration::ZERO), "moved by {moved} h");
            assert!(!bundle(now).is_due(now + TimeDelta::hours(1), Duration::ZERO));
        }
        assert!(!bundle(start).is_due(start - TimeDelta::minutes(4), Duration::ZERO));
    }
}
