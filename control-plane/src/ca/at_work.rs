//! The authorities that are at work at one moment.

use rcgen::{Issuer, KeyPair, PublicKeyData as _};
use rustls_pki_types::CertificateDer;

use super::{AuthorityError, AuthorityMaterial, SpkiPin, issuer};

/// One that signs, and those before it.
pub(super) struct AtWork {
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// Certificates by themselves, the one that signs first.
    pub(super) trusted: Vec<CertificateDer<'static>>,
    /// What goes with a listener's certificate: whoever trusts one of the authorities, or knows its pin, finds it in here.
    pub(super) way: Vec<CertificateDer<'static>>,
}

impl AtWork {
    pub(super) fn open(materials: &[AuthorityMaterial]) -> Result<Self, AuthorityError> {
        let owned = |der: &Vec<u8>| CertificateDer::from(der.clone());
        let signer = materials.first().ok_or(AuthorityError::None)?;
        let trusted: Vec<_> = materials
            .iter()
            .map(|material| owned(&material.certificate))
            .collect();
        let last = materials.len() - 1;
        let step = |(place, material): (usize, &AuthorityMaterial)| match &material.bridge {
            Some(bridge) if place < last => owned(bridge),
            Some(_) | None => owned(&material.certificate),
        };
        Ok(Self {
            issuer: issuer(signer)?,
            trusted,
            way: materials.iter().enumerate().map(step).collect(),
        })
    }

    pub(super) fn pin(&self) -> SpkiPin {
        SpkiPin::of_key_info(&self.issuer.key().subject_public_key_info())
    }
}
