//! The database goes away, and comes back.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_tests::postgres::{Postgres, Version};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_server_is_unavailable_until_it_is_back() {
    let server = Arc::new(Postgres::start(Version::V15).unwrap());
    let mut world = World::on_server(server, "metadata").await;
    let mut server = Arc::into_inner(world.server.take().unwrap()).unwrap();
    let agents = world.services.agents.clone();
    agents.list(&PageRequest::default()).await.unwrap();
    // These servers write late, so that tests are quick: one that is killed may lose the newest migration otherwise.
    server.psql("metadata", "CHECKPOINT").unwrap();
    server.kill9();
    let error = agents.list(&PageRequest::default()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.reason()),
        (ErrorCode::Unavailable, "DATABASE_UNAVAILABLE"),
        "{error:?}"
    );
    assert!(error.retry_after().is_some());
    assert!(
        !error.public_message().contains("postgres"),
        "nothing internal is told"
    );
    server.start_again().unwrap();
    let back = async {
        while agents.list(&PageRequest::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.unwrap();
}
