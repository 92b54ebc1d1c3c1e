//! How a host becomes an agent: a join token and a fresh key against a certificate.
//!
//! The host has nothing yet but the token and the authority's pin. The pin is the SHA-256 of the authority's public key
//! (SubjectPublicKeyInfo, as in RFC 7469); the server must present a chain that ends in that authority, and everything else
//! about its certificate is checked as usual.

use std::time::Duration;

use dataguardian_core::causes;
use dataguardian_core::clock::SharedClock;
use dataguardian_core::secret::Secret;
use dataguardian_proto::agent::v1::{
    EnrollRequest, EnrollResponse, enrollment_service_client::EnrollmentServiceClient,
};
use dataguardian_proto::convert;
use dataguardian_proto::status::ApiError;
use hyper_util::rt::TokioIo;
use rcgen::KeyPair;
use rustls::CertificateError;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint as TonicEndpoint, Uri};

use crate::host_info::HostInfo;
use crate::identity::{
    AgentKeys, CertificateBundle, Endpoint, Identity, IdentityError, PendingKey, certificate_request,
    certificates_to_pem,
};
use crate::patience;
use crate::state::StateDir;

mod pin;

pub use pin::{CaPin, InvalidPin};

/// How long the whole exchange may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a host needs to enroll.
#[derive(Debug)]
pub struct Enrollment {
    /// `https://host:port` of the control plane's API.
    pub server: String,
    /// Whom to trust.
    pub ca_pin: CaPin,
    /// The permission.
    pub join_token: Secret,
    /// The name to have, if the token leaves it open.
    pub name: Option<String>,
    /// Be the agent again that the state directory belongs to.
    pub again: bool,
}

/// The host could not enroll.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// Not an address.
    #[error("--server must be https://HOST:PORT, not {0:?}")]
    Server(String),
    /// No connection.
    #[error("the control plane at {server} can't be reached")]
    Unreachable {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// Whoever answers there is not vouched for by the pinned authority.
    #[error(
        "the certificate at {server} is not from the authority that the pin names: check --ca-pin, which `dgctl agent token create` \
         shows, and that --server has the port of the API, which is 8443 if nobody changed it"
    )]
    OtherAuthority {
        /// The address.
        server: String,
    },
    /// Whoever answers there is vouched for, under another name.
    #[error(
        "the certificate at {server} is for another name: check that --server has the port of the API, which is 8443 if nobody \
         changed it, and not the agents'; use one of the certificate's names, or add this one with `dataguardian serve --api-name`"
    )]
    OtherName {
        /// The address.
        server: String,
    },
    /// The control plane said no.
    #[error("the control plane refuses: {0}")]
    Refused(ApiError),
    /// It took too long.
    #[error("the control plane did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    /// The answer lacks something.
    #[error("the control plane's answer is not usable: {0}")]
    Answer(String),
    /// This state directory belongs to an agent already.
    #[error(
        "this state directory belongs to agent {agent} already: `dataguardian-agent run` starts that agent; `enroll --again` makes this host that agent again, with a token from `dgctl agent token create --for {agent}`; for a new agent use another directory"
    )]
    EnrolledAlready {
        /// Its name.
        agent: String,
    },
    /// Keys or state can't be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// Enrolls and writes the identity down. Safe to do again after a failure: the keys stay the same.
pub async fn enroll(
    state: &StateDir,
    enrollment: &Enrollment,
    host_info: &HostInfo,
    clock: &SharedClock,
) -> Result<Identity, EnrollError> {
    let before = match Identity::load(state) {
        Ok(identity) if enrollment.again => Some(identity),
        Ok(identity) => {
            return Err(EnrollError::EnrolledAlready {
                agent: identity.agent_name,
            });
        }
        Err(IdentityError::NotEnrolled) => None,
        Err(error) => return Err(error.into()),
    };
    let keys = AgentKeys::load_or_make(state)?;
    let device = match &before {
        None => keys.device,
        Some(before) => PendingKey::load_or_make(state, before)?.key,
    };
    let request = EnrollRequest {
        join_token: enrollment.join_token.expose().trim().to_owned(),
        certificate_request: certificate_request(&device)?,
        signing_public_key: keys.signing.verifying_key().as_bytes().to_vec(),
        hostname: host_info.hostname.clone(),
        operating_system: host_info.operating_system.clone(),
        version: host_info.version.clone(),
        name: enrollment.name.clone().unwrap_or_default(),
        again_as: before
            .map(|before| before.agent_id.to_string())
            .unwrap_or_default(),
    };
    let exchange = async {
        let (channel, host) = connect(enrollment).await?;
        let answer = EnrollmentServiceClient::new(channel).enroll(request).await;
        let answer = answer.map_err(|status| EnrollError::Refused(ApiError::from(&status)))?;
        identity(answer.into_inner(), &device, &host, clock)
    };
    let identity = patience::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| EnrollError::TimedOut)??;
    identity.save(state)?;
    PendingKey::forget(state)?;
    Ok(identity)
}

/// A channel whose far end has proved that the pinned authority vouches for it; and the host that it is on.
async fn connect(enrollment: &Enrollment) -> Result<(Channel, String), EnrollError> {
    let not_an_address = || EnrollError::Server(enrollment.server.clone());
    let uri: Uri = enrollment.server.parse().map_err(|_| not_an_address())?;
    if uri.scheme_str() != Some("https") {
        return Err(not_an_address());
    }
    let host = uri
        .host()
        .ok_or_else(not_an_address)?
        .trim_matches(['[', ']'])
        .to_owned();
    let port = uri.port_u16().unwrap_or(443);
    let name = ServerName::try_from(host.clone()).map_err(|_| not_an_address())?;
    let tls = TlsConnector::from(pin::client_config(&enrollment.ca_pin));
    let address = (host.clone(), port);
    let connector = tower::service_fn(move |_: Uri| {
        let (tls, name, address) = (tls.clone(), name.clone(), address.clone());
        async move {
            let tcp = TcpStream::connect(address).await?;
            Ok::<_, std::io::Error>(TokioIo::new(tls.connect(name, tcp).await?))
        }
    });
    // The connector does the TLS; the scheme here only keeps tonic from asking for its own.
    let endpoint =
        TonicEndpoint::from_shared(format!("http://{}", uri.authority().map_or("", |a| a.as_str())))
            .map_err(|_| not_an_address())?;
    let unreachable = |source: tonic::transport::Error| {
        let server = enrollment.server.clone();
        let verdict = causes::chain(&source).find_map(|cause| cause.downcast_ref());
        match verdict {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => EnrollError::OtherAuthority { server },
            Some(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => EnrollError::OtherName { server },
            _ => EnrollError::Unreachable { server, source },
        }
    };
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .map_err(unreachable)?;
    Ok((channel, host))
}

fn identity(
    answer: EnrollResponse,
    device: &KeyPair,
    host: &str,
    clock: &SharedClock,
) -> Result<Identity, EnrollError> {
    let unusable = |what: &dyn std::fmt::Display| EnrollError::Answer(what.to_string());
    if answer.certificate_chain.is_empty() || answer.authorities.is_empty() {
        return Err(unusable(&"it has no certificate"));
    }
    let life = answer.certificate_life.as_ref();
    let life = life.and_then(|life| convert::length("certificate_life", life).ok());
    let told_host = Some(answer.agent_host).filter(|told| !told.is_empty());
    Ok(Identity {
        agent_id: answer.agent_id.parse().map_err(|error| unusable(&error))?,
        agent_name: answer.agent_name,
        control_plane_id: answer
            .control_plane_id
            .parse()
            .map_err(|error| unusable(&error))?,
        endpoint: Endpoint {
            host: told_host.unwrap_or_else(|| host.to_owned()),
            port: u16::try_from(answer.agent_port).map_err(|error| unusable(&error))?,
            server_name: answer.server_name,
        },
        certificate: CertificateBundle {
            key_pem: device.serialize_pem(),
            chain_pem: certificates_to_pem(&answer.certificate_chain),
            authorities_pem: certificates_to_pem(&answer.authorities),
            life_seconds: life
                .ok_or_else(|| unusable(&"its certificate has no end"))?
                .as_secs(),
            received_at: clock.now(),
        },
    })
}
