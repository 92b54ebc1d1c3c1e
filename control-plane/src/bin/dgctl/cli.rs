//! The command line's shape: what every command takes, and the nouns.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::ask::SecretSource;
use crate::commands::{
    agent, apply, audit, auth, backup, completions, datasource, execution, export, job, notification,
    profile, restore, role, session, storage, system, token, totp, user,
};
use crate::output::Format;

/// Back up databases and bring them back: the command line of DataGuardian's control plane
///
/// The server, its authority and the token come from the flags, else from DATAGUARDIAN_SERVER, DATAGUARDIAN_CA and
/// DATAGUARDIAN_TOKEN, else from the login that `dgctl login` stored. --profile chooses among several logins, and goes before the
/// environment: no server is ever sent what was meant for another.
///
/// Exit status: 0 done, 1 failed (an execution that was waited for and did not complete, and a partial backup, included), 2 wrong usage, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "dgctl", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The control plane's address
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "DATAGUARDIAN_SERVER",
        hide_env_values = true
    )]
    pub(crate) server: Option<String>,
    /// A PEM file with the authority of the server's certificate [else: the system's authorities]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DATAGUARDIAN_CA",
        hide_env_values = true
    )]
    pub(crate) ca: Option<PathBuf>,
    /// A file with the API token, - for standard input [else: DATAGUARDIAN_TOKEN, the stored login]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<SecretSource>,
    /// The stored login to use, by its name [else: DATAGUARDIAN_PROFILE, the one of `dgctl profile use`]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Tables for people, or the API's messages in proto3 JSON for programs, or the same in YAML
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub(crate) output: Format,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the first administrator, with the token that the server left in a file when it first started
    Setup(auth::Setup),
    /// Sign in and store the login
    Login(auth::Login),
    /// End the login's token and forget it
    Logout,
    /// Show who the token belongs to
    Whoami,
    /// Logins to several servers, by name
    #[command(subcommand)]
    Profile(profile::Command),
    /// Where you are signed in
    #[command(subcommand)]
    Session(session::Command),
    /// Codes of an authenticator app, besides your password
    #[command(subcommand)]
    Totp(totp::Command),
    /// Users, and your own password
    #[command(subcommand)]
    User(user::Command),
    /// Roles: what users and API tokens may do, and who has which
    #[command(subcommand)]
    Role(role::Command),
    /// API tokens for programs
    #[command(subcommand)]
    Token(token::Command),
    /// The audit log: what was done, tried and denied
    #[command(subcommand)]
    Audit(audit::Command),
    /// Agents: what runs beside databases
    #[command(subcommand)]
    Agent(agent::Command),
    /// Storages: places for backups
    #[command(subcommand)]
    Storage(storage::Command),
    /// Datasources: database servers that agents reach
    #[command(subcommand)]
    Datasource(datasource::Command),
    /// Jobs: what to back up, and to where
    #[command(subcommand)]
    Job(job::Command),
    /// Backups: what completed jobs left behind
    #[command(subcommand)]
    Backup(backup::Command),
    /// Bring a backup back
    Restore(restore::Restore),
    /// Executions: runs of backups and restores
    #[command(subcommand)]
    Execution(execution::Command),
    /// Notifications: who is told what goes wrong
    #[command(subcommand)]
    Notification(notification::Command),
    /// The control plane itself
    #[command(subcommand)]
    System(system::Command),
    /// Make things as a file declares them
    Apply(apply::Apply),
    /// Write all that is set up as such a file
    Export(export::Export),
    /// Write completions for a shell
    Completions(completions::Completions),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every help text, so that a word that people script against does not change unseen.
    #[test]
    fn help_texts() {
        let mut text = String::new();
        let mut root = Cli::command().term_width(100);
        root.build();
        collect(&mut root, "", &mut text);
        insta::assert_snapshot!(text);
    }

    fn collect(command: &mut clap::Command, parents: &str, text: &mut String) {
        let words = format!("{parents}{} ", command.get_name());
        // The global options are shown once.
        let own = match parents {
            "" => command.clone(),
            _ => command.clone().mut_args(|arg| {
                let global = arg.is_global_set() || arg.get_id() == "help";
                arg.hide(global)
            }),
        };
        let help = own.term_width(100).render_help();
        let trimmed: String = help
            .to_string()
            .lines()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect();
        *text += &format!("──── {}\n{}\n", words.trim_end(), trimmed.trim_end());
        for child in command.get_subcommands_mut() {
            collect(child, &words, text);
        }
    }
}
