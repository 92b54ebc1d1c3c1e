use std::time::Duration;

use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::Secret;
use dataguardian_proto::v1;

use super::{BadFields, checked, known, length};
use crate::domain::access::{ResourceKind, check_permissions};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::{Reference, new_name};
use crate::domain::session::Whence;
use crate::domain::text;
use crate::domain::user::UserReference;
use crate::services::access::{BindingRequest, Holder, NamedScope, NewApiToken, RoleChange, UserChange};

/// How long an API token is good if nobody says.
const USUAL_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// What is to change of a user.
pub(in crate::grpc) fn user_change(request: v1::UpdateUserRequest) -> UserChange {
    let password = Some(request.new_password).filter(|password| !password.is_empty());
    UserChange {
        locked: request.locked,
        password: password.map(Secret::new),
    }
}

/// What is to change of a role; `all` are the permissions that there are.
pub(in crate::grpc) fn role_change(
    request: v1::UpdateRoleRequest,
    all: &[String],
) -> Result<RoleChange, BadFields> {
    let mut checks = Checks::new();
    let permissions = match request.permissions.is_empty() {
        true => None,
        false => checks.take(check_permissions(request.permissions, all)),
    };
    let revision = checks.take(super::revision(&request.etag));
    let expected_revision = checked(checks, revision)?;
    Ok(RoleChange {
        description: request.description,
        permissions,
        expected_revision,
    })
}

/// A role that somebody is to be given.
pub(in crate::grpc) fn new_binding(
    request: v1::CreateRoleBindingRequest,
) -> Result<BindingRequest, BadFields> {
    let mut checks = Checks::new();
    let role = checks.take(Reference::parse("role", &request.role));
    let scope = checks.take(named_scope(request.scope));
    let holder = checks.take(match (request.user.as_str(), request.api_token_id.as_str()) {
        ("", "") => Err(BadField::new("user", "must be given, or api_token_id")),
        (name, "") => UserReference::parse("user", name).map(Holder::User),
        ("", token) => {
            token
                .parse()
                .map(Holder::Token)
                .map_err(|error: dataguardian_core::ids::InvalidId| {
                    BadField::new("api_token_id", error.to_string())
                })
        }
        (_, _) => Err(BadField::new("api_token_id", "can't be given together with user")),
    });
    let all = role.zip(scope).zip(holder);
    let ((role, scope), holder) = checked(checks, all)?;
    Ok(BindingRequest { role, holder, scope })
}

/// An API token that is to be.
pub(in crate::grpc) fn new_api_token(
    request: v1::CreateApiTokenRequest,
    whence: Whence,
) -> Result<NewApiToken, BadFields> {
    let mut checks = Checks::new();
    let name: Option<ResourceName> = checks.take(new_name("name", &request.name));
    let ttl = checks.take(length("ttl", request.ttl.as_ref(), USUAL_LIFE));
    let scope = checks.take(named_scope(request.scope));
    let all = name.zip(ttl).zip(scope);
    let ((name, ttl), scope) = checked(checks, all)?;
    Ok(NewApiToken {
        name,
        ttl,
        roles: request.roles,
        scope,
        whence,
    })
}

fn named_scope(scope: Option<v1::Scope>) -> Result<NamedScope, BadField> {
    let scope = scope.unwrap_or_default();
    let kind = match known("scope.kind", scope.kind)? {
        v1::ScopeKind::Unspecified if scope.resource.is_empty() => return Ok(NamedScope::Everything),
        v1::ScopeKind::Unspecified => {
            return Err(BadField::new("scope.kind", "must be given with scope.resource"));
        }
        v1::ScopeKind::Agent => ResourceKind::Agent,
        v1::ScopeKind::Datasource => ResourceKind::Datasource,
        v1::ScopeKind::Storage => ResourceKind::Storage,
        v1::ScopeKind::Job => ResourceKind::Job,
    };
    text::required("scope.resource", &scope.resource, text::MAX_TEXT)?;
    Ok(NamedScope::Only(kind, scope.resource))
}
