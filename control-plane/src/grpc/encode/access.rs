use std::collections::BTreeMap;

use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use super::user;
use crate::domain::access::{ResourceKind, Role, RoleBinding, RoleHolder, Scope, is_scopable};
use crate::services::access::{Account, ApiToken};

/// A user with its roles.
pub(in crate::grpc) fn account(account: Account) -> v1::UserAccount {
    v1::UserAccount {
        locked_at: account.user.locked_at.map(timestamp),
        totp_enabled: account.user.has_totp,
        user: Some(user(account.user)),
        bindings: account.bindings.into_iter().map(binding).collect(),
    }
}

/// A role.
pub(in crate::grpc) fn role(role: Role) -> v1::Role {
    v1::Role {
        id: role.id.to_string(),
        name: role.name.to_string(),
        description: role.description,
        permissions: role.permissions.names(),
        seeded: role.seeded,
        etag: role.revision.to_string(),
    }
}

/// That somebody has a role.
pub(in crate::grpc) fn binding(binding: RoleBinding) -> v1::RoleBinding {
    let token = match binding.holder {
        RoleHolder::User(_) => None,
        RoleHolder::Token(token) => Some(token),
    };
    v1::RoleBinding {
        id: binding.id.to_string(),
        role: binding.role_name.to_string(),
        user: binding.username,
        api_token_id: token.map(|token| token.to_string()).unwrap_or_default(),
        api_token: binding.token_name.unwrap_or_default(),
        scope: Some(scope(binding.scope, binding.scope_name)),
        created_at: Some(timestamp(binding.created_at)),
    }
}

fn scope(scope: Scope, name: Option<String>) -> v1::Scope {
    match scope {
        Scope::Everything => v1::Scope::default(),
        Scope::Only(resource) => {
            let kind = match resource.kind() {
                ResourceKind::Agent => v1::ScopeKind::Agent,
                ResourceKind::Datasource => v1::ScopeKind::Datasource,
                ResourceKind::Storage => v1::ScopeKind::Storage,
                ResourceKind::Job => v1::ScopeKind::Job,
            };
            v1::Scope {
                kind: kind.into(),
                resource: resource.uuid().to_string(),
                name: name.unwrap_or_default(),
            }
        }
    }
}

/// An API token, without what proves it.
pub(in crate::grpc) fn api_token(token: ApiToken) -> v1::ApiToken {
    v1::ApiToken {
        id: token.id.to_string(),
        name: token.name.to_string(),
        created_at: Some(timestamp(token.created_at)),
        expires_at: Some(timestamp(token.expires_at)),
        last_used_at: token.last_used_at.map(timestamp),
        bindings: token.bindings.into_iter().map(binding).collect(),
    }
}

/// All permissions, with the methods that need them.
pub(in crate::grpc) fn permissions(all: &BTreeMap<String, Vec<String>>) -> Vec<v1::Permission> {
    let encode = |(name, methods): (&String, &Vec<String>)| v1::Permission {
        name: name.clone(),
        methods: methods.clone(),
        scopable: is_scopable(name),
    };
    all.iter().map(encode).collect()
}
