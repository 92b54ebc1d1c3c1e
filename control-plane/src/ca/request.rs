//! Reading a request for a certificate (PKCS #10, RFC 2986). It comes from somebody who may not be an agent yet.

use rcgen::SubjectPublicKeyInfo;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

/// The largest request that is read. One with an RSA key of 4096 bits has about 1,700 bytes.
pub const MAX_REQUEST_BYTES: usize = 8 * 1024;

/// A request whose sender has proved to hold the private key. Only the public key is taken from it.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    public_key: SubjectPublicKeyInfo,
    key_info: Vec<u8>,
}

/// A request that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// No bytes.
    #[error("must not be empty")]
    Empty,
    /// More than [`MAX_REQUEST_BYTES`].
    #[error("is {0} bytes long; at most {MAX_REQUEST_BYTES} are allowed")]
    TooLong(usize),
    /// Not a request in DER.
    #[error("is not a PKCS #10 certificate request in DER")]
    Unreadable,
    /// The signature is not that of the key in it.
    #[error("has a signature that is not made with its own key")]
    Signature,
    /// It wants a certificate that can make certificates.
    #[error("asks to be an authority, which no agent can be")]
    AsksForAuthority,
    /// A kind of key that we make no certificates for.
    #[error("has a key of a kind that is not accepted: use ECDSA on P-256 or P-384, or Ed25519")]
    KeyKind,
}

impl CertificateRequest {
    /// Reads and checks a request.
    pub fn parse(der: &[u8]) -> Result<Self, InvalidRequest> {
        if der.is_empty() {
            return Err(InvalidRequest::Empty);
        }
        if der.len() > MAX_REQUEST_BYTES {
            return Err(InvalidRequest::TooLong(der.len()));
        }
        let (rest, request) =
            X509CertificationRequest::from_der(der).map_err(|_| InvalidRequest::Unreadable)?;
        if !rest.is_empty() {
            return Err(InvalidRequest::Unreadable);
        }
        if request
            .requested_extensions()
            .into_iter()
            .flatten()
            .any(asks_for_authority)
        {
            return Err(InvalidRequest::AsksForAuthority);
        }
        let key_info = request.certification_request_info.subject_pki.raw;
        let public_key = SubjectPublicKeyInfo::from_der(key_info).map_err(|_| InvalidRequest::KeyKind)?;
        if !is_accepted(&public_key) {
            return Err(InvalidRequest::KeyKind);
        }
        request
            .verify_signature()
            .map_err(|_| InvalidRequest::Signature)?;
        Ok(Self {
            public_key,
            key_info: key_info.to_vec(),
        })
    }

    pub(super) const fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.public_key
    }

    /// The key's SubjectPublicKeyInfo, DER: tells whether two requests are for the same key.
    pub fn key_info(&self) -> &[u8] {
        &self.key_info
    }
}

fn asks_for_authority(extension: &ParsedExtension<'_>) -> bool {
    match extension {
        ParsedExtension::BasicConstraints(constraints) => constraints.ca,
        ParsedExtension::KeyUsage(usage) => usage.key_cert_sign() || usage.crl_sign(),
        _ => false,
    }
}

fn is_accepted(key: &SubjectPublicKeyInfo) -> bool {
    use rcgen::PublicKeyData as _;
    let accepted = [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
    ];
    accepted.contains(&key.algorithm())
}
