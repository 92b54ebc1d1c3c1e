//! One file per noun. A command turns its arguments into one request, makes the call and shows the answer.

pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod datasource;
pub(crate) mod execution;
pub(crate) mod export;
pub(crate) mod job;
pub(crate) mod notification;
pub(crate) mod profile;
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

use uuid::Uuid;

use crate::cli::Command;
pub(crate) use crate::context::Context;
use crate::error::{Error, Result};

/// Runs the command.
pub(crate) async fn run(command: Command, context: &Context) -> Result<()> {
    match command {
        Command::Setup(setup) => Box::pin(setup.run(context)).await,
        Command::Login(login) => Box::pin(login.run(context)).await,
        Command::Logout => Box::pin(auth::logout(context)).await,
        Command::Role(command) => Box::pin(command.run(context)).await,
        Command::Token(command) => Box::pin(command.run(context)).await,
        Command::Audit(command) => Box::pin(command.run(context)).await,
        Command::Session(command) => Box::pin(command.run(context)).await,
        Command::Totp(command) => Box::pin(command.run(context)).await,
        Command::User(command) => Box::pin(command.run(context)).await,
        Command::Profile(command) => command.run(context),
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
        Command::Apply(apply) => Box::pin(apply.run(context)).await,
        Command::Export(export) => Box::pin(export.run(context)).await,
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
