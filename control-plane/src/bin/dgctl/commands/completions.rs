//! `dgctl completions`.

use clap::{Args, CommandFactory as _};
use clap_complete::{Shell, generate};

use super::Context;
use crate::cli::Cli;
use crate::error::Result;

/// `dgctl completions SHELL`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell, as in: source <(dgctl completions bash)
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, context: &Context) -> Result<()> {
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "dgctl", &mut script);
        context.output.line(String::from_utf8_lossy(&script).trim_end())
    }
}
