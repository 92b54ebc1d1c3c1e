//! `dgctl`, the command line of DataGuardian's control plane.
//!
//! It speaks the public API through the generated client and nothing else: whatever it does, any program can do.
//! Answers go to standard output, progress and errors to standard error. Exit status: 0 done, 1 failed (an execution
//! that was waited for and did not complete included), 2 wrong usage. People script against words and output: words stay,
//! fields are only added.

mod ask;
mod call;
mod cli;
mod commands;
mod connect;
mod context;
mod declared;
mod error;
mod output;
mod paging;
mod patience;
mod profile;
mod progress;
mod values;
mod watch;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

use crate::cli::Cli;
use crate::context::{Context, Given};
use crate::error::Error;

fn main() -> ExitCode {
    // A second installation is refused, and changes nothing.
    rustls::crypto::ring::default_provider().install_default().ok();
    let matches = Cli::command().get_matches();
    let given = Given::of(&matches);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(run(cli, given));
            // A reader of our output who takes nothing must not keep a command that was interrupted.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Error::Start(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            error.exit_code()
        }
    }
}

async fn run(cli: Cli, given: Given) -> error::Result<()> {
    let context = Context::new(&cli, given);
    tokio::select! {
        // First the command, which may ask something at the terminal: until it waits for the server, Ctrl-C simply ends us.
        biased;
        outcome = commands::run(cli.command, &context) => outcome,
        _ = tokio::signal::ctrl_c() => Err(Error::Interrupted),
    }
}
