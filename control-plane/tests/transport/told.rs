//! What callers are told so that they know what to do: names for ids, who can give what lacks, and tries that were not theirs.

use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SystemClock};
use dataguardian_proto::v1;
use dataguardian_proto::v1::access_service_client::AccessServiceClient;
use dataguardian_proto::v1::audit_service_client::AuditServiceClient;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;

use crate::matrix::{bind, user};
use crate::scene::Scene;
use crate::server::{PASSWORD, Server, refused};

#[tokio::test]
async fn a_binding_names_what_it_is_over_and_a_denial_names_who_can_help() {
    let scene = Box::pin(Scene::set()).await;
    let token = user(&scene.server, &scene.admin, "cleo", &[]).await;
    bind(&scene.admin, "viewer", "cleo", v1::ScopeKind::Job, "nightly").await;
    let request = v1::ListRoleBindingsRequest {
        user: "cleo".to_owned(),
    };
    let mut access = AccessServiceClient::new(scene.admin.clone());
    let listed = access.list_role_bindings(request).await.unwrap().into_inner();
    let scope = listed.bindings[0].scope.clone().unwrap();
    assert_eq!((scope.name.as_str(), scope.resource.len()), ("nightly", 36));

    let mut jobs = JobServiceClient::new(scene.server.signed(&token));
    let request = v1::RunJobRequest {
        job: "nightly".to_owned(),
        ..Default::default()
    };
    let denied = refused(jobs.run_job(request).await);
    assert_eq!(denied.reason, "PERMISSION_DENIED");
    for said in ["jobs.run", "dgctl role bind", "administrator"] {
        assert!(denied.message.contains(said), "{}", denied.message);
    }
}

#[tokio::test]
async fn a_paused_job_says_so_with_its_next_times() {
    let scene = Box::pin(Scene::set()).await;
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    let update = v1::UpdateJobRequest {
        job: "nightly".to_owned(),
        schedule: Some(v1::Schedule {
            cron: "@daily".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["schedule".to_owned()],
        }),
        ..Default::default()
    };
    jobs.update_job(update).await.unwrap();
    let next = v1::ListNextFireTimesRequest {
        job: "nightly".to_owned(),
        ..Default::default()
    };
    let running = jobs
        .list_next_fire_times(next.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!((running.times.len(), running.paused_at), (5, None));
    let pause = v1::PauseJobRequest {
        job: "nightly".to_owned(),
    };
    jobs.pause_job(pause).await.unwrap();
    let paused = jobs.list_next_fire_times(next).await.unwrap().into_inner();
    assert!(
        paused.times.len() == 5 && paused.paused_at.is_some(),
        "{paused:?}"
    );
}

#[tokio::test]
async fn whoever_signs_in_reads_of_tries_since_the_last_time() {
    let clock = ManualClock::at(SystemClock.now());
    let server = Server::start_at(clock.clone(), |_| {}).await;
    let admin = server.administrator().await;
    user(&server, &admin, "ada", &["viewer"]).await;
    let mut auth = AuthServiceClient::new(server.channel());
    let login = |password: &str| v1::LoginRequest {
        username: "ada".to_owned(),
        password: password.to_owned(),
        ..Default::default()
    };
    for _ in 0..5 {
        let wrong = refused(auth.login(login("wrong wrong wrong")).await);
        assert_eq!(wrong.reason, "WRONG_CREDENTIALS");
    }
    assert_eq!(
        refused(auth.login(login(PASSWORD)).await).reason,
        "TOO_MANY_TRIES"
    );
    clock.advance(TimeDelta::seconds(2));
    let first = auth.login(login(PASSWORD)).await.unwrap().into_inner();
    let failed = first.failed_sign_ins.unwrap();
    assert_eq!((failed.count, failed.last_from.as_str()), (6, "127.0.0.1"));
    let second = auth.login(login(PASSWORD)).await.unwrap().into_inner();
    assert_eq!(second.failed_sign_ins, None);

    let request = v1::ListAuditLogsRequest {
        filter: Some(v1::AuditFilter {
            method: "wrong passwords".to_owned(),
            resource: "ada".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut audit = AuditServiceClient::new(admin);
    let rows = audit
        .list_audit_logs(request)
        .await
        .unwrap()
        .into_inner()
        .audit_logs;
    assert_eq!(rows.len(), 1, "once, when the account has to wait");
    assert_eq!(
        (rows[0].outcome.as_str(), rows[0].remote.as_str()),
        ("TOO_MANY_TRIES", "127.0.0.1")
    );
}

#[tokio::test]
async fn the_audit_log_says_what_an_update_changed() {
    let scene = Box::pin(Scene::set()).await;
    let mut datasources = DatasourceServiceClient::new(scene.admin.clone());
    let update = v1::UpdateDatasourceRequest {
        datasource: "shop".to_owned(),
        host: "db2.example.com".to_owned(),
        password: "a canary of a password".to_owned(),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["host".to_owned(), "password".to_owned()],
        }),
        ..Default::default()
    };
    datasources.update_datasource(update).await.unwrap();
    let request = v1::ListAuditLogsRequest {
        filter: Some(v1::AuditFilter {
            method: "UpdateDatasource".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut audit = AuditServiceClient::new(scene.admin.clone());
    let rows = audit
        .list_audit_logs(request)
        .await
        .unwrap()
        .into_inner()
        .audit_logs;
    let change = &rows[0].changes[0];
    assert_eq!(rows[0].changes.len(), 1, "{:?}", rows[0].changes);
    assert_eq!(change.field, "host");
    assert_eq!(
        (change.before_json.as_str(), change.after_json.as_str()),
        ("\"localhost\"", "\"db2.example.com\"")
    );
    assert!(
        rows[0].request_json.contains(r#""password":"[secret]""#),
        "{}",
        rows[0].request_json
    );

    let alone = v1::ListAuditLogsRequest {
        filter: Some(v1::AuditFilter {
            number: rows[0].number,
            ..Default::default()
        }),
        ..Default::default()
    };
    let found = audit
        .list_audit_logs(alone)
        .await
        .unwrap()
        .into_inner()
        .audit_logs;
    assert_eq!(found, rows);
}
