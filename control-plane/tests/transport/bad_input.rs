use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::agent::v1::enrollment_service_client::EnrollmentServiceClient;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use rcgen::{BasicConstraints, IsCa, KeyPair, KeyUsagePurpose};

use crate::agent::{TestAgent, certificate_request, enroll_request, join_token};
use crate::raw::post;
use crate::server::{Server, bad_fields, refused};

#[tokio::test]
async fn pages_are_bounded_and_tokens_are_ours() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let negative = v1::ListJobsRequest {
        page_size: -1,
        ..v1::ListJobsRequest::default()
    };
    let mut jobs = JobServiceClient::new(admin.clone());
    assert_eq!(bad_fields(jobs.list_jobs(negative).await), ["page_size"]);
    let foreign = v1::ListJobsRequest {
        page_token: "not a token".to_owned(),
        ..v1::ListJobsRequest::default()
    };
    assert_eq!(bad_fields(jobs.list_jobs(foreign).await), ["page_token"]);
    let greedy = v1::ListJobsRequest {
        page_size: i32::MAX,
        ..v1::ListJobsRequest::default()
    };
    assert!(jobs.list_jobs(greedy).await.is_ok(), "too much is cut to the cap");
}

#[tokio::test]
async fn every_bad_field_is_named_at_once() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let request = v1::CreateDatasourceRequest {
        agent: "no such/agent".to_owned(),
        engine: 99,
        tls_mode: 77,
        request_id: "no uuid".to_owned(),
        ..v1::CreateDatasourceRequest::default()
    };
    let fields = bad_fields(
        DatasourceServiceClient::new(admin.clone())
            .create_datasource(request)
            .await,
    );
    assert_eq!(
        fields,
        ["name", "agent", "engine", "tls_mode", "databases", "request_id"]
    );
    let request = v1::CreateJobRequest {
        name: "Not A Name".to_owned(),
        storages: vec![String::new(); 9],
        options: Some(v1::BackupOptions {
            compression_level: 20,
            ..v1::BackupOptions::default()
        }),
        ..v1::CreateJobRequest::default()
    };
    let fields = bad_fields(JobServiceClient::new(admin).create_job(request).await);
    assert_eq!(
        fields,
        ["name", "datasource", "storages", "options.compression_level"]
    );
}

#[tokio::test]
async fn a_name_of_a_megabyte_is_refused_and_not_repeated() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let request = v1::CreateStorageRequest {
        name: "x".repeat(1 << 20),
        ..v1::CreateStorageRequest::default()
    };
    let mut storages = StorageServiceClient::new(admin.clone());
    let error = refused(storages.create_storage(request).await);
    let fields: Vec<_> = error.fields.iter().map(|bad| bad.field.as_str()).collect();
    assert_eq!(fields, ["name", "location"]);
    assert!(error.message.len() < 1000);
    let beyond = v1::CreateStorageRequest {
        name: "x".repeat(5 << 20),
        ..v1::CreateStorageRequest::default()
    };
    assert_eq!(
        refused(storages.create_storage(beyond).await).reason,
        "MESSAGE_TOO_LARGE"
    );
    assert!(
        storages
            .list_storages(v1::ListStoragesRequest::default())
            .await
            .is_ok(),
        "the server goes on"
    );
}

#[tokio::test]
async fn what_is_not_there_is_told_by_its_noun() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let mut storages = StorageServiceClient::new(admin.clone());
    let gone = refused(
        storages
            .get_storage(v1::GetStorageRequest {
                storage: "nowhere".into(),
            })
            .await,
    );
    assert_eq!(
        (gone.code, gone.reason.as_str()),
        (ErrorCode::NotFound, "STORAGE_NOT_FOUND")
    );
    let mut jobs = JobServiceClient::new(admin.clone());
    let request = v1::RunJobRequest {
        job: "nightly".to_owned(),
        ..v1::RunJobRequest::default()
    };
    assert_eq!(refused(jobs.run_job(request).await).reason, "JOB_NOT_FOUND");
    let mut executions = ExecutionServiceClient::new(admin.clone());
    let request = v1::GetExecutionRequest {
        id: "no uuid".to_owned(),
    };
    assert_eq!(bad_fields(executions.get_execution(request).await), ["id"]);
    let request = v1::WatchExecutionRequest {
        id: uuid::Uuid::now_v7().to_string(),
    };
    assert_eq!(
        refused(executions.watch_execution(request).await).reason,
        "EXECUTION_NOT_FOUND"
    );
    let mut backups = BackupServiceClient::new(admin.clone());
    let request = v1::GetBackupRequest {
        backup: "latest".to_owned(),
        datasource: String::new(),
    };
    assert_eq!(bad_fields(backups.get_backup(request).await), ["datasource"]);
    let mut agents = AgentServiceClient::new(admin);
    let gone = refused(
        agents
            .get_agent(v1::GetAgentRequest { agent: "db9".into() })
            .await,
    );
    assert_eq!(gone.reason, "AGENT_NOT_FOUND");
}

#[tokio::test]
async fn a_job_with_an_unknown_storage_is_refused() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    TestAgent::enroll(&server, &admin, "db1").await;
    let datasource = v1::CreateDatasourceRequest {
        name: "shop".to_owned(),
        engine: v1::Engine::Postgres.into(),
        agent: "db1".to_owned(),
        host: "localhost".to_owned(),
        username: "backup".to_owned(),
        databases: Some(v1::DatabaseSelection {
            selection: Some(v1::database_selection::Selection::All(v1::AllDatabases::default())),
        }),
        ..v1::CreateDatasourceRequest::default()
    };
    let mut datasources = DatasourceServiceClient::new(admin.clone());
    let made = datasources
        .create_datasource(datasource)
        .await
        .unwrap()
        .into_inner()
        .datasource
        .unwrap();
    assert_eq!((made.port, made.agent.as_str()), (5432, "db1"));
    let request = v1::CreateJobRequest {
        name: "nightly".to_owned(),
        datasource: "shop".to_owned(),
        storages: vec!["nowhere".to_owned()],
        ..v1::CreateJobRequest::default()
    };
    let error = refused(JobServiceClient::new(admin).create_job(request).await);
    assert!(
        matches!(error.reason.as_str(), "STORAGE_NOT_FOUND" | "BAD_REQUEST"),
        "{error:?}"
    );
    assert!(error.message.contains("nowhere"), "{error:?}");
}

#[tokio::test]
async fn a_request_to_be_an_authority_is_refused_and_leaves_the_token_good() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let token = join_token(&admin, "db1").await;
    let key = KeyPair::generate().unwrap();
    let mut client = EnrollmentServiceClient::new(server.channel());
    let by_constraint = certificate_request(&key, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    let by_usage = certificate_request(&key, |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign]
    });
    let huge = vec![0x30; 1 << 20];
    for request in [by_constraint, by_usage, huge, Vec::new(), b"nonsense".to_vec()] {
        let error = refused(client.enroll(enroll_request(&token, request)).await);
        let fields: Vec<_> = error.fields.iter().map(|bad| bad.field.as_str()).collect();
        assert_eq!(fields, ["certificate_request"], "{error:?}");
    }
    let good = certificate_request(&key, |_| {});
    assert!(client.enroll(enroll_request(&token, good)).await.is_ok());
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_a_reason() {
    let server = Server::start().await;
    let token = server.set_up().await.api_token;
    let headers = format!("content-type: application/grpc-web+proto\r\nauthorization: Bearer {token}\r\n");
    let path = "/dataguardian.v1.JobService/GetJob";
    for nonsense in [
        &[0, 0, 0, 0, 2, 0xff, 0xff][..],
        &[0xff; 64],
        &[0, 0xff, 0xff, 0xff, 0xff],
        &[],
    ] {
        let answer = post(&server, path, &headers, nonsense).await;
        let told = answer.head.clone() + &answer.text();
        assert!(
            !told.contains("grpc-status: 0") && !told.contains("grpc-status:0"),
            "{told}"
        );
    }
    let method = post(&server, "/dataguardian.v1.JobService/NoSuchMethod", &headers, &[]).await;
    assert!(method.head.contains("grpc-status: 12"), "{}", method.head);
}
