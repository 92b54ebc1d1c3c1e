//! EnrollmentService: how a host becomes an agent. On the API port, since the host has no certificate yet.

use dataguardian_core::secret::Secret;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::enrollment_service_server::EnrollmentService;
use dataguardian_proto::convert::{duration, timestamp};
use tonic::{Request, Response, Status};

use crate::ca::{AGENT_SERVER_NAME, CertificateRequest};
use crate::domain::agent::{AgentFacts, Enrollment};
use crate::domain::field::{BadField, Checks};
use crate::domain::text;
use crate::grpc::Shared;
use crate::grpc::call::concerns;
use crate::grpc::decode;
use crate::grpc::error::bad_request;

pub(in crate::grpc) struct Handler(pub(in crate::grpc) Shared);

#[tonic::async_trait]
impl EnrollmentService for Handler {
    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::EnrollResponse>, Status> {
        concerns(&request, &request.get_ref().hostname);
        let (enrollment, certificate_request) = read(request.into_inner()).map_err(bad_request)?;
        let authority = &self.0.authority;
        let issue = |agent| authority.issue_agent(agent, &certificate_request);
        let enrolled = self.0.services.enrollment.enroll(enrollment, issue).await?;
        tracing::info!(agent.id = %enrolled.agent, agent.name = %enrolled.name, rebuilt = enrolled.is_rebuilt, "a host enrolled");
        let (agent_host, agent_port) = self.0.facts.agent_address.clone();
        Ok(Response::new(wire::EnrollResponse {
            agent_id: enrolled.agent.to_string(),
            agent_name: enrolled.name.into(),
            certificate_expires_at: Some(timestamp(enrolled.certificate.not_after)),
            certificate_life: Some(duration(authority.agent_life())),
            certificate_chain: enrolled.certificate.chain,
            authorities: authority
                .trusted()
                .iter()
                .map(|trusted| trusted.to_vec())
                .collect(),
            agent_host,
            agent_port: agent_port.into(),
            control_plane_id: self.0.facts.control_plane.to_string(),
            server_name: AGENT_SERVER_NAME.to_owned(),
        }))
    }
}

fn read(request: wire::EnrollRequest) -> Result<(Enrollment, CertificateRequest), Vec<BadField>> {
    let mut checks = Checks::new();
    checks.take(text::required("join_token", &request.join_token, text::MAX_TEXT));
    checks.take(text::bounded("hostname", &request.hostname, text::MAX_TEXT));
    checks.take(text::bounded(
        "operating_system",
        &request.operating_system,
        text::MAX_TEXT,
    ));
    checks.take(text::bounded("version", &request.version, text::MAX_TEXT));
    checks.take(text::bounded("name", &request.name, text::MAX_TEXT));
    let right_size = request.signing_public_key.len() == 32;
    checks.require(
        right_size,
        "signing_public_key",
        "must be an Ed25519 key of 32 bytes",
    );
    let again_as = match request.again_as.as_str() {
        "" => None,
        text => checks.take(
            text.parse()
                .map_err(|_| BadField::new("again_as", "must be an agent's id")),
        ),
    };
    let certificate_request = checks.take(certificate_request(&request.certificate_request));
    let certificate_request = decode::checked(checks, certificate_request)?;
    let enrollment = Enrollment {
        join_token: Secret::new(request.join_token),
        public_key: certificate_request.key_info().to_vec(),
        signing_public_key: request.signing_public_key,
        facts: AgentFacts {
            version: request.version,
            hostname: request.hostname,
            operating_system: request.operating_system,
            clients: Vec::new(),
        },
        name: request.name,
        again_as,
    };
    Ok((enrollment, certificate_request))
}

/// Reads the field `certificate_request`.
pub(super) fn certificate_request(der: &[u8]) -> Result<CertificateRequest, BadField> {
    CertificateRequest::parse(der).map_err(|error| BadField::new("certificate_request", error.to_string()))
}
