//! AccessService.

use std::collections::BTreeMap;

use dataguardian_core::ids::RoleId;
use dataguardian_core::secret::Secret;
use dataguardian_proto::v1;
use dataguardian_proto::v1::access_service_server::AccessService;
use tonic::{Request, Response, Status};

use super::call::{caller, concerns, subject, whence};
use super::error::bad_request;
use super::{Shared, decode, encode};
use crate::domain::access::check_permissions;
use crate::domain::field::{BadField, Checks};
use crate::domain::page::PageRequest;
use crate::domain::reference::{Reference, new_name};
use crate::domain::user::UserReference;
use crate::services::Changed;
use crate::services::access::{Access, NewUser};

pub(super) struct Handler {
    access: Access,
    /// All that there are, with the methods that need them.
    permissions: BTreeMap<String, Vec<String>>,
}

impl Handler {
    pub(super) fn new(shared: &Shared, permissions: BTreeMap<String, Vec<String>>) -> Self {
        Self {
            access: shared.services.access.clone(),
            permissions,
        }
    }

    fn names(&self) -> Vec<String> {
        self.permissions.keys().cloned().collect()
    }
}

#[tonic::async_trait]
impl AccessService for Handler {
    async fn create_user(
        &self,
        request: Request<v1::CreateUserRequest>,
    ) -> Result<Response<v1::CreateUserResponse>, Status> {
        concerns(&request, &request.get_ref().username);
        let rights = caller(&request)?.rights;
        let request = request.into_inner();
        let new = NewUser {
            username: request.username,
            password: Secret::new(request.password),
            roles: request.roles,
        };
        let account = self.access.create_user(&rights, new).await?;
        Ok(Response::new(v1::CreateUserResponse {
            account: Some(encode::account(account)),
        }))
    }

    async fn get_user(
        &self,
        request: Request<v1::GetUserRequest>,
    ) -> Result<Response<v1::GetUserResponse>, Status> {
        let which = UserReference::parse("user", &request.get_ref().user)?;
        let account = self.access.get_user(&which).await?;
        Ok(Response::new(v1::GetUserResponse {
            account: Some(encode::account(account)),
        }))
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Result<Response<v1::ListUsersResponse>, Status> {
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.access.list_users(&page).await?;
        Ok(Response::new(v1::ListUsersResponse {
            accounts: page.items.into_iter().map(encode::account).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_user(
        &self,
        request: Request<v1::UpdateUserRequest>,
    ) -> Result<Response<v1::UpdateUserResponse>, Status> {
        concerns(&request, &request.get_ref().user);
        let caller = caller(&request)?;
        let which = UserReference::parse("user", &request.get_ref().user)?;
        let subject = subject(&request);
        let change = decode::user_change(request.into_inner());
        let Changed { before, after } = self.access.update_user(&caller, &which, change).await?;
        let account = encode::account(after);
        subject.changed("UserAccount", &encode::account(before), &account);
        Ok(Response::new(v1::UpdateUserResponse {
            account: Some(account),
        }))
    }

    async fn delete_user(
        &self,
        request: Request<v1::DeleteUserRequest>,
    ) -> Result<Response<v1::DeleteUserResponse>, Status> {
        concerns(&request, &request.get_ref().user);
        let caller = caller(&request)?;
        let which = UserReference::parse("user", &request.get_ref().user)?;
        self.access.delete_user(&caller, &which).await?;
        Ok(Response::new(v1::DeleteUserResponse {}))
    }

    async fn create_role(
        &self,
        request: Request<v1::CreateRoleRequest>,
    ) -> Result<Response<v1::CreateRoleResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let rights = caller(&request)?.rights;
        let request = request.into_inner();
        let mut checks = Checks::new();
        let name = checks.take(new_name("name", &request.name));
        let permissions = checks.take(check_permissions(request.permissions, &self.names()));
        let all = decode::checked(checks, name.zip(permissions));
        let (name, permissions) = all.map_err(bad_request)?;
        let role = self
            .access
            .create_role(&rights, name, request.description, permissions)
            .await?;
        Ok(Response::new(v1::CreateRoleResponse {
            role: Some(encode::role(role)),
        }))
    }

    async fn get_role(
        &self,
        request: Request<v1::GetRoleRequest>,
    ) -> Result<Response<v1::GetRoleResponse>, Status> {
        let role = self.access.get_role(&role(&request.get_ref().role)?).await?;
        Ok(Response::new(v1::GetRoleResponse {
            role: Some(encode::role(role)),
        }))
    }

    async fn list_roles(
        &self,
        _request: Request<v1::ListRolesRequest>,
    ) -> Result<Response<v1::ListRolesResponse>, Status> {
        let roles = self.access.list_roles().await?;
        Ok(Response::new(v1::ListRolesResponse {
            roles: roles.into_iter().map(encode::role).collect(),
        }))
    }

    async fn update_role(
        &self,
        request: Request<v1::UpdateRoleRequest>,
    ) -> Result<Response<v1::UpdateRoleResponse>, Status> {
        concerns(&request, &request.get_ref().role);
        let rights = caller(&request)?.rights;
        let which = role(&request.get_ref().role)?;
        let subject = subject(&request);
        let change = decode::role_change(request.into_inner(), &self.names()).map_err(bad_request)?;
        let Changed { before, after } = self.access.update_role(&rights, &which, change).await?;
        let role = encode::role(after);
        subject.changed("Role", &encode::role(before), &role);
        Ok(Response::new(v1::UpdateRoleResponse { role: Some(role) }))
    }

    async fn delete_role(
        &self,
        request: Request<v1::DeleteRoleRequest>,
    ) -> Result<Response<v1::DeleteRoleResponse>, Status> {
        concerns(&request, &request.get_ref().role);
        let rights = caller(&request)?.rights;
        let which = role(&request.get_ref().role)?;
        self.access.delete_role(&rights, &which).await?;
        Ok(Response::new(v1::DeleteRoleResponse {}))
    }

    async fn create_role_binding(
        &self,
        request: Request<v1::CreateRoleBindingRequest>,
    ) -> Result<Response<v1::CreateRoleBindingResponse>, Status> {
        let asked = request.get_ref();
        let holder = if asked.user.is_empty() {
            &asked.api_token_id
        } else {
            &asked.user
        };
        concerns(&request, &format!("{} for {holder}", asked.role));
        let rights = caller(&request)?.rights;
        let new = decode::new_binding(request.into_inner()).map_err(bad_request)?;
        let binding = self.access.bind(&rights, &new).await?;
        Ok(Response::new(v1::CreateRoleBindingResponse {
            binding: Some(encode::binding(binding)),
        }))
    }

    async fn list_role_bindings(
        &self,
        request: Request<v1::ListRoleBindingsRequest>,
    ) -> Result<Response<v1::ListRoleBindingsResponse>, Status> {
        let of = match request.get_ref().user.as_str() {
            "" => None,
            name => Some(UserReference::parse("user", name)?),
        };
        let bindings = self.access.list_bindings(of.as_ref()).await?;
        Ok(Response::new(v1::ListRoleBindingsResponse {
            bindings: bindings.into_iter().map(encode::binding).collect(),
        }))
    }

    async fn delete_role_binding(
        &self,
        request: Request<v1::DeleteRoleBindingRequest>,
    ) -> Result<Response<v1::DeleteRoleBindingResponse>, Status> {
        concerns(&request, &request.get_ref().binding_id);
        let rights = caller(&request)?.rights;
        let id = id("binding_id", &request.get_ref().binding_id)?;
        self.access.unbind(&rights, id).await?;
        Ok(Response::new(v1::DeleteRoleBindingResponse {}))
    }

    async fn list_permissions(
        &self,
        _request: Request<v1::ListPermissionsRequest>,
    ) -> Result<Response<v1::ListPermissionsResponse>, Status> {
        Ok(Response::new(v1::ListPermissionsResponse {
            permissions: encode::permissions(&self.permissions),
        }))
    }

    async fn create_api_token(
        &self,
        request: Request<v1::CreateApiTokenRequest>,
    ) -> Result<Response<v1::CreateApiTokenResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let (caller, whence) = (caller(&request)?, whence(&request));
        let new = decode::new_api_token(request.into_inner(), whence).map_err(bad_request)?;
        let made = self.access.create_token(&caller, new).await?;
        Ok(Response::new(v1::CreateApiTokenResponse {
            token: Some(encode::api_token(made.token)),
            secret: made.secret.expose().to_owned(),
        }))
    }

    async fn list_api_tokens(
        &self,
        request: Request<v1::ListApiTokensRequest>,
    ) -> Result<Response<v1::ListApiTokensResponse>, Status> {
        let tokens = self.access.list_tokens(&caller(&request)?).await?;
        Ok(Response::new(v1::ListApiTokensResponse {
            tokens: tokens.into_iter().map(encode::api_token).collect(),
        }))
    }

    async fn revoke_api_token(
        &self,
        request: Request<v1::RevokeApiTokenRequest>,
    ) -> Result<Response<v1::RevokeApiTokenResponse>, Status> {
        concerns(&request, &request.get_ref().api_token_id);
        let caller = caller(&request)?;
        let id = id("api_token_id", &request.get_ref().api_token_id)?;
        self.access.revoke_token(&caller, id).await?;
        Ok(Response::new(v1::RevokeApiTokenResponse {}))
    }
}

fn role(text: &str) -> Result<Reference<RoleId>, BadField> {
    Reference::parse("role", text)
}

fn id<Id: std::str::FromStr<Err = dataguardian_core::ids::InvalidId>>(
    field: &'static str,
    text: &str,
) -> Result<Id, BadField> {
    text.parse()
        .map_err(|error: dataguardian_core::ids::InvalidId| BadField::new(field, error.to_string()))
}
