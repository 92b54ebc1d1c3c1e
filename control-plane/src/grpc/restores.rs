//! RestoreService.

use dataguardian_proto::v1;
use dataguardian_proto::v1::restore_service_server::RestoreService;
use tonic::{Request, Response, Status};

use super::call::{concerns, mandate};
use super::error::bad_request;
use super::{decode, encode};
use crate::services::reach::Reach;
use crate::services::restores::Restores;

pub(super) struct Handler {
    pub(super) restores: Restores,
    pub(super) reach: Reach,
}

#[tonic::async_trait]
impl RestoreService for Handler {
    async fn start_restore(
        &self,
        request: Request<v1::StartRestoreRequest>,
    ) -> Result<Response<v1::StartRestoreResponse>, Status> {
        let asked = request.get_ref();
        let target = if asked.target_datasource.is_empty() {
            &asked.datasource
        } else {
            &asked.target_datasource
        };
        let only = if asked.plan_only { ", planned only" } else { "" };
        concerns(&request, &format!("{} into {target}{only}", asked.backup));
        let mandate = mandate(&request)?;
        let new = decode::new_restore(request.into_inner()).map_err(bad_request)?;
        let new = self.reach.restore(&mandate, new).await?;
        let execution = self.restores.start(new).await?;
        Ok(Response::new(v1::StartRestoreResponse {
            execution: Some(encode::execution(execution)),
        }))
    }
}
