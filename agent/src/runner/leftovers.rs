//! Kills what an earlier process of this agent left running.

use std::fs;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

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
}
