use std::time::Duration;

use tokio_stream::{StreamExt as _, iter};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::server::Server;

const OURS: [&str; 10] = [
    "dataguardian.agent.v1.EnrollmentService",
    "dataguardian.v1.AgentService",
    "dataguardian.v1.AuthService",
    "dataguardian.v1.BackupService",
    "dataguardian.v1.DatasourceService",
    "dataguardian.v1.ExecutionService",
    "dataguardian.v1.JobService",
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
