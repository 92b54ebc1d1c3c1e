use dataguardian_control_plane::domain::audit::{Actor, AuditEntry};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;

use crate::raw::get;
use crate::server::{Server, refused};

/// All entries, the oldest first.
async fn log(server: &Server) -> Vec<AuditEntry> {
    let page = server.services.audit.list(&PageRequest::default()).await.unwrap();
    page.items.into_iter().rev().map(|record| record.entry).collect()
}

#[tokio::test]
async fn audited_calls_and_denials_leave_rows_that_say_who_what_and_how_it_ended() {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let request = v1::CreateJoinTokenRequest {
        name: "db1".to_owned(),
        ..v1::CreateJoinTokenRequest::default()
    };
    AgentServiceClient::new(admin.clone())
        .create_join_token(request)
        .await
        .unwrap();
    let request = v1::RunJobRequest {
        job: "nightly".to_owned(),
        ..v1::RunJobRequest::default()
    };
    refused(JobServiceClient::new(admin.clone()).run_job(request).await);
    JobServiceClient::new(admin)
        .list_jobs(v1::ListJobsRequest::default())
        .await
        .unwrap();
    refused(
        JobServiceClient::new(server.channel())
            .list_jobs(v1::ListJobsRequest::default())
            .await,
    );
    get(&server, "/api/health", "").await;

    let log = log(&server).await;
    let rows: Vec<_> = log
        .iter()
        .map(|entry| {
            let method = entry.method.rsplit('/').next().unwrap_or_default();
            (
                entry.actor.kind(),
                method,
                entry.resource.as_str(),
                entry.outcome.as_str(),
            )
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("anonymous", "Setup", "admin", "ok"),
            ("user", "CreateJoinToken", "db1", "ok"),
            ("user", "RunJob", "nightly", "JOB_NOT_FOUND"),
            ("anonymous", "ListJobs", "", "UNAUTHENTICATED"),
            ("anonymous", "health", "", "UNAUTHENTICATED"),
        ]
    );
    assert!(
        log.iter()
            .all(|entry| entry.remote.as_deref() == Some("127.0.0.1"))
    );
    assert!(matches!(&log[1].actor, Actor::User(_, name) if name == "admin"));
}
