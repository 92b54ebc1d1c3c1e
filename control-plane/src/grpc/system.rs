//! SystemService.

use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use dataguardian_proto::v1::system_service_server::SystemService;
use tonic::{Request, Response, Status};

use super::Shared;

pub(super) struct Handler(pub(super) Shared);

#[tonic::async_trait]
impl SystemService for Handler {
    async fn get_system_info(
        &self,
        _request: Request<v1::GetSystemInfoRequest>,
    ) -> Result<Response<v1::GetSystemInfoResponse>, Status> {
        let facts = &self.0.facts;
        Ok(Response::new(v1::GetSystemInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            control_plane_id: facts.control_plane.to_string(),
            metadata_backend: facts.metadata_backend.to_owned(),
            started_at: Some(timestamp(facts.started_at)),
            agents_connected: u32::try_from(self.0.sessions.count()).unwrap_or(u32::MAX),
            now: Some(timestamp(self.0.clock.now())),
        }))
    }
}
