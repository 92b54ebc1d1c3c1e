//! Certificates for a server that speaks TLS.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

use super::account::Account;

/// Whether a server speaks TLS.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tls {
    /// It does not.
    #[default]
    Off,
    /// A client may use it.
    Offered,
    /// A client over TCP must use it.
    Required,
}

/// Lays certificate and key into the data directory, for `localhost` and 127.0.0.1, and gives the path of the certificate
/// authority's certificate, which every account may read.
pub(super) fn set_up(directory: &Path, tls: Tls, account: Account) -> Result<PathBuf> {
    let mut authority = CertificateParams::default();
    authority
        .distinguished_name
        .push(DnType::CommonName, "throw-away authority of a test");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

    let key = KeyPair::generate()?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;

    let data = directory.join("data");
    write(&data.join("server.crt"), &certificate.pem(), 0o644, account)?;
    write(&data.join("server.key"), &key.serialize_pem(), 0o600, account)?;
    if tls == Tls::Required {
        let rules = "local all,replication all scram-sha-256\nhostssl all,replication all 127.0.0.1/32 scram-sha-256\n";
        write(&data.join("pg_hba.conf"), rules, 0o600, account)?;
    }
    let path = directory.join("ca.crt");
    write(&path, &authority.pem(), 0o644, account)?;
    Ok(path)
}

fn write(path: &Path, text: &str, mode: u32, account: Account) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    account.own(path)
}
