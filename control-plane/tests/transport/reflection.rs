use std::time::Duration;

use dataguardian_core::secret::Secret;
use dataguardian_tests::postgres::{Postgres, Version};
use tokio_stream::{StreamExt as _, iter};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::server::Server;

/// `grpc.health.v1.HealthCheckResponse.ServingStatus`.
const SERVING: i32 = 1;
const NOT_SERVING: i32 = 2;

const OURS: [&str; 11] = [
    "dataguardian.agent.v1.EnrollmentService",
    "dataguardian.v1.AgentService",
    "dataguardian.v1.AuthService",
    "dataguardian.v1.BackupService",
    "dataguardian.v1.DatasourceService",
    "dataguardian.v1.ExecutionService",
    "dataguardian.v1.JobService",
    "dataguardian.v1.NotificationService",
    "dataguardian.v1.RestoreService",
    "dataguardian.v1.StorageService",
    "dataguardian.v1.SystemService",
];

#[tokio::test]
async fn tools_find_every_service_in_both_versions_of_reflection() {
    let server = Server::start().await;
    let newer = newer(&server).await;
    let older = older(&server).await;
    for service in OURS {
        assert!(
            newer.iter().any(|name| name == service),
            "{service} is not in {newer:?}"
        );
        assert!(
            older.iter().any(|name| name == service),
            "{service} is not in {older:?}"
        );
    }
}

async fn newer(server: &Server) -> Vec<String> {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel());
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(iter([request]))
        .await
        .unwrap()
        .into_inner();
    match answers.next().await.unwrap().unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("not a list: {other:?}"),
    }
}

async fn older(server: &Server) -> Vec<String> {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel());
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client
        .server_reflection_info(iter([request]))
        .await
        .unwrap()
        .into_inner();
    match answers.next().await.unwrap().unwrap().message_response.unwrap() {
        MessageResponse::ListServicesResponse(list) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("not a list: {other:?}"),
    }
}

#[tokio::test]
async fn the_standard_health_service_answers() {
    let server = Server::start().await;
    let mut client = HealthClient::new(server.channel());
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let answer = tokio::time::timeout(Duration::from_secs(10), client.check(request))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer.into_inner().status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_follows_the_metadata_database() {
    let mut database = Postgres::start(Version::V15).unwrap();
    database.create_database("metadata").unwrap();
    let url = Secret::new(database.connection().url("metadata"));
    let server = Server::start_with(|config| config.database.url = Some(url)).await;
    let says = async |service: &str, status: i32| {
        let mut client = HealthClient::new(server.channel());
        let waiting = async {
            loop {
                let request = HealthCheckRequest {
                    service: service.to_owned(),
                };
                if client.check(request).await.unwrap().into_inner().status == status {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        told.unwrap_or_else(|_| panic!("{service:?} never said {status}"));
    };
    for service in ["", "dataguardian.v1.JobService"] {
        says(service, SERVING).await;
    }
    database.kill9();
    for service in ["", "dataguardian.v1.JobService"] {
        says(service, NOT_SERVING).await;
    }
    database.start_again().unwrap();
    for service in ["", "dataguardian.v1.JobService"] {
        says(service, SERVING).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_health_hears_of_the_end() {
    let server = Server::start().await;
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let watched = HealthClient::new(server.channel()).watch(request).await;
    let mut watched = watched.unwrap().into_inner();
    assert_eq!(watched.message().await.unwrap().unwrap().status, SERVING);
    let mut stopping = tokio::task::JoinSet::new();
    stopping.spawn(server.stop());
    let last = tokio::time::timeout(Duration::from_secs(30), watched.message()).await;
    assert_eq!(last.unwrap().unwrap().unwrap().status, NOT_SERVING);
    drop(watched);
    stopping.join_all().await;
}
