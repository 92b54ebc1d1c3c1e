//! Roles over one thing: what belongs to it can be seen and done, and all else is not there.

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::access::{Permission, methods};
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::access_service_client::AccessServiceClient;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::audit_service_client::AuditServiceClient;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use prost_reflect::{DynamicMessage, ReflectMessage as _, Value};
use tonic::Code;

use crate::matrix::{all_methods, bind, call, sign_in, user};
use crate::scene::Scene;
use crate::server::{PASSWORD, Signed, refused};

/// What a request may name, by the names of its fields.
struct Things<'a> {
    agent: &'a str,
    datasource: &'a str,
    storage: &'a str,
    job: &'a str,
    execution: &'a str,
    backup: &'a str,
}

impl Things<'_> {
    /// The message, with whatever it can name.
    fn name(&self, mut message: DynamicMessage) -> DynamicMessage {
        for (field, text) in [
            ("agent", self.agent),
            ("datasource", self.datasource),
            ("storage", self.storage),
            ("job", self.job),
            ("id", self.execution),
            ("execution_id", self.execution),
            ("backup", self.backup),
            ("backup_id", self.backup),
            ("name", "another"),
            ("target_datasource", self.datasource),
            ("reason", "kept"),
        ] {
            let known = message.descriptor().get_field_by_name(field);
            if known.is_some_and(|known| known.kind() == prost_reflect::Kind::String) {
                message.set_field_by_name(field, Value::String(text.to_owned()));
            }
        }
        if message.descriptor().get_field_by_name("storages").is_some() {
            let storages = vec![Value::String(self.storage.to_owned())];
            message.set_field_by_name("storages", Value::List(storages));
        }
        message
    }
}

/// Another datasource with a job; the execution is that job's.
async fn make_foreign(scene: &Scene) -> v1::Execution {
    let datasource = v1::CreateDatasourceRequest {
        name: "crm".to_owned(),
        engine: v1::Engine::Postgres.into(),
        agent: "db1".to_owned(),
        host: "localhost".to_owned(),
        username: "backup".to_owned(),
        password: "s3cret".to_owned(),
        databases: Some(v1::DatabaseSelection {
            selection: Some(v1::database_selection::Selection::All(v1::AllDatabases::default())),
        }),
        ..v1::CreateDatasourceRequest::default()
    };
    let mut datasources = DatasourceServiceClient::new(scene.admin.clone());
    datasources.create_datasource(datasource).await.unwrap();
    let job = v1::CreateJobRequest {
        name: "weekly".to_owned(),
        datasource: "crm".to_owned(),
        storages: vec!["disk".to_owned()],
        ..v1::CreateJobRequest::default()
    };
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    jobs.create_job(job).await.unwrap();
    run(&mut jobs, "weekly").await.unwrap()
}

async fn run(jobs: &mut JobServiceClient<Signed>, job: &str) -> Result<v1::Execution, ApiError> {
    let request = v1::RunJobRequest {
        job: job.to_owned(),
        ..Default::default()
    };
    let ran = jobs.run_job(request).await;
    ran.map(|ran| ran.into_inner().execution.unwrap())
        .map_err(|status| ApiError::from(&status))
}

/// The permissions that a role over one thing gives, as a role.
async fn make_all_scopable(scene: &Scene) {
    let mut access = AccessServiceClient::new(scene.admin.clone());
    let all = access
        .list_permissions(v1::ListPermissionsRequest {})
        .await
        .unwrap();
    let scopable = all
        .into_inner()
        .permissions
        .into_iter()
        .filter(|one| one.scopable);
    let request = v1::CreateRoleRequest {
        name: "all-of-it".to_owned(),
        permissions: scopable.map(|one| one.name).collect(),
        ..Default::default()
    };
    access.create_role(request).await.unwrap();
}

#[tokio::test]
async fn what_belongs_to_something_else_is_not_there_by_whatever_method_it_is_named() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    let foreign = make_foreign(&scene).await;
    let own = scene.run_job().await;
    make_all_scopable(&scene).await;
    user(server, admin, "ann", &[]).await;
    bind(admin, "all-of-it", "ann", v1::ScopeKind::Datasource, "shop").await;
    let ann = sign_in(server, "ann").await.unwrap();
    let nothing = dataguardian_core::ids::BackupId::new().to_string();
    let theirs = Things {
        agent: "db1",
        datasource: "crm",
        storage: "disk",
        job: "weekly",
        execution: &foreign.id,
        backup: &nothing,
    };
    let hers = Things {
        datasource: "shop",
        job: "nightly",
        execution: &own.id,
        ..theirs
    };
    let scopable = scopable(&scene).await;
    let access = methods().unwrap();
    let mut tried = 0;
    for (path, method) in all_methods() {
        let Permission::Named(permission) = &access[&path].permission else {
            continue;
        };
        if !scopable.contains(permission) || method.name().starts_with("List") && !names_a_thing(&method) {
            continue;
        }
        let message = theirs.name(DynamicMessage::new(method.input()));
        let error = call(server.channel(), Some(&ann), &path, message).await;
        let code = error.as_ref().map(tonic::Status::code);
        assert_eq!(code, Some(Code::NotFound), "{path}: {error:?}");
        tried += 1;
        if ["agent", "storage", "storages", "backup", "backup_id"]
            .iter()
            .any(|field| method.input().get_field_by_name(field).is_some())
        {
            continue;
        }
        let message = hers.name(DynamicMessage::new(method.input()));
        let error = call(server.channel(), Some(&ann), &path, message).await;
        let code = error.as_ref().map(tonic::Status::code);
        let hidden = matches!(code, Some(Code::NotFound | Code::PermissionDenied));
        assert!(!hidden || path.ends_with("/RunJob"), "{path}: {error:?}");
    }
    assert!(tried > 30, "only {tried} methods were tried");
}

/// Whether a list is of what belongs to one thing that it names.
fn names_a_thing(method: &prost_reflect::MethodDescriptor) -> bool {
    !matches!(
        method.name(),
        "ListAgents" | "ListDatasources" | "ListStorages" | "ListJobs"
    )
}

async fn scopable(scene: &Scene) -> Vec<String> {
    let mut access = AccessServiceClient::new(scene.admin.clone());
    let all = access
        .list_permissions(v1::ListPermissionsRequest {})
        .await
        .unwrap();
    let scopable = all
        .into_inner()
        .permissions
        .into_iter()
        .filter(|one| one.scopable);
    scopable.map(|one| one.name).collect()
}

#[tokio::test]
async fn lists_hold_what_their_reader_may_see() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    make_foreign(&scene).await;
    scene.run_job().await;
    user(server, admin, "bob", &[]).await;
    bind(admin, "viewer", "bob", v1::ScopeKind::Storage, "disk").await;
    bind(admin, "viewer", "bob", v1::ScopeKind::Agent, "db1").await;
    bind(admin, "viewer", "bob", v1::ScopeKind::Job, "nightly").await;
    let bob = server.signed(&sign_in(server, "bob").await.unwrap());

    let agents = AgentServiceClient::new(bob.clone())
        .list_agents(v1::ListAgentsRequest::default())
        .await;
    let names: Vec<_> = agents
        .unwrap()
        .into_inner()
        .agents
        .into_iter()
        .map(|agent| agent.name)
        .collect();
    assert_eq!(names, ["db1"]);
    let storages = StorageServiceClient::new(bob.clone())
        .list_storages(v1::ListStoragesRequest::default())
        .await;
    assert_eq!(storages.unwrap().into_inner().storages.len(), 1);
    let datasources = DatasourceServiceClient::new(bob.clone())
        .list_datasources(v1::ListDatasourcesRequest::default())
        .await;
    assert_eq!(datasources.unwrap().into_inner().datasources.len(), 0);
    let mut jobs = JobServiceClient::new(bob.clone());
    let listed = jobs
        .list_jobs(v1::ListJobsRequest::default())
        .await
        .unwrap()
        .into_inner()
        .jobs;
    let names: Vec<_> = listed.into_iter().map(|job| job.name).collect();
    assert_eq!(names, ["nightly"]);
    let mut executions = ExecutionServiceClient::new(bob.clone());
    let listed = executions
        .list_executions(v1::ListExecutionsRequest::default())
        .await
        .unwrap();
    let of: Vec<_> = listed
        .into_inner()
        .executions
        .into_iter()
        .map(|one| one.job)
        .collect();
    assert_eq!(of, ["nightly"]);
    let backups = BackupServiceClient::new(bob.clone())
        .list_backups(v1::ListBackupsRequest::default())
        .await;
    assert_eq!(backups.unwrap().into_inner().backups.len(), 0);

    // What a list is narrowed to has to be seen as well.
    let of_foreign = v1::ListExecutionsRequest {
        job: "weekly".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refused(executions.list_executions(of_foreign).await).reason,
        "JOB_NOT_FOUND"
    );
    // What may be seen and not be done is refused by name.
    let denied = run(&mut jobs, "nightly").await.unwrap_err();
    assert_eq!(
        (denied.code, denied.reason.as_str()),
        (ErrorCode::PermissionDenied, "PERMISSION_DENIED")
    );
    assert!(denied.message.contains("jobs.run"), "{}", denied.message);

    let who = AuthServiceClient::new(bob)
        .who_am_i(v1::WhoAmIRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(who.restricted);
    assert!(
        who.permissions.contains(&"jobs.get".to_owned())
            && !who.permissions.contains(&"system.get".to_owned())
    );
}

#[tokio::test]
async fn whoever_is_locked_or_deleted_is_refused_at_once_and_its_streams_end() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    let execution = scene.run_job().await;
    let token = user(server, admin, "eve", &["viewer"]).await;
    let mut executions = ExecutionServiceClient::new(server.signed(&token));
    let tail = v1::TailLogsRequest {
        execution_id: execution.id,
        follow: true,
        ..Default::default()
    };
    let mut stream = executions.tail_logs(tail).await.unwrap().into_inner();
    let mut access = AccessServiceClient::new(admin.clone());
    let lock = |locked| v1::UpdateUserRequest {
        user: "eve".to_owned(),
        locked: Some(locked),
        ..Default::default()
    };
    access.update_user(lock(true)).await.unwrap();
    let refusal = refused(
        executions
            .list_executions(v1::ListExecutionsRequest::default())
            .await,
    );
    assert_eq!(refusal.code, ErrorCode::Unauthenticated);
    assert_eq!(
        ApiError::from(&sign_in(server, "eve").await.unwrap_err()).reason,
        "USER_LOCKED"
    );
    let ended = async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                other => return other,
            }
        }
    };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), ended)
        .await
        .unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::Unauthenticated);

    access.update_user(lock(false)).await.unwrap();
    let token = sign_in(server, "eve").await.unwrap();
    let delete = v1::DeleteUserRequest {
        user: "eve".to_owned(),
    };
    access.delete_user(delete).await.unwrap();
    let mut executions = ExecutionServiceClient::new(server.signed(&token));
    let refusal = refused(
        executions
            .list_executions(v1::ListExecutionsRequest::default())
            .await,
    );
    assert_eq!(refusal.reason, "BAD_TOKEN");
}

#[tokio::test]
async fn an_api_token_may_what_its_roles_and_its_user_both_may() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    let owner = server.signed(&user(server, admin, "otto", &["operator"]).await);
    let mut access = AccessServiceClient::new(owner.clone());
    let wanted = |role: &str| v1::CreateApiTokenRequest {
        name: "ci".to_owned(),
        roles: vec![role.to_owned()],
        scope: Some(v1::Scope {
            kind: v1::ScopeKind::Job.into(),
            resource: "nightly".to_owned(),
            name: String::new(),
        }),
        ..Default::default()
    };
    let more = refused(access.create_api_token(wanted("admin")).await);
    assert_eq!(more.reason, "MORE_THAN_YOURS");
    let made = access
        .create_api_token(wanted("operator"))
        .await
        .unwrap()
        .into_inner();
    let mut jobs = JobServiceClient::new(server.signed(&made.secret));
    run(&mut jobs, "nightly").await.unwrap();
    let mut program = AccessServiceClient::new(server.signed(&made.secret));
    let wider = v1::CreateApiTokenRequest {
        scope: None,
        ..wanted("viewer")
    };
    assert_eq!(
        refused(program.create_api_token(wider).await).reason,
        "MORE_THAN_YOURS"
    );

    let listed = access
        .list_api_tokens(v1::ListApiTokensRequest {})
        .await
        .unwrap()
        .into_inner()
        .tokens;
    assert_eq!(listed[0].name, "ci");
    assert!(listed[0].last_used_at.is_some());
    // What its user loses, it loses too.
    let bound = AccessServiceClient::new(admin.clone())
        .list_role_bindings(v1::ListRoleBindingsRequest {
            user: "otto".to_owned(),
        })
        .await
        .unwrap();
    let binding_id = bound.into_inner().bindings[0].id.clone();
    let mut manager = AccessServiceClient::new(admin.clone());
    manager
        .delete_role_binding(v1::DeleteRoleBindingRequest { binding_id })
        .await
        .unwrap();
    assert_eq!(
        run(&mut jobs, "nightly").await.unwrap_err().code,
        ErrorCode::PermissionDenied
    );

    let revoke = v1::RevokeApiTokenRequest {
        api_token_id: made.token.unwrap().id,
    };
    access.revoke_api_token(revoke).await.unwrap();
    assert_eq!(run(&mut jobs, "nightly").await.unwrap_err().reason, "BAD_TOKEN");
}

#[tokio::test]
async fn an_administrator_stays_and_nobody_makes_himself_one() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    let mut access = AccessServiceClient::new(admin.clone());
    let of_admin = v1::ListRoleBindingsRequest {
        user: "admin".to_owned(),
    };
    let bound = access.list_role_bindings(of_admin).await.unwrap().into_inner();
    let unbind = v1::DeleteRoleBindingRequest {
        binding_id: bound.bindings[0].id.clone(),
    };
    assert_eq!(
        refused(access.delete_role_binding(unbind.clone()).await).reason,
        "LAST_ADMIN"
    );
    let delete = v1::DeleteUserRequest {
        user: "admin".to_owned(),
    };
    assert_eq!(refused(access.delete_user(delete).await).reason, "LAST_ADMIN");
    let lock = v1::UpdateUserRequest {
        user: "admin".to_owned(),
        locked: Some(true),
        ..Default::default()
    };
    assert_eq!(refused(access.update_user(lock).await).reason, "LAST_ADMIN");
    let less = v1::UpdateRoleRequest {
        role: "admin".to_owned(),
        permissions: vec!["jobs.get".to_owned()],
        ..Default::default()
    };
    assert_eq!(refused(access.update_role(less).await).reason, "ADMIN_ROLE");

    let manager = v1::CreateRoleRequest {
        name: "manager".to_owned(),
        permissions: [
            "users.create",
            "users.update",
            "users.delete",
            "roles.bind",
            "roles.update",
            "roles.list",
        ]
        .map(str::to_owned)
        .into(),
        ..Default::default()
    };
    access.create_role(manager).await.unwrap();
    let mona = server.signed(&user(server, admin, "mona", &["manager"]).await);
    let mut mona = AccessServiceClient::new(mona);
    let take_over = v1::UpdateUserRequest {
        user: "admin".to_owned(),
        new_password: PASSWORD.to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refused(mona.update_user(take_over).await).reason,
        "MORE_THAN_YOURS"
    );
    let promote = v1::CreateRoleBindingRequest {
        role: "admin".to_owned(),
        user: "mona".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refused(mona.create_role_binding(promote).await).reason,
        "MORE_THAN_YOURS"
    );
    let widen = v1::UpdateRoleRequest {
        role: "manager".to_owned(),
        permissions: vec!["*".to_owned()],
        ..Default::default()
    };
    assert_eq!(refused(mona.update_role(widen).await).reason, "MORE_THAN_YOURS");
    // With a second administrator the first may go.
    user(server, admin, "second", &["admin"]).await;
    access.delete_role_binding(unbind).await.unwrap();
}

#[tokio::test]
async fn the_audit_log_says_what_was_asked_and_no_secret() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    user(server, admin, "ann", &["viewer"]).await;
    let mut audit = AuditServiceClient::new(admin.clone());
    let made = v1::ListAuditLogsRequest {
        filter: Some(v1::AuditFilter {
            method: "CreateUser".to_owned(),
            outcome: "ok".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let rows = audit.list_audit_logs(made).await.unwrap().into_inner().audit_logs;
    assert_eq!(rows[0].actor_name, "admin");
    assert_eq!(rows[0].resource, "ann");
    assert_eq!(
        rows[0].request_json,
        r#"{"username":"ann","password":"[secret]","roles":["viewer"]}"#
    );
    let mut all = audit
        .export_audit_logs(v1::ExportAuditLogsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let (mut last, mut seen) = (0, 0);
    while let Some(row) = all.message().await.unwrap() {
        let row = row.audit_log.unwrap();
        assert!(row.number > last);
        assert!(!format!("{row:?}").contains(PASSWORD), "{row:?}");
        assert!(!format!("{row:?}").contains("s3cret"), "{row:?}");
        last = row.number;
        seen += 1;
    }
    assert!(seen > 5, "only {seen} rows");
    let check = audit
        .verify_audit(v1::VerifyAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(check.faults, []);
}
