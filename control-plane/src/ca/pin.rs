//! Pins: the digest of a public key, by which an agent that trusts nobody yet recognises the one it was told of.

use std::fmt;

use ring::digest::{SHA256, digest};
use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// SHA-256 of a certificate's SubjectPublicKeyInfo, DER (RFC 7469, section 2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpkiPin(String);

impl SpkiPin {
    /// The pin of a SubjectPublicKeyInfo, DER.
    pub(super) fn of_key_info(info: &[u8]) -> Self {
        Self(format!("sha256:{}", hex::encode(digest(&SHA256, info))))
    }

    /// Its first eight digits, for a name that people see.
    pub(super) fn short(&self) -> &str {
        let digits = self.0.trim_start_matches("sha256:");
        digits.get(..8).unwrap_or(digits)
    }

    /// `sha256:` and 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpkiPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The pin of a certificate; none if it can't be read.
pub fn spki_pin(certificate: &CertificateDer<'_>) -> Option<SpkiPin> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    Some(SpkiPin::of_key_info(certificate.public_key().raw))
}
