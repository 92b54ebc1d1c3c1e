//! The processes that an agent's sessions came from.
//!
//! A process makes a new boot id when it starts, and only one process can run on a state directory. So an id that comes back
//! after another one has been seen belongs to a second process, on a copy of the directory. One return may be a message that
//! was long on its way; two are not.

use serde::{Deserialize, Serialize};

/// The most ids that are kept.
const KEPT: usize = 8;
/// So many returns prove that two processes are at it.
const PROOF: u32 = 2;

/// The processes that an agent's sessions came from, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boots {
    recent: Vec<String>,
    returns: u32,
}

/// What one more session tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootVerdict {
    /// Nothing: the same process again, or a new one.
    Fine,
    /// Two processes take turns.
    Shared,
}

impl Boots {
    /// One more session, of the process with this id. An empty id tells nothing.
    pub fn judge(&self, boot_id: &str) -> (Self, BootVerdict) {
        let mut after = self.clone();
        let known = self.recent.iter().position(|known| known == boot_id);
        match known {
            _ if boot_id.is_empty() => {}
            Some(0) => {}
            Some(place) => {
                after.returns = self.returns.saturating_add(1);
                let returned = after.recent.remove(place);
                after.recent.insert(0, returned);
            }
            None => {
                after.returns = 0;
                after.recent.insert(0, boot_id.to_owned());
                after.recent.truncate(KEPT);
            }
        }
        let shared = known.is_some_and(|place| place > 0) && after.returns >= PROOF;
        let verdict = if shared {
            BootVerdict::Shared
        } else {
            BootVerdict::Fine
        };
        (after, verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(ids: &[&str]) -> Vec<BootVerdict> {
        let mut boots = Boots::default();
        let judge = |id: &&str| {
            let (after, verdict) = boots.judge(id);
            boots = after;
            verdict
        };
        ids.iter().map(judge).collect()
    }

    #[test]
    fn restarts_and_reconnects_are_fine() {
        let fine = verdicts(&["a", "a", "b", "b", "c", "", "", "c", "d"]);
        assert!(
            fine.iter().all(|verdict| *verdict == BootVerdict::Fine),
            "{fine:?}"
        );
    }

    #[test]
    fn two_processes_that_take_turns_are_found_at_the_second_return() {
        use BootVerdict::{Fine, Shared};
        assert_eq!(
            verdicts(&["a", "b", "a", "b", "b", "a"]),
            [Fine, Fine, Fine, Shared, Fine, Shared]
        );
        assert_eq!(
            verdicts(&["a", "b", "c", "a", "b"]),
            [Fine, Fine, Fine, Fine, Shared]
        );
    }

    #[test]
    fn one_late_message_proves_nothing_and_is_forgotten_with_the_next_start() {
        use BootVerdict::Fine;
        assert_eq!(verdicts(&["a", "b", "a", "c", "b"]), [Fine; 5]);
    }

    #[test]
    fn only_so_many_are_kept() {
        let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
        let boots = ids.iter().fold(Boots::default(), |boots, id| boots.judge(id).0);
        assert_eq!(boots.recent.len(), KEPT);
    }
}
