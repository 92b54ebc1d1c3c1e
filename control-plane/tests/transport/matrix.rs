//! Who may call what: every method as nobody, as each role, as somebody with a role over one thing, and with an agent's
//! certificate, against one table. A method without a line in it fails.

use std::fmt::Write as _;

use dataguardian_proto::access::methods;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::access_service_client::AccessServiceClient;
use dataguardian_proto::v1::auth_service_client::AuthServiceClient;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::scene::Scene;
use crate::server::{PASSWORD, Server, Signed};

/// What is decided, a line for each method.
const TABLE: &str = include_str!("matrix.txt");
/// These leave things otherwise than before, and come last: one changes the certificates, the other ends the sign-in.
const LAST: [&str; 2] = [
    "/dataguardian.v1.SystemService/RotateAuthority",
    "/dataguardian.v1.AuthService/Logout",
];

/// Makes a user with these roles over everything, and signs it in.
pub(crate) async fn user(server: &Server, admin: &Signed, name: &str, roles: &[&str]) -> String {
    let request = v1::CreateUserRequest {
        username: name.to_owned(),
        password: PASSWORD.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
    };
    let mut access = AccessServiceClient::new(admin.clone());
    access.create_user(request).await.unwrap();
    sign_in(server, name).await.unwrap()
}

pub(crate) async fn sign_in(server: &Server, name: &str) -> Result<String, Status> {
    let request = v1::LoginRequest {
        username: name.to_owned(),
        password: PASSWORD.to_owned(),
        ..Default::default()
    };
    let login = AuthServiceClient::new(server.channel()).login(request).await?;
    Ok(login.into_inner().api_token)
}

/// Gives a user a role over one thing.
pub(crate) async fn bind(admin: &Signed, role: &str, user: &str, kind: v1::ScopeKind, resource: &str) {
    let request = v1::CreateRoleBindingRequest {
        role: role.to_owned(),
        user: user.to_owned(),
        scope: Some(v1::Scope {
            kind: kind.into(),
            resource: resource.to_owned(),
            name: String::new(),
        }),
        ..Default::default()
    };
    let mut access = AccessServiceClient::new(admin.clone());
    access.create_role_binding(request).await.unwrap();
}

/// Every method of ours, in order of their paths.
pub(crate) fn all_methods() -> Vec<(String, MethodDescriptor)> {
    let pool = DescriptorPool::decode(dataguardian_proto::DESCRIPTOR_SET).unwrap();
    let mut all: Vec<_> = pool
        .services()
        .filter(|service| service.full_name().starts_with("dataguardian."))
        .flat_map(|service| service.methods().collect::<Vec<_>>())
        .map(|method| {
            let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
            (path, method)
        })
        .collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

/// Calls a method, and gives the error; none if it did what was asked.
pub(crate) async fn call(
    channel: Channel,
    token: Option<&str>,
    path: &str,
    message: DynamicMessage,
) -> Option<Status> {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.unwrap();
    let mut request = tonic::Request::new(message);
    if let Some(token) = token {
        let bearer = format!("Bearer {token}").parse().unwrap();
        request.metadata_mut().insert("authorization", bearer);
    }
    let codec = tonic_prost::ProstCodec::<DynamicMessage, ()>::default();
    client.unary(request, path.parse().unwrap(), codec).await.err()
}

/// Whether whoever called came past the guard.
fn decision(error: Option<Status>) -> &'static str {
    let Some(error) = error else { return "yes" };
    let reason = ApiError::from(&error).reason;
    match error.code() {
        Code::PermissionDenied if reason == "PERMISSION_DENIED" => "no",
        Code::Unauthenticated if reason == "UNAUTHENTICATED" => "no",
        Code::Unimplemented => "no",
        _ => "yes",
    }
}

#[tokio::test]
async fn every_method_is_open_to_those_who_are_in_the_table_and_to_nobody_else() {
    let scene = Scene::set().await;
    let (server, admin) = (&scene.server, &scene.admin);
    for role in ["operator", "restorer", "viewer"] {
        user(server, admin, role, &[role]).await;
    }
    user(server, admin, "roleless", &[]).await;
    user(server, admin, "scoped", &[]).await;
    bind(admin, "operator", "scoped", v1::ScopeKind::Datasource, "shop").await;
    let mut columns = vec![(server.channel(), None)];
    for name in ["admin", "operator", "restorer", "viewer", "scoped", "roleless"] {
        columns.push((server.channel(), Some(sign_in(server, name).await.unwrap())));
    }
    columns.push((scene.agent.channel(server), None));

    let mut methods = all_methods();
    methods.sort_by_key(|(path, _)| LAST.iter().position(|last| last == path));
    let mut lines = Vec::new();
    for (path, method) in methods {
        let mut line = format!("{:<70}", path.trim_start_matches('/'));
        for (channel, token) in &columns {
            let message = DynamicMessage::new(method.input());
            let error = call(channel.clone(), token.as_deref(), &path, message).await;
            write!(line, "{:<9}", decision(error)).unwrap();
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.sort();
    let expected: Vec<_> = TABLE.lines().filter(|line| !line.starts_with('#')).collect();
    let found = lines.join("\n");
    if found != expected.join("\n") {
        let path = std::env::temp_dir().join("matrix.found.txt");
        std::fs::write(&path, &found).unwrap();
        let differing: Vec<_> = lines
            .iter()
            .filter(|line| !expected.contains(&line.as_str()))
            .collect();
        panic!("not as the table says ({}): {differing:#?}", path.display());
    }
    assert_eq!(methods_without_a_decision(), Vec::<String>::new());
}

/// Methods that the server knows and the table does not.
fn methods_without_a_decision() -> Vec<String> {
    let known = |path: &String| TABLE.contains(path.trim_start_matches('/'));
    let all = methods().unwrap().into_keys();
    all.filter(|path| !known(path)).collect()
}
