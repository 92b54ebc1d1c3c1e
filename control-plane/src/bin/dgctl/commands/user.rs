//! `dgctl user`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::Context;
use crate::ask::{self, SecretSource};
use crate::error::{Error, Result};

/// `dgctl user …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Change your own password; your other sign-ins end
    Password(Password),
}

/// `dgctl user password`
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// A file with the password that you have, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    old_password_file: Option<SecretSource>,
    /// A file with the new one, at least 12 characters, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<SecretSource>,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Password(password) => password.run(context).await,
        }
    }
}

impl Password {
    async fn run(self, context: &Context) -> Result<()> {
        let stdin = Some(SecretSource::Stdin);
        if self.old_password_file == stdin && self.new_password_file == stdin {
            return Err(Error::usage("only one secret can come from standard input"));
        }
        let mut auth = context.api().await?.auth();
        let old = ask::secret(
            self.old_password_file.as_ref(),
            "Old password",
            "--old-password-file",
        )?;
        let new = ask::new_secret(
            self.new_password_file.as_ref(),
            "New password",
            "--new-password-file",
        )?;
        let request = v1::ChangePasswordRequest {
            old_password: old.expose().to_owned(),
            new_password: new.expose().to_owned(),
        };
        let reply = auth.change_password(request).await?.into_inner();
        context.output.show(&reply, |_, _| {
            "The password is changed; your other sign-ins are ended.".to_owned()
        })
    }
}
