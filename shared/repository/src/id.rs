//! Names of stored things. They are made from contents, never drawn by lot, and are written as lower-case hexadecimal.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the hexadecimal name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind}: expected {digits} lower-case hexadecimal digits")]
pub struct InvalidName {
    /// What was expected.
    pub kind: &'static str,
    /// How many digits it has.
    pub digits: usize,
    /// The text as it was given, cut to 80 characters.
    pub text: String,
}

macro_rules! hex_ids {
    ($($(#[$doc:meta])* $name:ident, $len:literal, $kind:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Its length in bytes.
            pub const LEN: usize = $len;

            /// The name that these bytes are.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes of the name.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let mut bytes = [0; $len];
                let lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if lower_case => Ok(Self(bytes)),
                    _ => Err(InvalidName { kind: $kind, digits: 2 * $len, text: text.chars().take(80).collect() }),
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&hex::encode(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

hex_ids! {
    /// A chunk: SHA-256 of its raw bytes, or HMAC-SHA256 of them under the datasource's id key where backups are encrypted.
    ChunkId, 32, "chunk id";
    /// A pack: SHA-256 of its stored bytes.
    PackId, 32, "pack id";
    /// A list: SHA-256 of its stored bytes.
    ListId, 32, "list id";
    /// A stream's contents: SHA-256 over the ids of its chunks in order. Made by [`crate::digest::StreamDigest`].
    Digest, 32, "stream digest";
    /// A data key: derived from it, and says nothing about it.
    KeyId, 16, "key id";
    /// A public key that checks signatures: the first 16 bytes of its SHA-256.
    SignerId, 16, "signer id";
}

/// SHA-256 (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    output.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    output
}

impl PackId {
    /// The name of the pack with these stored bytes.
    pub fn of(stored: &[u8]) -> Self {
        Self(sha256(stored))
    }
}

impl ListId {
    /// The name of the list with these stored bytes.
    pub fn of(stored: &[u8]) -> Self {
        Self(sha256(stored))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_text_and_json() {
        let id = PackId::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!(
            serde_json::from_str::<PackId>(&format!("\"{text}\"")).unwrap(),
            id
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        let id = PackId::of(b"abc").to_string();
        for wrong in [
            &id.to_uppercase(),
            &id[1..],
            "",
            &format!("{id}00"),
            &id.replace('b', "g"),
        ] {
            assert!(wrong.parse::<PackId>().is_err(), "{wrong}");
        }
    }
}
