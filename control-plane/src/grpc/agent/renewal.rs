//! A new certificate for a new key, asked for with the old one.

use dataguardian_core::ids::AgentId;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::convert::{duration, timestamp};
use tonic::Status;

use super::enrollment::certificate_request;
use crate::grpc::Shared;

pub(super) async fn renew(
    shared: &Shared,
    agent: AgentId,
    request: wire::RenewCertificateRequest,
) -> Result<wire::RenewCertificateResponse, Status> {
    let request = certificate_request(&request.certificate_request)?;
    let issue = |agent| shared.authority.issue_agent(agent, &request);
    let renewed = shared
        .services
        .enrollment
        .renew(agent, request.key_info(), issue)
        .await?;
    Ok(wire::RenewCertificateResponse {
        certificate_expires_at: Some(timestamp(renewed.certificate.not_after)),
        certificate_life: Some(duration(shared.authority.agent_life())),
        certificate_chain: renewed.certificate.chain,
        authorities: shared
            .authority
            .trusted()
            .iter()
            .map(|trusted| trusted.to_vec())
            .collect(),
    })
}
