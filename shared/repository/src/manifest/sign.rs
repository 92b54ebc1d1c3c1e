//! Signatures over payloads: Ed25519 (RFC 8032), with keys that outlive certificates and whose public halves are in the
//! recovery kit.
//!
//! What is signed is `dataguardian-manifest-v1:` + the signer's role + a line feed + the payload. So a signature holds for a
//! manifest only, and one of an agent does not pass for the control plane's.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::id::{SignerId, sha256};
use crate::keys::{NoRandomness, random};

/// As whom somebody signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signer {
    /// The agent that made the backup.
    Agent,
    /// The control plane that committed it.
    ControlPlane,
}

impl Signer {
    /// The name in manifests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::ControlPlane => "control-plane",
        }
    }

    fn message(self, payload: &[u8]) -> Vec<u8> {
        [
            b"dataguardian-manifest-v1:",
            self.as_str().as_bytes(),
            b"\n",
            payload,
        ]
        .concat()
    }
}

/// A signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// As whom it was made.
    pub signer: Signer,
    /// The key that checks it.
    pub key: SignerId,
    /// The 64 bytes of the signature.
    #[serde(
        rename = "signature",
        serialize_with = "to_base64",
        deserialize_with = "from_base64"
    )]
    pub bytes: Vec<u8>,
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text).map_err(serde::de::Error::custom)
}

/// Bytes that are no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not an Ed25519 key")]
pub struct InvalidSigningKey;

/// The secret half of a key pair.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
}

impl SigningKey {
    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        // Every 32 bytes are a seed.
        Self::from_bytes(&random::<32>()?).map_err(|_| NoRandomness)
    }

    /// The key with this seed of 32 bytes.
    pub fn from_bytes(seed: &[u8]) -> Result<Self, InvalidSigningKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| InvalidSigningKey)?;
        let seed = Zeroizing::new(seed.try_into().map_err(|_| InvalidSigningKey)?);
        Ok(Self { seed, pair })
    }

    /// Lends the seed to whoever keeps it. Never log or store what this returns in the clear.
    pub fn expose(&self) -> &[u8; 32] {
        &self.seed
    }

    /// The public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; VerifyingKey::LEN];
        bytes.copy_from_slice(self.pair.public_key().as_ref());
        VerifyingKey(bytes)
    }

    /// Signs a payload.
    pub fn sign(&self, signer: Signer, payload: &[u8]) -> Signature {
        Signature {
            signer,
            key: self.verifying_key().id(),
            bytes: self.pair.sign(&signer.message(payload)).as_ref().to_vec(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, …)", self.verifying_key().id())
    }
}

/// The public half of a key pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// Its length in bytes.
    pub const LEN: usize = 32;

    /// The key that these bytes are. Any 32 bytes are taken; with some no signature is ever good.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSigningKey> {
        bytes.try_into().map(Self).map_err(|_| InvalidSigningKey)
    }

    /// The bytes of the key.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Its name in signatures: the first 16 bytes of its SHA-256.
    pub fn id(&self) -> SignerId {
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = sha256(&self.0);
        SignerId::from_bytes(id)
    }

    /// Whether the signature is this key's over that payload.
    pub fn accepts(&self, signature: &Signature, payload: &[u8]) -> bool {
        signature.key == self.id()
            && UnparsedPublicKey::new(&ED25519, self.0)
                .verify(&signature.signer.message(payload), &signature.bytes)
                .is_ok()
    }
}

/// A signature that was checked and found good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedSignature {
    /// As whom it was made.
    pub signer: Signer,
    /// The key.
    pub key: SignerId,
}

/// A payload that nobody trusted vouches for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// No signature by a trusted key.
    #[error("it is signed by no key that is trusted here (signed by {})", shown(.signers))]
    NoTrustedSignature {
        /// Whose signatures there are.
        signers: Vec<SignerId>,
    },
    /// The payload or the signature was changed.
    #[error("it has a {} signature by key {key} that does not hold: it was changed", .signer.as_str())]
    BadSignature {
        /// As whom it claims to be made.
        signer: Signer,
        /// The trusted key.
        key: SignerId,
    },
}

fn shown(signers: &[SignerId]) -> String {
    let ids: Vec<_> = signers.iter().take(8).map(ToString::to_string).collect();
    if ids.is_empty() {
        "nobody".to_owned()
    } else {
        ids.join(", ")
    }
}

pub(super) fn verify(
    payload: &[u8],
    signatures: &[Signature],
    trusted: &[VerifyingKey],
) -> Result<Vec<VerifiedSignature>, Untrusted> {
    let mut verified = Vec::new();
    for signature in signatures {
        let Some(key) = trusted.iter().find(|key| key.id() == signature.key) else {
            continue;
        };
        let (signer, key_id) = (signature.signer, signature.key);
        if !key.accepts(signature, payload) {
            return Err(Untrusted::BadSignature { signer, key: key_id });
        }
        verified.push(VerifiedSignature { signer, key: key_id });
    }
    if verified.is_empty() {
        let signers = signatures.iter().map(|signature| signature.key).collect();
        return Err(Untrusted::NoTrustedSignature { signers });
    }
    Ok(verified)
}
