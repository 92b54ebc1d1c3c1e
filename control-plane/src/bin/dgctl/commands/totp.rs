//! `dgctl totp`: codes of an authenticator app, besides the password.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::Context;
use crate::ask::{self, SecretSource};
use crate::error::Result;
use crate::output::text;

/// `dgctl totp …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a secret for your authenticator app; nothing changes until `totp confirm`
    Enroll(Password),
    /// Show that the app has the secret: from now on signing in needs a code. Prints your recovery codes
    Confirm(Confirm),
    /// Sign in with the password alone again
    Disable(Password),
}

/// Your password once more.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// A file with your password, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<SecretSource>,
}

/// `dgctl totp confirm`
#[derive(Debug, Args)]
pub(crate) struct Confirm {
    /// A file with what the app shows now, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    code_file: Option<SecretSource>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Enroll(password) => enroll(&password, context).await,
            Self::Confirm(confirm) => confirm.run(context).await,
            Self::Disable(password) => disable(&password, context).await,
        }
    }
}

impl Password {
    fn read(&self) -> Result<String> {
        let password = ask::secret(self.password_file.as_ref(), "Password", "--password-file")?;
        Ok(password.expose().to_owned())
    }
}

async fn enroll(password: &Password, context: &Context) -> Result<()> {
    let mut auth = context.api().await?.auth();
    let request = v1::EnrolTotpRequest {
        password: password.read()?,
    };
    let reply = auth.enrol_totp(request).await?.into_inner();
    context.output.show(&reply, |reply, _| {
        format!(
            "Secret: {}\nAs an address: {}\nType the secret into your app, or make a QR code of the address; then `dgctl totp confirm`.",
            text::cell(&reply.secret),
            text::cell(&reply.uri)
        )
    })
}

async fn disable(password: &Password, context: &Context) -> Result<()> {
    let mut auth = context.api().await?.auth();
    let request = v1::DisableTotpRequest {
        password: password.read()?,
    };
    let reply = auth.disable_totp(request).await?.into_inner();
    context
        .output
        .show(&reply, |_, _| "You sign in with your password alone.".to_owned())
}

impl Confirm {
    async fn run(self, context: &Context) -> Result<()> {
        let mut auth = context.api().await?.auth();
        let code = ask::secret(self.code_file.as_ref(), "Code of your app", "--code-file")?;
        let request = v1::ConfirmTotpRequest {
            code: code.expose().to_owned(),
        };
        let reply = auth.confirm_totp(request).await?.into_inner();
        context.output.show(&reply, |reply, _| {
            let codes: Vec<_> = reply.recovery_codes.iter().map(|code| text::cell(code)).collect();
            format!(
                "From now on signing in needs a code of the app.\nWithout the app each of these signs you in once. Keep them \
                 where the app is not; they are shown this once:\n{}",
                codes.join("\n")
            )
        })
    }
}
