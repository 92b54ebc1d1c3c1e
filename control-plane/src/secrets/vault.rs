//! Sealing values for the database: AES-256-GCM, one key per value, those keys wrapped under the master key.
//!
//! ```text
//! 01 | nonce (12) | wrapped value key (32 + 16) | nonce (12) | value + tag (16)
//! ```
//! Both layers are bound to the value's place (table, row, field), so that a sealed value copied to another row or column
//! does not open. A value key of its own for each value means that no nonce of the master key protects more than 32 bytes,
//! and that changing the master key rewrites 76 bytes per value.

use std::fmt;

use dataguardian_core::secret::{Secret, SecretBytes};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::{Zeroize as _, Zeroizing};

use super::SecretsError;
use super::master_key::MasterKey;

const VERSION: u8 = 1;
const TAG: usize = 16;
const KEY: usize = 32;
const HEADER: usize = 1 + NONCE_LEN + KEY + TAG + NONCE_LEN;

/// Where a sealed value lives.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'static str,
    /// The row's id.
    pub row: &'a (dyn fmt::Display + Sync),
    /// The column.
    pub field: &'static str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{}|{}", self.table, self.row, self.field)
    }
}

impl fmt::Debug for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seals and opens values.
pub struct Vault {
    wrapping: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault(…)")
    }
}

impl Vault {
    /// A vault under the master key.
    pub fn new(master: &MasterKey) -> Result<Self, SecretsError> {
        Ok(Self {
            wrapping: key(master.derive("value keys").as_ref())?,
            random: SystemRandom::new(),
        })
    }

    /// Seals a value for its place.
    pub fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let aad = place.to_string();
        let mut value_key = Zeroizing::new([0; KEY]);
        self.fill(value_key.as_mut())?;
        let mut sealed = Vec::with_capacity(HEADER + value.len() + TAG);
        sealed.push(VERSION);
        self.encrypt(&self.wrapping, &aad, value_key.as_ref(), &mut sealed)?;
        self.encrypt(&key(value_key.as_ref())?, &aad, value, &mut sealed)?;
        Ok(sealed)
    }

    /// Seals a text for its place.
    pub fn seal_text(&self, place: Place<'_>, value: &Secret) -> Result<Vec<u8>, SecretsError> {
        self.seal(place, value.expose().as_bytes())
    }

    /// Opens what was sealed for that place.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<SecretBytes, SecretsError> {
        let aad = place.to_string();
        let damaged = || SecretsError::Unopenable(aad.clone());
        let (version, rest) = sealed.split_first().ok_or_else(damaged)?;
        if *version != VERSION {
            return Err(SecretsError::NewerVersion(aad));
        }
        let (wrapped, value) = rest.split_at_checked(NONCE_LEN + KEY + TAG).ok_or_else(damaged)?;
        let value_key = Zeroizing::new(decrypt(&self.wrapping, &aad, wrapped).ok_or_else(damaged)?);
        let value = decrypt(&key(&value_key)?, &aad, value).ok_or_else(damaged)?;
        Ok(SecretBytes::new(value))
    }

    /// Opens a text that was sealed for that place.
    pub fn open_text(&self, place: Place<'_>, sealed: &[u8]) -> Result<Secret, SecretsError> {
        let bytes = self.open(place, sealed)?;
        match std::str::from_utf8(bytes.expose()) {
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => Err(SecretsError::Unopenable(place.to_string())),
        }
    }

    fn encrypt(
        &self,
        key: &LessSafeKey,
        aad: &str,
        value: &[u8],
        into: &mut Vec<u8>,
    ) -> Result<(), SecretsError> {
        let mut nonce = [0; NONCE_LEN];
        self.fill(&mut nonce)?;
        into.extend_from_slice(&nonce);
        let mut buffer = Zeroizing::new(value.to_vec());
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                buffer.as_mut_slice(),
            )
            .map_err(|_| SecretsError::Unopenable(aad.to_owned()))?;
        into.extend_from_slice(&buffer);
        into.extend_from_slice(tag.as_ref());
        Ok(())
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), SecretsError> {
        self.random.fill(bytes).map_err(|_| SecretsError::NoRandomness)
    }
}

fn decrypt(key: &LessSafeKey, aad: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, value) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = value.to_vec();
    let opened = key
        .open_in_place(nonce, Aad::from(aad), &mut buffer)
        .ok()
        .map(|plain| plain.len());
    let Some(length) = opened else {
        buffer.zeroize();
        return None;
    };
    buffer.truncate(length);
    Some(buffer)
}

fn key(bytes: &[u8]) -> Result<LessSafeKey, SecretsError> {
    UnboundKey::new(&AES_256_GCM, bytes)
        .map(LessSafeKey::new)
        .map_err(|_| SecretsError::Unopenable("a value key".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(seed: u8) -> Vault {
        Vault::new(&MasterKey::from_bytes([seed; 32], "test")).unwrap()
    }

    fn place<'a>(row: &'a (dyn fmt::Display + Sync), field: &'static str) -> Place<'a> {
        Place {
            table: "datasources",
            row,
            field,
        }
    }

    #[test]
    fn a_value_opens_in_its_place_alone() {
        let vault = vault(1);
        let sealed = vault
            .seal_text(place(&1, "password"), &Secret::new("hunter2"))
            .unwrap();
        let opened = vault.open_text(place(&1, "password"), &sealed).unwrap();
        assert_eq!(opened.expose(), "hunter2");
        for elsewhere in [place(&2, "password"), place(&1, "username")] {
            assert!(matches!(
                vault.open(elsewhere, &sealed),
                Err(SecretsError::Unopenable(_))
            ));
        }
        assert!(
            super::tests::vault(2)
                .open(place(&1, "password"), &sealed)
                .is_err()
        );
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let vault = vault(1);
        let sealed = vault.seal(place(&1, "password"), b"hunter2").unwrap();
        for index in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert!(
                vault.open(place(&1, "password"), &damaged).is_err(),
                "byte {index}"
            );
            assert!(vault.open(place(&1, "password"), &sealed[..index]).is_err());
        }
    }

    #[test]
    fn equal_values_look_different() {
        let vault = vault(1);
        let seal = || vault.seal(place(&1, "password"), b"hunter2").unwrap();
        assert_ne!(seal(), seal());
    }
}
