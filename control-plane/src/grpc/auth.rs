//! AuthService.

use std::sync::Arc;

use dataguardian_core::clock::SharedClock;
use dataguardian_core::secret::Secret;
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_server::AuthService;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::browser::{FromOwnPage, OwnPages};
use super::call::{caller, concerns, whence};
use super::error::bad_request;
use super::{Shared, encode};
use crate::domain::field::{BadField, Checks};
use crate::domain::session::SessionKind;
use crate::domain::text;
use crate::domain::user::Login;
use crate::services::Error;
use crate::services::auth::{Auth, Begin};

pub(super) struct Handler {
    auth: Auth,
    pages: Arc<OwnPages>,
    clock: SharedClock,
    permissions: Vec<String>,
}

impl Handler {
    /// `permissions` are the names of all that there are.
    pub(super) fn new(shared: &Shared, permissions: Vec<String>) -> Self {
        Self {
            auth: shared.services.auth.clone(),
            pages: Arc::clone(&shared.pages),
            clock: Arc::clone(&shared.clock),
            permissions,
        }
    }

    /// The bearer token, for who wants one; else the cookie goes into the answer's head.
    fn hand_over(&self, kind: SessionKind, login: &Login, metadata: &mut MetadataMap) -> String {
        match kind {
            SessionKind::Program => login.secret.expose().to_owned(),
            SessionKind::Browser => {
                self.pages.set_cookie(metadata, login, self.clock.now());
                String::new()
            }
        }
    }
}

#[tonic::async_trait]
impl AuthService for Handler {
    async fn setup(&self, request: Request<v1::SetupRequest>) -> Result<Response<v1::SetupResponse>, Status> {
        concerns(&request, &request.get_ref().username);
        let begin = begin(&request, request.get_ref().cookie)?;
        let kind = begin.kind;
        let request = request.into_inner();
        let mut checks = Checks::new();
        checks.take(text::required(
            "setup_token",
            &request.setup_token,
            text::MAX_TEXT,
        ));
        checks.take(text::required("username", &request.username, text::MAX_TEXT));
        checks.take(text::required("password", &request.password, text::MAX_LONG_TEXT));
        checks.finish().map_err(bad_request)?;
        let (token, password) = (Secret::new(request.setup_token), Secret::new(request.password));
        let login = self
            .auth
            .setup(&token, &request.username, password, begin)
            .await?;
        let mut response = Response::new(v1::SetupResponse {
            expires_at: Some(timestamp(login.expires_at)),
            user: Some(encode::user(login.user.clone())),
            ..v1::SetupResponse::default()
        });
        response.get_mut().api_token = self.hand_over(kind, &login, response.metadata_mut());
        Ok(response)
    }

    async fn login(&self, request: Request<v1::LoginRequest>) -> Result<Response<v1::LoginResponse>, Status> {
        concerns(&request, &request.get_ref().username);
        let begin = begin(&request, request.get_ref().cookie)?;
        let kind = begin.kind;
        let request = request.into_inner();
        let mut checks = Checks::new();
        checks.take(text::required("username", &request.username, text::MAX_TEXT));
        checks.take(text::required("password", &request.password, text::MAX_LONG_TEXT));
        checks.finish().map_err(bad_request)?;
        let (password, code) = (Secret::new(request.password), Secret::new(request.totp_code));
        let login = self.auth.login(&request.username, password, code, begin).await?;
        let mut response = Response::new(v1::LoginResponse {
            expires_at: Some(timestamp(login.expires_at)),
            user: Some(encode::user(login.user.clone())),
            failed_sign_ins: login.failed.clone().map(encode::failed_sign_ins),
            ..v1::LoginResponse::default()
        });
        response.get_mut().api_token = self.hand_over(kind, &login, response.metadata_mut());
        Ok(response)
    }

    async fn logout(
        &self,
        request: Request<v1::LogoutRequest>,
    ) -> Result<Response<v1::LogoutResponse>, Status> {
        concerns(&request, "");
        self.auth.logout(&caller(&request)?).await?;
        let mut response = Response::new(v1::LogoutResponse {});
        if request.extensions().get::<FromOwnPage>().is_some() {
            self.pages.clear_cookie(response.metadata_mut());
        }
        Ok(response)
    }

    async fn who_am_i(
        &self,
        request: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let caller = caller(&request)?;
        Ok(Response::new(v1::WhoAmIResponse {
            permissions: caller.rights.among(&self.permissions),
            restricted: caller.rights.is_restricted(&self.permissions),
            session_expires_at: Some(timestamp(caller.expires_at)),
            totp_enabled: caller.user.has_totp,
            user: Some(encode::user(caller.user)),
        }))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let caller = caller(&request)?;
        let sessions = self.auth.list_sessions(&caller).await?.into_iter();
        let sessions = sessions
            .map(|session| encode::session(session, &caller))
            .collect();
        Ok(Response::new(v1::ListSessionsResponse { sessions }))
    }

    async fn revoke_session(
        &self,
        request: Request<v1::RevokeSessionRequest>,
    ) -> Result<Response<v1::RevokeSessionResponse>, Status> {
        concerns(&request, &request.get_ref().session_id);
        let caller = caller(&request)?;
        let id = request.get_ref().session_id.parse();
        let id = id.map_err(|error| BadField::new("session_id", format!("{error}")))?;
        self.auth.revoke_session(&caller, id).await?;
        Ok(Response::new(v1::RevokeSessionResponse {}))
    }

    async fn change_password(
        &self,
        request: Request<v1::ChangePasswordRequest>,
    ) -> Result<Response<v1::ChangePasswordResponse>, Status> {
        concerns(&request, "");
        let caller = caller(&request)?;
        let request = request.into_inner();
        let (old, new) = (
            Secret::new(request.old_password),
            Secret::new(request.new_password),
        );
        self.auth.change_password(&caller, old, new).await?;
        Ok(Response::new(v1::ChangePasswordResponse {}))
    }

    async fn enrol_totp(
        &self,
        request: Request<v1::EnrolTotpRequest>,
    ) -> Result<Response<v1::EnrolTotpResponse>, Status> {
        concerns(&request, "");
        let caller = caller(&request)?;
        let password = Secret::new(request.into_inner().password);
        let made = self.auth.enrol_totp(&caller, password).await?;
        Ok(Response::new(v1::EnrolTotpResponse {
            secret: made.secret.expose().to_owned(),
            uri: made.uri.expose().to_owned(),
        }))
    }

    async fn confirm_totp(
        &self,
        request: Request<v1::ConfirmTotpRequest>,
    ) -> Result<Response<v1::ConfirmTotpResponse>, Status> {
        concerns(&request, "");
        let caller = caller(&request)?;
        let code = request.into_inner().code;
        text::required("code", &code, text::MAX_TEXT)?;
        let codes = self.auth.confirm_totp(&caller, &Secret::new(code)).await?;
        let recovery_codes = codes.iter().map(|code| code.expose().to_owned()).collect();
        Ok(Response::new(v1::ConfirmTotpResponse { recovery_codes }))
    }

    async fn disable_totp(
        &self,
        request: Request<v1::DisableTotpRequest>,
    ) -> Result<Response<v1::DisableTotpResponse>, Status> {
        concerns(&request, "");
        let caller = caller(&request)?;
        let password = Secret::new(request.into_inner().password);
        self.auth.disable_totp(&caller, password).await?;
        Ok(Response::new(v1::DisableTotpResponse {}))
    }
}

/// How the sign-in is to begin. A cookie is given to pages of ours alone.
fn begin<T>(request: &Request<T>, cookie: bool) -> Result<Begin, Status> {
    let kind = match (cookie, request.extensions().get::<FromOwnPage>()) {
        (false, _) => SessionKind::Program,
        (true, Some(FromOwnPage)) => SessionKind::Browser,
        (true, None) => return Err(foreign().into()),
    };
    Ok(Begin {
        kind,
        whence: whence(request),
    })
}

fn foreign() -> Error {
    Error::forbidden(
        "COOKIE_REFUSED",
        "a cookie is for pages of this server: over grpc-web, with `x-dg-csrf: 1` and an origin of ours; programs sign in \
         without `cookie` and get a token",
    )
}
