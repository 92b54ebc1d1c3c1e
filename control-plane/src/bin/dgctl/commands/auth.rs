//! `dgctl setup`, `login`, `logout`, `whoami`.

use clap::Args;
use dataguardian_core::secret::Secret;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use tonic::Code;

use super::profile::forget;
use super::{Context, required};
use crate::ask::{self, SecretSource};
use crate::connect::Target;
use crate::error::{Error, Result};
use crate::output::table::{Field, Look, details};
use crate::output::text;
use crate::profile::Profile;
use crate::profile::named::{DEFAULT, Folder};

/// `dgctl setup`
#[derive(Debug, Args)]
pub(crate) struct Setup {
    /// The file with the setup token; the server tells its path when it first starts. - for standard input
    #[arg(long, value_name = "FILE")]
    setup_token_file: SecretSource,
    /// The administrator's name
    #[arg(long, value_name = "NAME")]
    username: String,
    /// A file with the password, at least 12 characters; - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<SecretSource>,
}

/// `dgctl login`
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Who signs in; not needed with --token-file, which stores that token
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// A file with the password, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<SecretSource>,
    /// A file with the code of your authenticator app or a recovery code, - for standard input [else: you are asked, if one is
    /// needed]
    #[arg(long, value_name = "FILE", requires = "username")]
    totp_code_file: Option<SecretSource>,
}

impl Setup {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        if self.setup_token_file == SecretSource::Stdin && self.password_file == Some(SecretSource::Stdin) {
            return Err(Error::usage("only one secret can come from standard input"));
        }
        let target = context.anonymous_target()?;
        let setup_token = self.setup_token_file.read()?;
        let password = ask::new_secret(
            self.password_file.as_ref(),
            "Password for the administrator",
            "--password-file",
        )?;
        let request = v1::SetupRequest {
            setup_token: setup_token.expose().to_owned(),
            username: self.username,
            password: password.expose().to_owned(),
            ..Default::default()
        };
        let reply = target.connect().await?.auth().setup(request).await?.into_inner();
        store(
            context,
            &target,
            reply.user.as_ref(),
            Secret::new(reply.api_token.as_str()),
        )?;
        let profile = context.profile_name()?;
        context.output.show(&reply, |reply, _| {
            signed_in(&target, &profile, reply.user.as_ref(), reply.expires_at.as_ref())
        })
    }
}

impl Login {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let target = context.anonymous_target()?;
        match (self.username, context.has_token_file()) {
            (Some(_), true) => Err(Error::usage("give either --username or --token-file")),
            (None, true) => login_with_token(context, target).await,
            (Some(username), false) => {
                let password = ask::secret(self.password_file.as_ref(), "Password", "--password-file")?;
                let code = self.totp_code_file.as_ref().map(SecretSource::read).transpose()?;
                login_with_password(context, &target, username, &password, code).await
            }
            (None, false) => Err(Error::usage("give --username, or a token with --token-file")),
        }
    }
}

async fn login_with_password(
    context: &Context,
    target: &Target,
    username: String,
    password: &Secret,
    code: Option<Secret>,
) -> Result<()> {
    let asked = code.is_none();
    let mut request = v1::LoginRequest {
        username,
        password: password.expose().to_owned(),
        totp_code: code.map(|code| code.expose().to_owned()).unwrap_or_default(),
        ..Default::default()
    };
    let mut auth = target.connect().await?.auth();
    let reply = match auth.login(request.clone()).await {
        Err(status) if asked && ApiError::from(&status).reason == "TOTP_REQUIRED" => {
            let code = ask::secret(None, "Code of your authenticator app", "--totp-code-file")?;
            code.expose().clone_into(&mut request.totp_code);
            auth.login(request).await?.into_inner()
        }
        answered => answered?.into_inner(),
    };
    let token = Secret::new(reply.api_token.as_str());
    store(context, target, reply.user.as_ref(), token)?;
    let profile = context.profile_name()?;
    context.output.show(&reply, |reply, _| {
        let told = signed_in(target, &profile, reply.user.as_ref(), reply.expires_at.as_ref());
        told + &failed(reply.failed_sign_ins.as_ref())
    })
}

/// The token is tried before it is stored.
async fn login_with_token(context: &Context, target: Target) -> Result<()> {
    let token = required(context.given_token()?, "token")?;
    let target = Target {
        token: Some(token.clone()),
        ..target
    };
    let reply = target
        .connect()
        .await?
        .auth()
        .who_am_i(v1::WhoAmIRequest {})
        .await?
        .into_inner();
    store(context, &target, reply.user.as_ref(), token)?;
    let profile = context.profile_name()?;
    context.output.show(&reply, |reply, _| {
        signed_in(&target, &profile, reply.user.as_ref(), None)
    })
}

/// `dgctl logout`: the stored login is forgotten even if the server no longer knows its token.
pub(crate) async fn logout(context: &Context) -> Result<()> {
    let (folder, name) = (Folder::of_user()?, context.profile_name()?);
    let Some(stored) = Profile::load(&folder.file(&name)?)? else {
        return Err(Error::usage("there is no stored login"));
    };
    let target = Target {
        server: stored.server.clone(),
        ca_pem: stored.ca_pem,
        token: Some(stored.token),
    };
    let reply = match target.connect().await?.auth().logout(v1::LogoutRequest {}).await {
        Ok(reply) => reply.into_inner(),
        Err(status) if status.code() == Code::Unauthenticated => v1::LogoutResponse {},
        Err(status) => return Err(status.into()),
    };
    forget(&folder, &name)?;
    context
        .output
        .show(&reply, |_, _| format!("Signed out of {}.", stored.server))
}

/// `dgctl whoami`
pub(crate) async fn whoami(context: &Context) -> Result<()> {
    let target = context.target()?;
    let api = context.api().await?;
    let reply = api.auth().who_am_i(v1::WhoAmIRequest {}).await?.into_inner();
    context
        .output
        .show(&reply, |reply, look| describe(reply, &target.server, look))
}

/// Stores the login under the name that was given. The first login of all counts from now on, whatever it is called.
fn store(context: &Context, target: &Target, user: Option<&v1::User>, token: Secret) -> Result<()> {
    let profile = Profile {
        server: target.server.clone(),
        username: user.map(|user| user.username.clone()).unwrap_or_default(),
        ca_pem: target.ca_pem.clone(),
        token,
    };
    let (folder, name) = (Folder::of_user()?, context.profile_name()?);
    let first = folder.names()?.is_empty();
    profile.store(&folder.file(&name)?)?;
    match first {
        true => folder.choose(&name),
        false => Ok(()),
    }
}

fn signed_in(
    target: &Target,
    profile: &str,
    user: Option<&v1::User>,
    expires_at: Option<&prost_types::Timestamp>,
) -> String {
    let name = user.map_or(text::NONE.to_owned(), |user| text::cell(&user.username));
    let until = match expires_at {
        Some(_) => format!(", until {}", text::time(expires_at)),
        None => String::new(),
    };
    let kept = match profile {
        DEFAULT => String::new(),
        profile => format!(" (profile {profile})"),
    };
    format!("Signed in to {} as {name}{until}{kept}.", target.server)
}

/// Whoever signs in reads of tries that were perhaps not theirs.
fn failed(failed: Option<&v1::FailedSignIns>) -> String {
    failed.map_or_else(String::new, |failed| {
        let from = match failed.last_from.as_str() {
            "" => String::new(),
            address => format!(" from {}", text::cell(address)),
        };
        format!(
            "\nSince you last signed in, {} failed; the last {}{from}. If it was not you, choose another password: `dgctl user password`.",
            text::counted(failed.count, "try", "tries"),
            text::time_and_distance(failed.last_at.as_ref()),
        )
    })
}

fn describe(reply: &v1::WhoAmIResponse, server: &str, look: Look) -> String {
    let user = reply.user.clone().unwrap_or_default();
    details(
        look,
        vec![
            ("User", Field::text(&user.username)),
            ("Id", Field::text(&user.id)),
            ("Since", Field::text(&text::time(user.created_at.as_ref()))),
            ("Server", Field::text(server)),
            (
                "Signed in until",
                Field::text(&text::time(reply.session_expires_at.as_ref())),
            ),
            ("App codes", Field::yes_or_no(reply.totp_enabled)),
        ],
    )
}
