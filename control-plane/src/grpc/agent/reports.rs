//! Reports on attempts: unary, repeatable, and each with its fence.

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::AgentId;
use dataguardian_failpoints::failpoint;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::convert;
use dataguardian_telemetry::trace_context;
use tonic::Status;
use tracing::Instrument as _;

use crate::domain::assignment::Completion;
use crate::domain::execution::Progress;
use crate::domain::field::{BadField, Checks};
use crate::domain::pack::SizedPack;
use crate::grpc::decode;
use crate::grpc::error::bad_request;
use crate::services::{Error, Services};

pub(super) struct Reports {
    services: Services,
}

impl Reports {
    pub(super) const fn new(services: Services) -> Self {
        Self { services }
    }

    pub(super) async fn append_logs(
        &self,
        agent: AgentId,
        request: wire::AppendLogsRequest,
    ) -> Result<wire::AppendLogsResponse, Status> {
        let mut checks = Checks::new();
        let fence = checks.take(fence(request.fence));
        let lines = checks.take(decode::log_lines(request.lines));
        let (fence, lines) = decode::checked(checks, fence.zip(lines)).map_err(bad_request)?;
        let next_offset = self
            .services
            .logs
            .append(agent, fence, request.offset, lines)
            .await?;
        Ok(wire::AppendLogsResponse { next_offset })
    }

    pub(super) async fn report_packs(
        &self,
        agent: AgentId,
        request: wire::ReportPacksRequest,
    ) -> Result<wire::ReportPacksResponse, Status> {
        let mut checks = Checks::new();
        let fence = checks.take(fence(request.fence));
        let packs = checks.take(decode::stored_packs(request.packs));
        let (fence, packs) = decode::checked(checks, fence.zip(packs)).map_err(bad_request)?;
        self.services.attempts.report_packs(agent, fence, packs).await?;
        failpoint!(PacksStored);
        Ok(wire::ReportPacksResponse {})
    }

    pub(super) async fn list_packs(
        &self,
        agent: AgentId,
        request: wire::ListPacksRequest,
    ) -> Result<wire::ListPacksResponse, Status> {
        let mut checks = Checks::new();
        let fence = checks.take(fence(request.fence));
        let standing = checks.take(decode::pack_standing(request.standing));
        let (fence, standing) = decode::checked(checks, fence.zip(standing)).map_err(bad_request)?;
        let listing = self
            .services
            .attempts
            .list_packs(agent, fence, standing, &request.page_token);
        let page = listing.await?;
        let pack = |pack: SizedPack| wire::CataloguedPack {
            pack_id: pack.id.to_vec(),
            stored_bytes: pack.stored_bytes,
        };
        Ok(wire::ListPacksResponse {
            packs: page.items.into_iter().map(pack).collect(),
            next_page_token: page.next_page_token,
        })
    }

    pub(super) async fn complete_attempt(
        &self,
        agent: AgentId,
        request: wire::CompleteAttemptRequest,
    ) -> Result<wire::CompleteAttemptResponse, Status> {
        let fence = fence(request.fence)?;
        let outcome = decode::attempt_outcome(request.outcome).map_err(bad_request)?;
        failpoint!(CompleteReceived);
        if let Some(progress) = request.progress {
            self.last_word(agent, fence, decode::progress(progress)).await?;
        }
        let span =
            tracing::info_span!("complete_attempt", execution.id = %fence.execution, attempt = fence.attempt);
        trace_context::join(&span, fence.execution, "");
        let completing = self.services.attempts.complete(agent, fence, outcome);
        let completion = completing.instrument(span).await?;
        failpoint!(CompleteStored);
        Ok(match completion {
            Completion::Commit(countersignature) => wire::CompleteAttemptResponse {
                control_plane_signature: countersignature.signature,
                control_plane_public_key: countersignature.public_key,
            },
            Completion::Settled => wire::CompleteAttemptResponse::default(),
        })
    }

    /// How far an attempt came at its end. An attempt that has ended before keeps what it has.
    async fn last_word(&self, agent: AgentId, fence: Fence, progress: Progress) -> Result<(), Status> {
        match self.services.progress.report(agent, fence, progress).await {
            Ok(()) => {
                self.services.progress.save().await?;
                Ok(())
            }
            Err(Error::StaleFence) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn confirm_commit(
        &self,
        agent: AgentId,
        request: wire::ConfirmCommitRequest,
    ) -> Result<wire::ConfirmCommitResponse, Status> {
        let mut checks = Checks::new();
        let fence = checks.take(fence(request.fence));
        let storages = request
            .storage_ids
            .iter()
            .map(|id| decode::storage_id("storage_ids", id));
        let storages = checks.take(storages.collect::<Result<Vec<_>, _>>());
        let failed = checks.take(decode::storage_failures(request.failed_storages));
        let read = fence.zip(storages).zip(failed);
        let ((fence, storages), failed) = decode::checked(checks, read).map_err(bad_request)?;
        failpoint!(ConfirmReceived);
        let span =
            tracing::info_span!("confirm_commit", execution.id = %fence.execution, attempt = fence.attempt);
        trace_context::join(&span, fence.execution, "");
        let attempts = &self.services.attempts;
        let confirming = attempts.confirm_commit(agent, fence, &storages, &failed);
        confirming.instrument(span).await?;
        failpoint!(ConfirmStored);
        Ok(wire::ConfirmCommitResponse {})
    }

    pub(super) async fn fetch_manifest(
        &self,
        agent: AgentId,
        request: wire::FetchManifestRequest,
    ) -> Result<wire::FetchManifestResponse, Status> {
        let fence = fence(request.fence)?;
        let manifest = self.services.commits.manifest(agent, fence).await?;
        Ok(wire::FetchManifestResponse { manifest })
    }
}

/// The fence that every report must carry.
pub(super) fn fence(fence: Option<wire::Fence>) -> Result<Fence, BadField> {
    convert::fence(fence).map_err(|error| BadField::new("fence", error.to_string()))
}
