//! What tools need to speak with us without our protos: reflection in both versions that are in use, and health.

use tonic::service::Routes;
use tonic_reflection::server::{Builder, Error};

use super::serving::Serving;

/// The descriptors can't be served.
#[derive(Debug, thiserror::Error)]
#[error("the descriptors can't be served")]
pub struct ReflectionError(#[from] Error);

/// Adds reflection v1 and v1alpha (grpcurl before 1.9 and Python's tools know only the latter), and grpc.health.v1.
pub(super) async fn add_to(routes: Routes) -> Result<(Routes, Serving), ReflectionError> {
    let builder = || {
        Builder::configure()
            .register_encoded_file_descriptor_set(dataguardian_proto::DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(dataguardian_proto::ERROR_DETAILS_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let (reporter, health) = tonic_health::server::health_reporter();
    let (v1, v1alpha) = (builder().build_v1()?, builder().build_v1alpha()?);
    let routes = routes.add_service(v1).add_service(v1alpha).add_service(health);
    Ok((routes, Serving::new(reporter).await))
}
