//! The key of a certificate that was asked for and is not in use yet.
//!
//! It is written down before it is asked with, and asked with again until the answer is written down. So whatever moment the
//! agent dies at, it holds the key of every certificate that it may get, and the control plane counts one generation, not one
//! for each try:
//!
//! | dies | finds | does |
//! |---|---|---|
//! | before it asks, or the answer is lost | old identity, pending key | asks again with that key |
//! | with the answer, before it is written down | the same | the same: the answer is a certificate of the same generation |
//! | after the new identity is written down | new identity, the same key pending | forgets the pending key |
//!
//! The old certificate stays good until the new one is seen at a handshake, which is after the new identity was written down.

use rcgen::KeyPair;
use serde::{Deserialize, Serialize};

use super::{Identity, IdentityError};
use crate::state::StateDir;

const PENDING_FILE: &str = "pending.json";

/// A key that is durable, and not in use yet.
#[derive(Debug)]
pub struct PendingKey {
    /// The key.
    pub key: KeyPair,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    key_pem: String,
}

impl PendingKey {
    /// The key that was asked with before, or else a new one, written down.
    pub fn load_or_make(state: &StateDir, identity: &Identity) -> Result<Self, IdentityError> {
        if let Some(key) = Self::load(state)?
            && key.serialize_pem() != identity.certificate.key_pem
        {
            return Ok(Self { key });
        }
        let key = KeyPair::generate()?;
        let stored = Stored {
            key_pem: key.serialize_pem(),
        };
        let text = serde_json::to_vec_pretty(&stored).map_err(|error| IdentityError::Damaged {
            file: PENDING_FILE,
            reason: error.to_string(),
        })?;
        state.write(PENDING_FILE, &text)?;
        Ok(Self { key })
    }

    /// The key is in use, and its identity written down.
    pub fn forget(state: &StateDir) -> Result<(), IdentityError> {
        Ok(state.remove(PENDING_FILE)?)
    }

    /// A file that can't be read must not keep the agent from its next certificate: nothing depends on that key yet.
    fn load(state: &StateDir) -> Result<Option<KeyPair>, IdentityError> {
        let Some(text) = state.read(PENDING_FILE)? else {
            return Ok(None);
        };
        let stored = serde_json::from_slice::<Stored>(&text).map_err(|error| error.to_string());
        let key =
            stored.and_then(|stored| KeyPair::from_pem(&stored.key_pem).map_err(|error| error.to_string()));
        Ok(key
            .inspect_err(|reason| tracing::warn!(reason, "{PENDING_FILE} can't be read; a new key is made"))
            .ok())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use dataguardian_core::ids::{AgentId, ControlPlaneId};

    use super::*;
    use crate::identity::{CertificateBundle, Endpoint};

    fn identity(key_pem: String) -> Identity {
        Identity {
            agent_id: AgentId::new(),
            agent_name: "db1".into(),
            control_plane_id: ControlPlaneId::new(),
            endpoint: Endpoint {
                host: "localhost".into(),
                port: 1,
                server_name: "x".into(),
            },
            certificate: CertificateBundle {
                key_pem,
                chain_pem: String::new(),
                authorities_pem: String::new(),
                life_seconds: 60,
                received_at: DateTime::UNIX_EPOCH,
            },
        }
    }

    #[test]
    fn a_key_is_kept_until_it_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let pending = |identity: &Identity| {
            PendingKey::load_or_make(&state, identity)
                .unwrap()
                .key
                .serialize_pem()
        };
        let old = identity(String::new());
        let first = pending(&old);
        assert_eq!(pending(&old), first, "the answer was lost");
        let new = identity(first.clone());
        let second = pending(&new);
        assert_ne!(second, first, "that one is in use, and was not forgotten");
        PendingKey::forget(&state).unwrap();
        PendingKey::forget(&state).unwrap();
        assert_ne!(pending(&new), second);
    }

    #[test]
    fn a_damaged_file_keeps_nobody_from_renewing() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        state.write(PENDING_FILE, b"{\"key_pem\": \"x").unwrap();
        let old = identity(String::new());
        let made = PendingKey::load_or_make(&state, &old)
            .unwrap()
            .key
            .serialize_pem();
        assert_eq!(
            PendingKey::load_or_make(&state, &old)
                .unwrap()
                .key
                .serialize_pem(),
            made
        );
    }
}
