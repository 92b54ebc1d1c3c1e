//! An agent as the wire sees it: keys, a certificate, a session.

use std::time::Duration;

use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::agent::v1::enrollment_service_client::EnrollmentServiceClient;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient as AdminClient;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Identity};
use tonic::{Status, Streaming};

use crate::server::{Server, Signed, endpoint};

/// An enrolled agent.
pub(crate) struct TestAgent {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) chain: Vec<Vec<u8>>,
    pub(crate) authorities: Vec<Vec<u8>>,
    pub(crate) key: KeyPair,
    pub(crate) server_name: String,
}

/// An open session.
pub(crate) struct TestSession {
    pub(crate) outgoing: mpsc::Sender<wire::SessionRequest>,
    pub(crate) incoming: Streaming<wire::SessionResponse>,
    pub(crate) welcome: wire::Welcome,
}

pub(crate) async fn join_token(admin: &Signed, name: &str) -> String {
    let request = v1::CreateJoinTokenRequest {
        name: name.to_owned(),
        ..v1::CreateJoinTokenRequest::default()
    };
    AdminClient::new(admin.clone())
        .create_join_token(request)
        .await
        .unwrap()
        .into_inner()
        .token
}

/// A certificate request for a key, with whatever wishes.
pub(crate) fn certificate_request(key: &KeyPair, wishes: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    wishes(&mut params);
    params.serialize_request(key).unwrap().der().to_vec()
}

pub(crate) fn enroll_request(token: &str, certificate_request: Vec<u8>) -> wire::EnrollRequest {
    wire::EnrollRequest {
        join_token: token.to_owned(),
        certificate_request,
        signing_public_key: vec![7; 32],
        hostname: "db1.example.org".to_owned(),
        operating_system: "Linux".to_owned(),
        version: "0.1.0".to_owned(),
        ..wire::EnrollRequest::default()
    }
}

impl TestAgent {
    pub(crate) async fn enroll(server: &Server, admin: &Signed, name: &str) -> Self {
        Self::enroll_with(server, &join_token(admin, name).await).await
    }

    pub(crate) async fn enroll_with(server: &Server, token: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let request = enroll_request(token, certificate_request(&key, |_| {}));
        let mut client = EnrollmentServiceClient::new(server.channel());
        let enrolled = client
            .enroll(request)
            .await
            .expect("the host enrolls")
            .into_inner();
        Self {
            id: enrolled.agent_id,
            name: enrolled.agent_name,
            chain: enrolled.certificate_chain,
            authorities: enrolled.authorities,
            key,
            server_name: enrolled.server_name,
        }
    }

    /// The same agent with a new key and the certificate for it.
    pub(crate) async fn renewed(&self, server: &Server) -> Result<Self, Status> {
        let key = KeyPair::generate().unwrap();
        let request = wire::RenewCertificateRequest {
            certificate_request: certificate_request(&key, |_| {}),
        };
        let renewed = self.client(server).renew_certificate(request).await?.into_inner();
        Ok(Self {
            id: self.id.clone(),
            name: self.name.clone(),
            chain: renewed.certificate_chain,
            authorities: renewed.authorities,
            key,
            server_name: self.server_name.clone(),
        })
    }

    /// A connection to the agent listener with the agent's certificate.
    pub(crate) fn channel(&self, server: &Server) -> Channel {
        self.channel_to(server.agents)
    }

    pub(crate) fn channel_to(&self, address: std::net::SocketAddr) -> Channel {
        let identity = Identity::from_pem(pem(&self.chain), self.key.serialize_pem());
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(pem(&self.authorities)))
            .identity(identity)
            .domain_name(&self.server_name);
        endpoint(address).tls_config(tls).unwrap().connect_lazy()
    }

    pub(crate) fn client(&self, server: &Server) -> AgentServiceClient<Channel> {
        AgentServiceClient::new(self.channel(server))
    }

    /// A session of that process.
    pub(crate) async fn open_session_of(
        &self,
        server: &Server,
        boot_id: &str,
    ) -> Result<TestSession, Status> {
        let hello = wire::Hello {
            boot_id: boot_id.to_owned(),
            ..hello()
        };
        TestSession::open(&mut self.client(server), hello).await
    }

    pub(crate) async fn open_session(&self, server: &Server) -> Result<TestSession, Status> {
        TestSession::open(&mut self.client(server), hello()).await
    }
}

impl TestSession {
    pub(crate) async fn open(
        client: &mut AgentServiceClient<Channel>,
        hello: wire::Hello,
    ) -> Result<Self, Status> {
        let (outgoing, requests) = mpsc::channel(16);
        outgoing
            .send(message(wire::session_request::Message::Hello(hello)))
            .await
            .unwrap();
        let mut incoming = client.session(ReceiverStream::new(requests)).await?.into_inner();
        match next(&mut incoming).await?.and_then(|first| first.message) {
            Some(wire::session_response::Message::Welcome(welcome)) => Ok(Self {
                outgoing,
                incoming,
                welcome,
            }),
            other => panic!("not a welcome: {other:?}"),
        }
    }

    pub(crate) async fn say(&self, said: wire::session_request::Message) {
        self.outgoing
            .send(message(said))
            .await
            .expect("the session is open");
    }

    pub(crate) async fn next(&mut self) -> Result<Option<wire::session_response::Message>, Status> {
        Ok(next(&mut self.incoming)
            .await?
            .and_then(|response| response.message))
    }

    /// The status that ends the session; what comes before is passed over.
    pub(crate) async fn end(mut self) -> Option<Status> {
        loop {
            match self.next().await {
                Ok(Some(_)) => {}
                Ok(None) => return None,
                Err(status) => return Some(status),
            }
        }
    }
}

pub(crate) fn hello() -> wire::Hello {
    wire::Hello {
        boot_id: "boot".to_owned(),
        version: "0.1.0".to_owned(),
        protocol_min: 1,
        protocol_max: 1,
        hostname: "db1.example.org".to_owned(),
        operating_system: "Linux".to_owned(),
        free_slots: 1,
        ..wire::Hello::default()
    }
}

fn message(message: wire::session_request::Message) -> wire::SessionRequest {
    wire::SessionRequest {
        message: Some(message),
    }
}

async fn next(
    incoming: &mut Streaming<wire::SessionResponse>,
) -> Result<Option<wire::SessionResponse>, Status> {
    let waiting = tokio::time::timeout(Duration::from_secs(20), incoming.message());
    waiting.await.expect("something comes")
}

/// Certificates as PEM.
pub(crate) fn pem(certificates: &[Vec<u8>]) -> String {
    use base64::Engine as _;
    let one = |der: &Vec<u8>| {
        let der = CertificateDer::from(der.clone());
        let text = base64::engine::general_purpose::STANDARD.encode(&der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    certificates.iter().map(one).collect()
}
