//! What a test does to a server: stop, start, kill, freeze.

use anyhow::{Result, bail};

use super::{
    Postgres,
    account::Account,
    process::{Process, StartError},
};

impl Postgres {
    /// The postmaster's process id; none while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Stops the server (fast shutdown: sessions are ended, nothing is lost). Nothing happens if it is down.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop();
        }
    }

    /// Starts a stopped or killed server again, on the same port; it recovers from a crash by itself.
    ///
    /// # Errors
    /// If it runs, if its port has been taken meanwhile, or if it does not come up; the log is shown.
    pub fn start_again(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the server is running");
        }
        let port = self.connection.port;
        match Process::start(&self.bin_dir, self.directory.path(), port, Account::choose()?) {
            Ok(process) => self.process = Some(process),
            Err(StartError::PortTaken(port)) => bail!("port {port} was taken while the server was down"),
            Err(StartError::Other(error)) => return Err(error),
        }
        Ok(())
    }

    /// Stops and starts the server.
    ///
    /// # Errors
    /// As [`Self::start_again`].
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.start_again()
    }

    /// Kills every process of the server at once, as a power cut would, without tidying up.
    pub fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill9();
        }
    }

    /// Freezes every process of the server: connections stay open and nothing answers.
    pub fn freeze(&self) {
        if let Some(process) = &self.process {
            process.freeze();
        }
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        if let Some(process) = &self.process {
            process.thaw();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        self.stop();
        // Woken now rather than after the directory is gone, so that it never finds it half removed.
        drop(self.guard.take());
    }
}
