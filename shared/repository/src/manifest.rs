//! Manifests: what makes a backup. A backup exists when its manifest does, never before, and everything it needs is named
//! in it.
//!
//! A manifest is a payload and signatures over the payload's bytes as they stand, never over a re-encoding. The payload has a
//! clear part ([`Outline`]), from which anyone can check that all packs and lists are there and nothing needed is collected
//! as garbage, and [`Contents`], which are sealed where backups are encrypted.
//!
//! Sources: Ed25519, RFC 8032; JSON, RFC 8259.

use serde::{Deserialize, Serialize};

mod contents;
mod payload;
mod sign;
mod wire;

pub use contents::{Contents, DatabaseSnapshot, Figures, ListRef, MissingDatabase, SnapshotPosition, Stream};
pub use payload::{Encryption, Outline, Payload, PayloadError, StoredObject};
pub use sign::{
    InvalidSigningKey, Signature, Signer, SigningKey, Untrusted, VerifiedSignature, VerifyingKey,
};

/// The largest manifest that is read, in bytes.
pub const MAX_MANIFEST_LEN: u64 = 256 << 20;

/// A manifest as stored: `{"payload": "…", "signatures": […]}`, the payload being a JSON text within the JSON text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    payload: String,
    /// Who vouches for the payload.
    pub signatures: Vec<Signature>,
}

/// Bytes that are no manifest.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// Not the JSON it should be.
    #[error("it is no manifest")]
    Json(#[from] serde_json::Error),
    /// A payload is JSON, and JSON is UTF-8.
    #[error("its payload is not UTF-8")]
    NotUtf8(#[from] std::string::FromUtf8Error),
}

impl Manifest {
    /// A manifest of these parts.
    pub fn new(payload: Vec<u8>, signatures: Vec<Signature>) -> Result<Self, InvalidManifest> {
        Ok(Self {
            payload: String::from_utf8(payload)?,
            signatures,
        })
    }

    /// The payload's bytes as they were signed.
    pub fn payload(&self) -> &[u8] {
        self.payload.as_bytes()
    }

    /// The manifest as it is stored.
    pub fn encode(&self) -> Result<Vec<u8>, InvalidManifest> {
        Ok(serde_json::to_vec(self)?)
    }

    /// Reads a manifest. Nothing in it is to be believed before [`Self::verify`].
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidManifest> {
        Ok(serde_json::from_slice(bytes)?)
    }

    /// Checks the signatures that were made with trusted keys; gives them if there is at least one and all are good.
    /// Signatures by keys that are not among `trusted` prove nothing and are passed over.
    pub fn verify(&self, trusted: &[VerifyingKey]) -> Result<Vec<VerifiedSignature>, Untrusted> {
        sign::verify(self.payload(), &self.signatures, trusted)
    }
}

#[cfg(test)]
mod tests;
