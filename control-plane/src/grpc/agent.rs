//! What agents call: the session, and the reports on their attempts.
//!
//! Who calls is the agent of the connection's certificate. Every attempt, log and pack that a call names must be its own;
//! the use cases refuse what is not, as a stale fence.

use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::agent_service_server::AgentService;
use tonic::{Request, Response, Status, Streaming};

use super::Shared;
use super::call::agent;
use super::stream::Messages;

pub(super) mod enrollment;
mod renewal;
mod reports;
mod session;
mod transfer;

use reports::Reports;

pub(super) struct Handler {
    shared: Shared,
    reports: Reports,
}

impl Handler {
    pub(super) fn new(shared: Shared) -> Self {
        Self {
            reports: Reports::new(shared.services.clone()),
            shared,
        }
    }
}

#[tonic::async_trait]
impl AgentService for Handler {
    type SessionStream = Messages<wire::SessionResponse>;
    type SendBackupStream = Messages<wire::SendBackupResponse>;

    async fn session(
        &self,
        request: Request<Streaming<wire::SessionRequest>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        session::open(&self.shared, request).await
    }

    async fn append_logs(
        &self,
        request: Request<wire::AppendLogsRequest>,
    ) -> Result<Response<wire::AppendLogsResponse>, Status> {
        let agent = agent(&request)?;
        self.reports
            .append_logs(agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn report_packs(
        &self,
        request: Request<wire::ReportPacksRequest>,
    ) -> Result<Response<wire::ReportPacksResponse>, Status> {
        let agent = agent(&request)?;
        self.reports
            .report_packs(agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn list_packs(
        &self,
        request: Request<wire::ListPacksRequest>,
    ) -> Result<Response<wire::ListPacksResponse>, Status> {
        let agent = agent(&request)?;
        self.reports
            .list_packs(agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn complete_attempt(
        &self,
        request: Request<wire::CompleteAttemptRequest>,
    ) -> Result<Response<wire::CompleteAttemptResponse>, Status> {
        let agent = agent(&request)?;
        self.reports
            .complete_attempt(agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn confirm_commit(
        &self,
        request: Request<wire::ConfirmCommitRequest>,
    ) -> Result<Response<wire::ConfirmCommitResponse>, Status> {
        let agent = agent(&request)?;
        self.reports
            .confirm_commit(agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn fetch_manifest(
        &self,
        request: Request<wire::FetchManifestRequest>,
    ) -> Result<Response<wire::FetchManifestResponse>, Status> {
        let agent = agent(&request)?;
        self.reports
            .fetch_manifest(agent, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn send_backup(
        &self,
        request: Request<Streaming<wire::SendBackupRequest>>,
    ) -> Result<Response<Self::SendBackupStream>, Status> {
        transfer::receive(&self.shared, request).await
    }

    async fn renew_certificate(
        &self,
        request: Request<wire::RenewCertificateRequest>,
    ) -> Result<Response<wire::RenewCertificateResponse>, Status> {
        let agent = agent(&request)?;
        renewal::renew(&self.shared, agent, request.into_inner())
            .await
            .map(Response::new)
    }
}
