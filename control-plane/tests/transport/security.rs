//! The API's own security: an operator's certificate, and none on loopback.

use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::server::{Server, endpoint, refused};

#[tokio::test]
async fn an_operators_certificate_is_shown_and_pinned_by_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(vec!["dg.example.org".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();
    let (chain_file, key_file) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    std::fs::write(&chain_file, certificate.pem() + &authority.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let server = Server::start_with(|config| {
        config.api.tls_cert = Some(chain_file);
        config.api.tls_key = Some(key_file);
    })
    .await;
    let pin = dataguardian_control_plane::ca::spki_pin(authority.der()).unwrap();
    assert_eq!(server.pin, pin.to_string());
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(authority.pem()))
        .domain_name("dg.example.org");
    let channel = endpoint(server.api)
        .tls_config(tls)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let error = refused(
        AuthServiceClient::new(channel)
            .who_am_i(v1::WhoAmIRequest {})
            .await,
    );
    assert_eq!(error.reason, "UNAUTHENTICATED");
}

#[tokio::test]
async fn plain_text_speaks_both_versions_of_http() {
    let server = Server::start_with(|config| {
        config.api.plaintext = true;
        config.api.limits.handshake_timeout_ms = 500;
    })
    .await;
    let channel = Endpoint::from_shared(format!("http://{}", server.api))
        .unwrap()
        .connect()
        .await
        .unwrap();
    let error = refused(
        AuthServiceClient::new(channel)
            .who_am_i(v1::WhoAmIRequest {})
            .await,
    );
    assert_eq!(error.reason, "UNAUTHENTICATED");
    let mut stream = TcpStream::connect(server.api).await.unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("{\"status\":\"ok\"}"),
        "{answer}"
    );
    let mut silent = TcpStream::connect(server.api).await.unwrap();
    let closed = tokio::time::timeout(std::time::Duration::from_secs(10), silent.read_u8()).await;
    assert!(closed.expect("the server hangs up").is_err());
}
