//! AuditService.

use dataguardian_proto::v1;
use dataguardian_proto::v1::audit_service_server::AuditService;
use futures::{StreamExt as _, stream};
use tonic::{Request, Response, Status};

use super::call::concerns;
use super::error::bad_request;
use super::stream::{Messages, Reader, until_stop, while_allowed};
use super::{Shared, decode, encode};
use crate::domain::page::PageRequest;

pub(super) struct Handler(pub(super) Shared);

#[tonic::async_trait]
impl AuditService for Handler {
    type ExportAuditLogsStream = Messages<v1::ExportAuditLogsResponse>;

    async fn list_audit_logs(
        &self,
        request: Request<v1::ListAuditLogsRequest>,
    ) -> Result<Response<v1::ListAuditLogsResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let filter = decode::audit_filter(request.filter).map_err(bad_request)?;
        let page = self.0.services.audit.list_fitting(&filter, &page).await?;
        Ok(Response::new(v1::ListAuditLogsResponse {
            audit_logs: page.items.into_iter().map(encode::audit_log).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn export_audit_logs(
        &self,
        request: Request<v1::ExportAuditLogsRequest>,
    ) -> Result<Response<Self::ExportAuditLogsStream>, Status> {
        concerns(&request, "");
        let reader = Reader::of(&request, &self.0)?;
        let filter = decode::audit_filter(request.into_inner().filter).map_err(bad_request)?;
        let audit = self.0.services.audit.clone();
        let parts = stream::try_unfold((audit, filter, 0), |(audit, filter, after)| async move {
            let part = audit.export(&filter, after).await?;
            let last = part.last().map(|record| record.number);
            Ok::<_, Status>(last.map(|last| (part, (audit, filter, last))))
        });
        let rows = parts.flat_map(|part| match part {
            Ok(part) => stream::iter(part.into_iter().map(Ok).collect::<Vec<_>>()),
            Err(status) => stream::iter(vec![Err(status)]),
        });
        let messages = rows.map(|row| {
            row.map(|row| v1::ExportAuditLogsResponse {
                audit_log: Some(encode::audit_log(row)),
            })
        });
        let messages = while_allowed(messages, reader);
        Ok(Response::new(until_stop(messages, self.0.stop.clone())))
    }

    async fn verify_audit(
        &self,
        _request: Request<v1::VerifyAuditRequest>,
    ) -> Result<Response<v1::VerifyAuditResponse>, Status> {
        let check = self.0.services.audit.verify().await?;
        Ok(Response::new(encode::audit_check(check)))
    }
}
