//! Codes of authenticator apps (TOTP, RFC 6238: HMAC-SHA-1, six digits, steps of 30 s, which is what all apps do), and the
//! recovery codes for when the app is lost.

use std::fmt;

use chrono::{DateTime, Utc};
use dataguardian_core::secret::{Secret, SecretBytes};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::Zeroizing;

use super::SecretsError;
use super::token::{equal, sha256};

/// Bytes of a secret, as RFC 4226 recommends.
const SECRET: usize = 20;
/// Seconds of a step.
const STEP: i64 = 30;
/// Codes of so many steps before and after now count: clocks differ, and typing takes its time.
const DRIFT: i64 = 1;
/// Recovery codes that are made at a time.
pub const RECOVERY_CODES: usize = 10;
/// Random bytes of a recovery code: nobody guesses 80 bits, so that a plain hash keeps them.
const RECOVERY: usize = 10;

/// What an authenticator app and we have in common.
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(…)")
    }
}

impl TotpSecret {
    /// A new one.
    pub fn generate() -> Result<Self, SecretsError> {
        Ok(Self(random(SECRET)?))
    }

    /// The one of these bytes.
    pub fn from_bytes(bytes: &SecretBytes) -> Self {
        Self(Zeroizing::new(bytes.expose().to_vec()))
    }

    /// Its bytes, to be sealed.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// As it is typed into an app.
    pub fn base32(&self) -> Secret {
        Secret::new(base32(&self.0))
    }

    /// As apps read it from a QR code (the "Key Uri Format" that they agree on).
    pub fn uri(&self, account: &str) -> Secret {
        let account = escaped(account);
        let secret = self.base32();
        Secret::new(format!(
            "otpauth://totp/DataGuardian:{account}?secret={}&issuer=DataGuardian",
            secret.expose()
        ))
    }

    /// The step whose code this is, around `now`; none if it is no code of theirs. A step counts once, which is for the caller
    /// to see to.
    pub fn step_of(&self, code: &Secret, now: DateTime<Utc>) -> Option<i64> {
        let code = code.expose().trim();
        let current = now.timestamp().div_euclid(STEP);
        (current - DRIFT..=current + DRIFT).fold(None, |found, step| {
            let right = equal(self.code(step).expose().as_bytes(), code.as_bytes());
            if right { Some(step) } else { found }
        })
    }

    fn code(&self, step: i64) -> Secret {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let bytes = tag.as_ref();
        let offset = bytes.last().map_or(0, |last| usize::from(last & 0x0f));
        let number = bytes
            .iter()
            .skip(offset)
            .take(4)
            .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
        Secret::new(format!("{:06}", (number & 0x7fff_ffff) % 1_000_000))
    }
}

/// A recovery code, to be shown once, and what to store of it.
#[derive(Debug)]
pub struct RecoveryCode {
    /// `xxxx-xxxx-xxxx-xxxx`.
    pub text: Secret,
    /// What to store.
    pub sha256: [u8; 32],
}

impl RecoveryCode {
    /// A new one.
    pub fn generate() -> Result<Self, SecretsError> {
        let letters = Zeroizing::new(base32(&random(RECOVERY)?).to_lowercase());
        let mut text = Zeroizing::new(String::with_capacity(19));
        for (index, letter) in letters.chars().enumerate() {
            if index > 0 && index % 4 == 0 {
                text.push('-');
            }
            text.push(letter);
        }
        let text = Secret::new(text.as_str());
        Ok(Self {
            sha256: recovery_sha256(&text),
            text,
        })
    }
}

/// What is stored of the recovery code that somebody typed, with or without its dashes.
pub fn recovery_sha256(typed: &Secret) -> [u8; 32] {
    let plain = |c: &char| c.is_ascii_alphanumeric();
    let letters = typed.expose().chars().filter(plain);
    let text = Zeroizing::new(letters.map(|c| c.to_ascii_lowercase()).collect::<String>());
    sha256(text.as_bytes())
}

fn random(length: usize) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| SecretsError::NoRandomness)?;
    Ok(bytes)
}

/// Base32 without padding (RFC 4648).
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut text, mut buffer, mut bits) = (String::new(), 0_u32, 0);
    let mut push = |value: u32| text.push(char::from(ALPHABET[(value & 31) as usize]));
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            push(buffer >> bits);
        }
    }
    if bits > 0 {
        push(buffer << (5 - bits));
    }
    text
}

/// Everything but letters and digits in percent encoding (RFC 3986).
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// The last six digits of the test vectors of RFC 6238, appendix B.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = secret.step_of(&Secret::new(code), at(seconds));
            assert_eq!(step, Some(seconds / 30), "{seconds}");
            assert_eq!(secret.step_of(&Secret::new(code), at(seconds + 90)), None);
        }
        assert_eq!(secret.step_of(&Secret::new(""), at(59)), None);
    }

    #[test]
    fn a_secret_is_written_as_apps_read_it() {
        let secret = TotpSecret(Zeroizing::new(b"12345678901234567890".to_vec()));
        assert_eq!(secret.base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(
            secret.uri("ada lovelace").expose(),
            "otpauth://totp/DataGuardian:ada%20lovelace?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=DataGuardian"
        );
        assert_eq!(base32(b"f"), "MY");
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let code = RecoveryCode::generate().unwrap();
        assert_eq!(code.text.expose().len(), 19);
        let typed = format!(" {} ", code.text.expose().replace('-', "").to_uppercase());
        assert_eq!(recovery_sha256(&Secret::new(typed)), code.sha256);
        assert_ne!(RecoveryCode::generate().unwrap().sha256, code.sha256);
    }
}
