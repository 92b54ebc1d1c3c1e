//! Kills what an earlier process of this agent left running.

use std::fs;

use dataguardian_core::ids::ExecutionId;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpgid};

use crate::engines::marker::SessionMarker;
use crate::journal::ProcessGroup;

/// Kills each group whose leader is still the process that was started then. A number that belongs to somebody else by now
/// is left alone.
pub(super) fn kill(groups: &[ProcessGroup]) {
    for group in groups {
        if started(group.id) != Some(group.started) {
            continue;
        }
        tracing::warn!(
            process.group = group.id,
            "killing a process group that an earlier agent left"
        );
        if let Err(error) = killpg(Pid::from_raw(group.id), Signal::SIGKILL) {
            tracing::error!(process.group = group.id, %error, "it could not be killed");
        }
    }
}

/// Kills what was started for these executions, known to the journal or not: an agent may die between the start of a process
/// and its note of it. A client program is known by its environment, which has the name of its sessions
/// ([`SessionMarker`]) in one of its variables.
pub(super) fn kill_all_of(executions: &[ExecutionId]) {
    if executions.is_empty() {
        return;
    }
    let prefixes: Vec<String> = executions
        .iter()
        .map(|execution| {
            format!(
                "={}",
                SessionMarker::new(&execution.to_string(), 0).execution_prefix()
            )
        })
        .collect();
    let ours = |id: i32| {
        // Others' environments can't be read, and are none of ours.
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        environment
            .split('\0')
            .any(|variable| prefixes.iter().any(|prefix| variable.contains(prefix)))
    };
    let groups: Vec<_> = processes()
        .filter_map(identify)
        .filter(|process| ours(process.id) && leads_a_group(process.id))
        .collect();
    kill(&groups);
}

/// Every process that can be seen.
fn processes() -> impl Iterator<Item = i32> {
    let folder = fs::read_dir("/proc")
        .inspect_err(|error| tracing::warn!(%error, "what an earlier agent left can't be looked for"));
    folder
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn leads_a_group(id: i32) -> bool {
    getpgid(Some(Pid::from_raw(id))) == Ok(Pid::from_raw(id))
}

/// The group that this process leads, as it is now; none if it is gone.
pub(super) fn identify(id: i32) -> Option<ProcessGroup> {
    started(id).map(|started| ProcessGroup { id, started })
}

/// When a process started, in clock ticks after boot: field 22 of `/proc/<pid>/stat` (`proc(5)`). The second field is the
/// command in parentheses and may hold spaces, so counting begins after its last one.
fn started(id: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, after_command) = stat.rsplit_once(')')?;
    after_command.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
    use std::process::Command;

    #[test]
    fn only_the_same_process_is_killed() {
        let mut child = Command::new("sleep").arg("600").process_group(0).spawn().unwrap();
        let group = identify(i32::try_from(child.id()).unwrap()).unwrap();
        kill(&[ProcessGroup {
            started: group.started + 1,
            ..group
        }]);
        assert_eq!(child.try_wait().unwrap(), None);
        kill(&[group]);
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert_eq!(identify(group.id), None);
    }

    #[test]
    fn what_the_journal_does_not_know_is_found_by_its_name() {
        let (left, living) = (ExecutionId::new(), ExecutionId::new());
        let start = |execution: ExecutionId| {
            let marker = SessionMarker::new(&execution.to_string(), 3).to_string();
            let mut command = Command::new("sleep");
            command.arg("600").process_group(0).env("PGAPPNAME", marker);
            command.spawn().unwrap()
        };
        let (mut left_over, mut at_work) = (start(left), start(living));
        // A process is its parent's copy until it has become another program.
        let program = format!("/proc/{}/comm", left_over.id());
        while fs::read_to_string(&program).unwrap().trim() != "sleep" {
            std::thread::yield_now();
        }
        kill_all_of(&[left]);
        assert_eq!(left_over.wait().unwrap().signal(), Some(9));
        assert_eq!(at_work.try_wait().unwrap(), None);
        kill_all_of(&[]);
        assert_eq!(at_work.try_wait().unwrap(), None);
        at_work.kill().unwrap();
        at_work.wait().unwrap();
    }
}
