//! One file per noun. A command turns its arguments into one request, makes the call and shows the answer.

pub(crate) mod agent;
pub(crate) mod auth;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod datasource;
pub(crate) mod execution;
pub(crate) mod job;
pub(crate) mod notification;
pub(crate) mod recovery_kit;
pub(crate) mod restore;
pub(crate) mod role;
pub(crate) mod session;
pub(crate) mod storage;
pub(crate) mod system;
pub(crate) mod token;
pub(crate) mod totp;
pub(crate) mod user;
mod verify;

use dataguardian_core::secret::Secret;
use uuid::Uuid;

use crate::ask::SecretSource;
use crate::cli::{Cli, Command};
use crate::connect::{Api, Target, Wanted};
use crate::error::{Error, Result};
use crate::output::Output;
use crate::profile::{self, Profile};

/// What a command needs besides its own arguments.
#[derive(Debug)]
pub(crate) struct Context {
    server: Option<String>,
    ca: Option<std::path::PathBuf>,
    token_file: Option<SecretSource>,
    /// Where answers go.
    pub(crate) output: Output,
}

impl Context {
    /// From the global options.
    pub(crate) fn new(cli: &Cli) -> Self {
        let given = |text: &String| !text.is_empty();
        Self {
            server: cli.global.server.clone().filter(given),
            ca: cli.global.ca.clone().filter(|path| !path.as_os_str().is_empty()),
            token_file: cli.global.token_file.clone(),
            output: Output::new(cli.global.output),
        }
    }

    /// A connection with the caller's token.
    pub(crate) async fn api(&self) -> Result<Api> {
        let target = self.target()?;
        if target.token.is_none() {
            return Err(Error::usage(format!(
                "no token for {} is known: sign in with `dgctl login`, or give --token-file or DATAGUARDIAN_TOKEN",
                target.server
            )));
        }
        target.connect().await
    }

    /// Where to connect, and as whom.
    pub(crate) fn target(&self) -> Result<Target> {
        let stored = Profile::load(&profile::path()?)?;
        let token = self.given_token()?;
        Target::resolve(self.wanted(token), stored.as_ref())
    }

    /// Where to connect, as nobody yet.
    pub(crate) fn anonymous_target(&self) -> Result<Target> {
        let stored = Profile::load(&profile::path()?)?;
        let target = Target::resolve(self.wanted(None), stored.as_ref())?;
        Ok(Target {
            token: None,
            ..target
        })
    }

    /// The token from `--token-file`, else from the environment.
    pub(crate) fn given_token(&self) -> Result<Option<Secret>> {
        if let Some(source) = &self.token_file {
            return source.read().map(Some);
        }
        let token = std::env::var("DATAGUARDIAN_TOKEN").ok();
        Ok(token.filter(|token| !token.is_empty()).map(Secret::new))
    }

    /// Whether a token was given as a file.
    pub(crate) fn has_token_file(&self) -> bool {
        self.token_file.is_some()
    }

    fn wanted(&self, token: Option<Secret>) -> Wanted {
        Wanted {
            server: self.server.clone(),
            ca: self.ca.clone(),
            token,
        }
    }
}

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Setup(setup) => Box::pin(setup.run(context)).await,
        Command::Login(login) => Box::pin(login.run(context)).await,
        Command::Logout => Box::pin(auth::logout(context)).await,
        Command::Role(command) => Box::pin(command.run(context)).await,
        Command::Token(command) => Box::pin(command.run(context)).await,
        Command::Session(command) => Box::pin(command.run(context)).await,
        Command::Totp(command) => Box::pin(command.run(context)).await,
        Command::User(command) => Box::pin(command.run(context)).await,
        Command::Whoami => Box::pin(auth::whoami(context)).await,
        Command::Agent(command) => Box::pin(command.run(context)).await,
        Command::Storage(command) => Box::pin(command.run(context)).await,
        Command::Datasource(command) => Box::pin(command.run(context)).await,
        Command::Job(command) => Box::pin(command.run(context)).await,
        Command::Notification(command) => Box::pin(command.run(context)).await,
        Command::Backup(command) => Box::pin(command.run(context)).await,
        Command::Restore(restore) => Box::pin(restore.run(context)).await,
        Command::Execution(command) => Box::pin(command.run(context)).await,
        Command::System(command) => Box::pin(command.run(context)).await,
        Command::Completions(completions) => completions.run(context),
    }
}

/// A fresh id for a request, with which the server knows it if it comes twice.
pub(crate) fn request_id() -> String {
    Uuid::new_v4().to_string()
}

/// A member that an answer must have.
pub(crate) fn required<T>(member: Option<T>, name: &'static str) -> Result<T> {
    member.ok_or(Error::Incomplete(name))
}
