//! Client programs as child processes, each in a process group of its own, so that nothing of them outlives its run.
//!
//! A [`Process`] that is dropped before its end was seen is asked to stop (SIGTERM, on which `pg_dump` and `pg_restore`
//! cancel what they asked of the server) and laid into the run's [`Graveyard`]; [`Graveyard::bury`] waits, kills what does
//! not go, and reaps it. A run calls it at its end, however it ends.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::failure;
use crate::patience;

/// How often a stopping process is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long the last words of a dead process may take to arrive.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How many lines of standard error are kept.
const TAIL_LINES: usize = 20;
/// How much of a line is kept, in bytes.
const LINE_LIMIT: u64 = 2_000;

/// Processes that were given up and are not reaped yet.
#[derive(Debug, Clone)]
pub(super) struct Graveyard {
    dying: Arc<Mutex<Vec<Dying>>>,
    /// How long a process that was asked to stop may take before it is killed.
    grace: Duration,
}

#[derive(Debug)]
struct Dying {
    child: Child,
    /// When it was asked to stop.
    asked: Instant,
}

impl Graveyard {
    /// One that gives each process this long to go by itself.
    pub(super) fn new(grace: Duration) -> Self {
        Self {
            dying: Arc::default(),
            grace,
        }
    }

    /// Sees every process in it to its end.
    pub(super) async fn bury(&self) {
        loop {
            let next = self.dying.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(Dying { mut child, asked }) = next else {
                return;
            };
            if let Some(group) = group_of(&child) {
                let deadline = asked + self.grace;
                while !has_ended(group) && Instant::now() < deadline {
                    tokio::time::sleep(LOOK).await;
                }
                // While the leader is not reaped its number can't be anybody else's, and its workers end with it.
                signal(group, Signal::SIGKILL);
            }
            if let Err(error) = child.wait().await {
                tracing::warn!(%error, "a client process could not be reaped");
            }
        }
    }

    fn lay(&self, child: Child) {
        let asked = Instant::now();
        let mut dying = self.dying.lock().unwrap_or_else(PoisonError::into_inner);
        dying.push(Dying { child, asked });
    }
}

/// A running client program.
#[derive(Debug)]
pub(super) struct Process {
    name: String,
    child: Option<Child>,
    stderr: JoinSet<Vec<String>>,
    graveyard: Graveyard,
}

impl Process {
    /// Starts it. Standard output and input are pipes, to be taken and read or written; standard error is kept.
    pub(super) fn spawn(mut command: Command, graveyard: &Graveyard) -> Result<Self, Failure> {
        let program = std::path::Path::new(command.as_std().get_program());
        let name = program
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| Failure::new(FailureKind::ClientMissing, format!("starting {name}: {error}")))?;
        let mut stderr = JoinSet::new();
        if let Some(pipe) = child.stderr.take() {
            stderr.spawn(tail(pipe));
        }
        Ok(Self {
            name,
            child: Some(child),
            stderr,
            graveyard: graveyard.clone(),
        })
    }

    /// Its process id, which is its group's too; none if it has been waited for.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.as_ref().and_then(Child::id)
    }

    /// Its standard output, once.
    pub(super) fn stdout(&mut self) -> Result<ChildStdout, Failure> {
        self.pipe(|child| child.stdout.take())
    }

    /// Its standard input, once.
    pub(super) fn stdin(&mut self) -> Result<ChildStdin, Failure> {
        self.pipe(|child| child.stdin.take())
    }

    fn pipe<T>(&mut self, take: impl FnOnce(&mut Child) -> Option<T>) -> Result<T, Failure> {
        self.child
            .as_mut()
            .and_then(take)
            .ok_or_else(|| Failure::new(FailureKind::Internal, format!("{} has lost a pipe", self.name)))
    }

    /// Waits for its end, which must be a good one. Gives what it wrote to standard error all the same.
    pub(super) async fn succeed(mut self) -> Result<Vec<String>, Failure> {
        let Some(child) = self.child.as_mut() else {
            return Err(Failure::new(FailureKind::Internal, "waited twice for a process"));
        };
        drop(child.stdin.take());
        let status = child
            .wait()
            .await
            .map_err(|error| failure::local("waiting for a client program", &error))?;
        self.child = None;
        let said = match patience::timeout(LAST_WORDS, self.stderr.join_next()).await {
            Ok(Some(Ok(lines))) => lines,
            _ => Vec::new(),
        };
        if status.success() {
            return Ok(said);
        }
        Err(Failure::new(
            FailureKind::ClientFailed,
            format!("{} {}: {}", self.name, ending(status), last_words(&said)),
        ))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            if let Some(group) = group_of(&child) {
                signal(group, Signal::SIGTERM);
            }
            self.graveyard.lay(child);
        }
    }
}

/// Reads to the end and keeps the last lines, so that a chatty program neither stalls nor fills the memory.
async fn tail(pipe: ChildStderr) -> Vec<String> {
    let mut lines = VecDeque::new();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while let Ok(1..) = (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line).await {
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        line.clear();
    }
    lines.into()
}

/// What a program said last, without the statement that it quotes after an error: that may hold a subscription's password.
fn last_words(lines: &[String]) -> String {
    let told: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .take_while(|line| !line.starts_with("Command was:"))
        .filter(|line| !line.is_empty())
        .collect();
    if told.is_empty() {
        return "it said nothing".to_owned();
    }
    told.join("; ")
}

fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with status {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn group_of(child: &Child) -> Option<Pid> {
    // None once it is reaped: its number may be somebody else's then.
    child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .map(Pid::from_raw)
}

fn has_ended(leader: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
    !matches!(waitid(Id::Pid(leader), flags), Ok(WaitStatus::StillAlive))
}

fn signal(group: Pid, signal: Signal) {
    if let Err(error) = killpg(group, signal) {
        tracing::debug!(%error, %signal, "nobody was there to get the signal");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn graveyard() -> Graveyard {
        Graveyard::new(Duration::from_secs(1))
    }

    fn shell(script: &str, graveyard: &Graveyard) -> Process {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Process::spawn(command, graveyard).unwrap()
    }

    #[tokio::test]
    async fn a_bad_end_tells_status_and_last_words_but_no_statement() {
        let process = shell(
            "echo error: no such table >&2; echo 'Command was: CREATE SUBSCRIPTION secret' >&2; exit 3",
            &graveyard(),
        );
        let failure = process.succeed().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ClientFailed);
        assert_eq!(failure.message, "sh ended with status 3: error: no such table");
    }

    #[tokio::test]
    async fn a_flood_of_words_does_not_stall_the_program() {
        let process = shell("yes word | head -n 200000 >&2", &graveyard());
        assert_eq!(process.succeed().await.unwrap().len(), TAIL_LINES);
    }

    #[tokio::test]
    async fn a_dropped_process_and_its_children_are_gone_after_burial() {
        let graveyard = graveyard();
        let mut process = shell("trap '' TERM; sleep 1000 & echo $!; wait; wait; wait", &graveyard);
        let mut line = String::new();
        let stdout = process.stdout().unwrap();
        BufReader::new(stdout).read_line(&mut line).await.unwrap();
        let grandchild = Pid::from_raw(line.trim().parse().unwrap());
        drop(process);
        tokio::time::timeout(Duration::from_secs(30), graveyard.bury())
            .await
            .unwrap();
        let gone = || {
            std::fs::read_to_string(format!("/proc/{grandchild}/stat"))
                .map_or(true, |stat| stat.contains(") Z "))
        };
        for _ in 0..500 {
            if gone() {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("the grandchild lives on");
    }

    #[tokio::test]
    async fn a_missing_program_is_said_to_be_missing() {
        let failure = Process::spawn(Command::new("/nowhere/pg_dump"), &graveyard()).unwrap_err();
        assert_eq!(failure.kind, FailureKind::ClientMissing);
    }
}
