use std::sync::Arc;

use dataguardian_core::clock::{ManualClock, SystemClock};
use proptest::prelude::*;
use rcgen::PKCS_ED25519;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::UnixTime;

use super::*;

fn open(materials: &[AuthorityMaterial], clock: SharedClock) -> Authority {
    Authority::open(materials, clock, AGENT_CERTIFICATE_LIFE).unwrap()
}

fn authority() -> Authority {
    let clock = SystemClock::shared();
    open(&[AuthorityMaterial::generate(&clock, None).unwrap()], clock)
}

fn request_with(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    change(&mut params);
    params.serialize_request(key).unwrap().der().to_vec()
}

fn verifier(authority: &Authority) -> Arc<dyn ClientCertVerifier> {
    let mut roots = rustls::RootCertStore::empty();
    for trusted in authority.trusted() {
        roots.add(trusted).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap()
}

fn leaf(issued: &IssuedCertificate) -> CertificateDer<'static> {
    CertificateDer::from(issued.chain[0].clone())
}

fn seconds_from_now(seconds: i64) -> UnixTime {
    let now = SystemClock::shared().now().timestamp() + seconds;
    UnixTime::since_unix_epoch(Duration::from_secs(now.try_into().unwrap()))
}

#[test]
fn an_agents_certificate_names_it_and_passes_the_handshake() {
    let (authority, agent) = (authority(), AgentId::new());
    for algorithm in [&PKCS_ECDSA_P256_SHA256, &PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let request = CertificateRequest::parse(&request_with(&key, |_| {})).unwrap();
        let issued = authority.issue_agent(agent, &request).unwrap();
        let read = AgentCertificate::read(&leaf(&issued)).unwrap();
        assert_eq!((read.agent, &read.serial), (agent, &issued.serial));
        assert_eq!(read.not_after.timestamp(), issued.not_after.timestamp());
        let verify = |at| {
            verifier(&authority)
                .verify_client_cert(&leaf(&issued), &[], at)
                .is_ok()
        };
        assert!(
            verify(seconds_from_now(0))
                && verify(seconds_from_now(-240))
                && verify(seconds_from_now(23 * 3600))
        );
        assert!(!verify(seconds_from_now(-400)) && !verify(seconds_from_now(25 * 3600)));
    }
}

#[test]
fn what_a_request_asks_for_does_not_get_into_the_certificate() {
    let (authority, key) = (authority(), KeyPair::generate().unwrap());
    let wishes = request_with(&key, |params| {
        params.subject_alt_names = vec![SanType::DnsName("dg.example.org".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let request = CertificateRequest::parse(&wishes).unwrap();
    let issued = authority.issue_agent(AgentId::new(), &request).unwrap();
    let text = String::from_utf8_lossy(&issued.chain[0]).into_owned();
    assert!(!text.contains("dg.example.org"));
    assert!(AgentCertificate::read(&leaf(&issued)).is_ok());
}

#[test]
fn a_request_to_be_an_authority_is_refused() {
    let key = KeyPair::generate().unwrap();
    let by_constraint = request_with(&key, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    let by_usage = request_with(&key, |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign]
    });
    for request in [by_constraint, by_usage] {
        assert_eq!(
            CertificateRequest::parse(&request).unwrap_err(),
            InvalidRequest::AsksForAuthority
        );
    }
}

#[test]
fn a_request_without_proof_of_its_key_is_refused() {
    let key = KeyPair::generate().unwrap();
    let mut request = request_with(&key, |_| {});
    let last = request.len() - 1;
    request[last] ^= 1;
    assert!(CertificateRequest::parse(&request).is_err());
    assert_eq!(CertificateRequest::parse(&[]).unwrap_err(), InvalidRequest::Empty);
    let long = vec![0x30; MAX_REQUEST_BYTES + 1];
    assert_eq!(
        CertificateRequest::parse(&long).unwrap_err(),
        InvalidRequest::TooLong(MAX_REQUEST_BYTES + 1)
    );
}

#[test]
fn a_listeners_certificate_is_no_agents() {
    let authority = authority();
    let server = authority
        .issue_server(&["localhost".into(), "127.0.0.1".into(), "::1".into()])
        .unwrap();
    assert_eq!(AgentCertificate::read(&server.chain[0]), Err(NotAnAgent));
    assert!(
        verifier(&authority)
            .verify_client_cert(&server.chain[0], &[], seconds_from_now(0))
            .is_err()
    );
    assert!(authority.issue_server(&["no name\n".into()]).is_err());
}

#[test]
fn the_pin_is_that_of_the_certificate_and_survives_reopening() {
    let clock: SharedClock = ManualClock::at(SystemClock.now());
    let material = AuthorityMaterial::generate(&clock, None).unwrap();
    let (first, second) = (
        open(std::slice::from_ref(&material), Arc::clone(&clock)),
        open(&[material], clock),
    );
    assert_eq!(first.pin(), second.pin());
    assert_eq!(Some(first.pin()), spki_pin(&first.trusted()[0]));
    assert_eq!(first.pin().as_str().len(), "sha256:".len() + 64);
    assert!(
        first
            .certificate_pem()
            .starts_with("-----BEGIN CERTIFICATE-----\n")
    );
}

/// Whether a client that trusts `root` takes what a listener of `authority` shows.
fn trusts(root: &CertificateDer<'static>, authority: &Authority) -> bool {
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    let shown = authority.issue_server(&["localhost".into()]).unwrap().chain;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .unwrap();
    let name = rustls_pki_types::ServerName::try_from("localhost").unwrap();
    verifier
        .verify_server_cert(&shown[0], &shown[1..], &name, &[], seconds_from_now(0))
        .is_ok()
}

#[test]
fn whoever_trusts_any_of_the_authorities_finds_a_way_to_it() {
    let clock = SystemClock::shared();
    let first = AuthorityMaterial::generate(&clock, None).unwrap();
    let second = AuthorityMaterial::generate(&clock, Some(&first)).unwrap();
    let third = AuthorityMaterial::generate(&clock, Some(&second)).unwrap();
    let stranger = AuthorityMaterial::generate(&clock, None).unwrap();
    let root = |material: &AuthorityMaterial| CertificateDer::from(material.certificate.clone());
    let all = [third.clone(), second.clone(), first.clone()];
    let authority = open(&all[2..], Arc::clone(&clock));
    assert!(trusts(&root(&first), &authority) && !trusts(&root(&second), &authority));
    for (places, known) in [(1.., [false, true, true]), (0.., [true; 3])] {
        assert!(authority.replace(&all[places.clone()]).unwrap());
        assert!(!authority.replace(&all[places]).unwrap(), "nothing has changed");
        let found = [&third, &second, &first].map(|material| trusts(&root(material), &authority));
        assert_eq!(found, known);
        let shown = authority.issue_server(&["localhost".into()]).unwrap().chain;
        for trusted in authority.trusted() {
            let pin = spki_pin(&trusted);
            assert!(
                shown.iter().any(|shown| spki_pin(shown) == pin),
                "a pin that was given out finds it"
            );
        }
    }
    assert!(authority.replace(&all[..1]).unwrap());
    let found = [&third, &second, &first, &stranger].map(|material| trusts(&root(material), &authority));
    assert_eq!(found, [true, false, false, false], "the old ones are retired");
}

use dataguardian_core::clock::Clock as _;

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(CertificateRequest::parse(&bytes).is_err());
    }

    #[test]
    fn a_request_with_a_changed_byte_gives_no_other_key(index in 0_usize..400, flip in 1_u8..) {
        let key = KeyPair::generate().unwrap();
        let original = request_with(&key, |_| {});
        let mut changed = original.clone();
        let at = index % changed.len();
        changed[at] ^= flip;
        if let Ok(request) = CertificateRequest::parse(&changed) {
            let kept = CertificateRequest::parse(&original).unwrap();
            prop_assert_eq!(request.key_info(), kept.key_info());
        }
    }
}
