//! The control plane's own authority: who makes the certificates of agents and of our listeners.
//!
//! A certificate is always built from fresh parameters. Of what a requester sends only the public key is used, and only
//! once the request's own signature has proved that the requester holds the private half; what else a request asks for
//! never gets into a certificate. The authority's key lives in memory, and sealed in the metadata database.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::AgentId;
use dataguardian_core::secret::SecretBytes;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType, SerialNumber,
};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::{CertificateDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::domain::certificate::IssuedCertificate;

mod agent_certificate;
mod at_work;
mod pin;
mod request;

use at_work::AtWork;

pub use agent_certificate::{AgentCertificate, NotAnAgent};
pub use pin::{SpkiPin, spki_pin};
pub use request::{CertificateRequest, InvalidRequest, MAX_REQUEST_BYTES};

/// How long an agent's certificate is good for, unless the settings say otherwise.
pub const AGENT_CERTIFICATE_LIFE: Duration = Duration::from_secs(24 * 3600);

/// How far back the beginning of an agent's certificate lies. Whether it is good is for our own clock to say.
const BACKDATING: Duration = Duration::from_secs(5 * 60);

/// How far back our own certificates begin, which others look at with clocks that may be days behind.
const OWN_BACKDATING: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a listener's certificate is good for; a new one is made at each start and well before the end.
pub const SERVER_CERTIFICATE_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// How long the authority itself is good for.
const AUTHORITY_LIFE: Duration = Duration::from_secs(20 * 365 * 24 * 3600);

/// The name in the certificate of the agent listener, wherever it listens.
pub const AGENT_SERVER_NAME: &str = "agents.dataguardian.internal";

/// An authority as it is kept: certificates in the open, key only sealed.
#[derive(Debug, Clone)]
pub struct AuthorityMaterial {
    /// The certificate, by itself, DER.
    pub certificate: Vec<u8>,
    /// The certificate, by the authority before it, DER: leads whoever trusts that one to this.
    pub bridge: Option<Vec<u8>>,
    /// The private key, PKCS #8.
    pub key: SecretBytes,
}

/// The authority at work: one signs, those before it are trusted too. They can be replaced while it works.
pub struct Authority {
    at_work: RwLock<Arc<AtWork>>,
    clock: SharedClock,
    agent_life: Duration,
}

/// A certificate with its private key, for a listener of ours.
#[derive(Debug)]
pub struct ServerIdentity {
    /// The listener's own certificate first, then a way to each authority that is trusted.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key.
    pub key: PrivateKeyDer<'static>,
    /// When it ends.
    pub not_after: DateTime<Utc>,
}

/// The authority can't do its work.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A certificate or key can't be made or read.
    #[error("a certificate can't be made")]
    Certificate(#[from] rcgen::Error),
    /// A text that can't be in a certificate.
    #[error("{0:?} can't be a name in a certificate")]
    Name(String),
    /// None was given.
    #[error("there is no authority")]
    None,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

impl AuthorityMaterial {
    /// A new authority; the first, or the one after `before`.
    pub fn generate(clock: &SharedClock, before: Option<&Self>) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let pin = SpkiPin::of_key_info(&key.subject_public_key_info());
        // A name of its own, so that nobody takes one authority's certificate for the other's.
        let name = format!("DataGuardian authority {}", pin.short());
        let mut params = parameters(&name, clock.now(), AUTHORITY_LIFE)?;
        backdate(&mut params);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let bridge = before.map(|before| bridge(&params, &key, before)).transpose()?;
        Ok(Self {
            certificate: params.self_signed(&key)?.der().to_vec(),
            bridge,
            key: SecretBytes::new(key.serialize_der()),
        })
    }

    /// The pin of its key.
    pub fn pin(&self) -> Option<SpkiPin> {
        spki_pin(&CertificateDer::from(self.certificate.as_slice()))
    }
}

/// The same certificate, signed by the authority before it and with a serial number of its own.
fn bridge(
    params: &CertificateParams,
    key: &KeyPair,
    before: &AuthorityMaterial,
) -> Result<Vec<u8>, AuthorityError> {
    let mut params = params.clone();
    params.serial_number = Some(serial_number()?);
    params.use_authority_key_identifier_extension = true;
    Ok(params.signed_by(key, &issuer(before)?)?.der().to_vec())
}

fn issuer(material: &AuthorityMaterial) -> Result<Issuer<'static, KeyPair>, AuthorityError> {
    let key = PrivatePkcs8KeyDer::from(material.key.expose());
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)?;
    Ok(Issuer::from_ca_cert_der(
        &CertificateDer::from(material.certificate.as_slice()),
        key,
    )?)
}

impl Authority {
    /// The authorities, the one that signs first, ready to work. Agents' certificates live for `agent_life`.
    pub fn open(
        materials: &[AuthorityMaterial],
        clock: SharedClock,
        agent_life: Duration,
    ) -> Result<Self, AuthorityError> {
        Ok(Self {
            at_work: RwLock::new(Arc::new(AtWork::open(materials)?)),
            clock,
            agent_life,
        })
    }

    /// Others are at work from now on. False if they are those that were.
    pub fn replace(&self, materials: &[AuthorityMaterial]) -> Result<bool, AuthorityError> {
        let fresh = AtWork::open(materials)?;
        if fresh.trusted == self.at_work().trusted {
            return Ok(false);
        }
        *self.at_work.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        Ok(true)
    }

    /// Whom to trust, the one that signs first.
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        self.at_work().trusted.clone()
    }

    /// The certificate of the one that signs, PEM (RFC 7468).
    pub fn certificate_pem(&self) -> String {
        let trusted = self.trusted();
        trusted
            .first()
            .map_or_else(String::new, |signer| pem("CERTIFICATE", signer))
    }

    /// The pin with which an agent recognises the authority before it trusts anything.
    pub fn pin(&self) -> SpkiPin {
        self.at_work().pin()
    }

    /// By what it tells the time.
    pub const fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// How long agents' certificates live.
    pub const fn agent_life(&self) -> Duration {
        self.agent_life
    }

    /// Whether a certificate, whose chain has been checked, was made by the one that signs now.
    pub fn has_made(&self, certificate: &CertificateDer<'_>) -> bool {
        let at_work = self.at_work();
        let names = at_work.trusted.first().zip(Some(certificate));
        names.is_some_and(|(signer, certificate)| agent_certificate::is_issued_by(certificate, signer))
    }

    fn at_work(&self) -> Arc<AtWork> {
        Arc::clone(&self.at_work.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes an agent's certificate for the requester's public key.
    pub fn issue_agent(
        &self,
        agent: AgentId,
        request: &CertificateRequest,
    ) -> Result<IssuedCertificate, AuthorityError> {
        let (now, at_work) = (self.clock.now(), self.at_work());
        let mut params = parameters(&format!("agent {agent}"), now, self.agent_life)?;
        let uri = agent_certificate::uri(agent);
        let uri = uri.clone().try_into().map_err(|_| AuthorityError::Name(uri))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let serial = params
            .serial_number
            .as_ref()
            .map(SerialNumber::to_bytes)
            .unwrap_or_default();
        let certificate = params.signed_by(request.public_key(), &at_work.issuer)?;
        Ok(IssuedCertificate {
            fingerprint: sha256(certificate.der()),
            chain: vec![certificate.der().to_vec()],
            serial: hex::encode(serial),
            issuer: at_work.pin().to_string(),
            not_after: now + self.agent_life,
        })
    }

    /// Makes a certificate and key for a listener that is known by these names and addresses.
    pub fn issue_server(&self, names: &[String]) -> Result<ServerIdentity, AuthorityError> {
        let (now, at_work) = (self.clock.now(), self.at_work());
        let common_name = names.first().map_or("dataguardian", String::as_str);
        let mut params = parameters(common_name, now, SERVER_CERTIFICATE_LIFE)?;
        backdate(&mut params);
        params.subject_alt_names = names
            .iter()
            .map(|name| subject_name(name))
            .collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let certificate = params.signed_by(&key, &at_work.issuer)?;
        let mut chain = vec![certificate.into()];
        chain.extend(at_work.way.iter().cloned());
        Ok(ServerIdentity {
            chain,
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            not_after: now + SERVER_CERTIFICATE_LIFE,
        })
    }
}

/// What every certificate of ours has in common.
fn parameters(
    common_name: &str,
    now: DateTime<Utc>,
    life: Duration,
) -> Result<CertificateParams, AuthorityError> {
    let seconds = Duration::from_secs(u64::try_from(now.timestamp()).unwrap_or_default());
    let begin = rcgen::date_time_ymd(1970, 1, 1) + seconds;
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial_number()?);
    params.not_before = begin - BACKDATING;
    params.not_after = begin + life;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(
        DnType::CommonName,
        common_name.chars().take(64).collect::<String>(),
    );
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn serial_number() -> Result<SerialNumber, AuthorityError> {
    let mut serial = [0_u8; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .map_err(|_| AuthorityError::Random)?;
    // A serial number is positive, and its first byte is not zero (RFC 5280, section 4.1.2.2).
    serial[0] = (serial[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

/// Lets a certificate of our own begin early enough for clocks that are behind.
fn backdate(params: &mut CertificateParams) {
    params.not_before = params.not_before + BACKDATING - OWN_BACKDATING;
}

/// Whether a certificate can be made for this name or address.
pub fn is_name(name: &str) -> bool {
    subject_name(name).is_ok()
}

fn subject_name(name: &str) -> Result<SanType, AuthorityError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || AuthorityError::Name(name.chars().take(64).collect());
    DnsName::try_from(name.strip_prefix("*.").unwrap_or(name)).map_err(|_| refused())?;
    name.to_owned()
        .try_into()
        .map(SanType::DnsName)
        .map_err(|_| refused())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

/// Textual encoding (RFC 7468).
fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().copied().map(char::from));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("pin", &self.pin())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
