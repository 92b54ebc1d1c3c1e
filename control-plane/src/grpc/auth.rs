//! AuthService.

use dataguardian_core::secret::Secret;
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use dataguardian_proto::v1::auth_service_server::AuthService;
use tonic::{Request, Response, Status};

use super::call::{caller, concerns};
use super::encode;
use super::error::bad_request;
use crate::domain::field::Checks;
use crate::domain::text;
use crate::services::auth::Auth;

pub(super) struct Handler(pub(super) Auth);

#[tonic::async_trait]
impl AuthService for Handler {
    async fn setup(&self, request: Request<v1::SetupRequest>) -> Result<Response<v1::SetupResponse>, Status> {
        concerns(&request, &request.get_ref().username);
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
        let login = self.0.setup(&token, &request.username, password).await?;
        Ok(Response::new(v1::SetupResponse {
            user: Some(encode::user(login.user)),
            api_token: login.api_token.expose().to_owned(),
            expires_at: Some(timestamp(login.expires_at)),
        }))
    }

    async fn login(&self, request: Request<v1::LoginRequest>) -> Result<Response<v1::LoginResponse>, Status> {
        concerns(&request, &request.get_ref().username);
        let request = request.into_inner();
        let mut checks = Checks::new();
        checks.take(text::required("username", &request.username, text::MAX_TEXT));
        checks.take(text::required("password", &request.password, text::MAX_LONG_TEXT));
        checks.finish().map_err(bad_request)?;
        let login = self
            .0
            .login(&request.username, Secret::new(request.password))
            .await?;
        Ok(Response::new(v1::LoginResponse {
            user: Some(encode::user(login.user)),
            api_token: login.api_token.expose().to_owned(),
            expires_at: Some(timestamp(login.expires_at)),
        }))
    }

    async fn logout(
        &self,
        request: Request<v1::LogoutRequest>,
    ) -> Result<Response<v1::LogoutResponse>, Status> {
        let caller = caller(&request)?;
        self.0.logout(&caller).await?;
        Ok(Response::new(v1::LogoutResponse {}))
    }

    async fn who_am_i(
        &self,
        request: Request<v1::WhoAmIRequest>,
    ) -> Result<Response<v1::WhoAmIResponse>, Status> {
        let user = caller(&request)?.user;
        Ok(Response::new(v1::WhoAmIResponse {
            user: Some(encode::user(user)),
        }))
    }
}
