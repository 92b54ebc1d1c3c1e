//! The life of an execution: one enum of states, one of events, one transition function.
//!
//! ```text
//! queued ──Offered──▶ leased ──Accepted──▶ running ──PayloadStored──▶ committing ──Committed──▶ completed
//!   ▲  ▲                │ OfferLapsed         │ Finished (no commit needed) ─────────────────────▶ completed
//!   │  └────────────────┘                     │ AttemptFailed ──▶ retry_wait ──RetryDue──▶ queued
//!   └─────────────────────────────────────────┘                └▶ failed
//! ```
//! A wish to cancel ends a waiting execution at once; a leased or running one first goes through `cancelling`, until its
//! agent says that nothing of it is left. Once `committing`, it is too late to cancel.
//!
//! The store saves a transition with `WHERE state = … AND attempt = … AND lease_token = …`, so that of two writers one loses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{ExecutionId, LeaseToken};

/// What an execution does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionKind {
    /// Dump a datasource into storages.
    Backup,
    /// Bring a backup back into a server.
    Restore,
    /// Look whether copies of a backup are whole, without restoring it.
    Verify,
}

impl ExecutionKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Backup, Self::Restore, Self::Verify];

    /// The name in tables and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Verify => "verify",
        }
    }
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionState {
    /// Waits for its agent.
    Queued,
    /// Offered to an agent that has not accepted yet. No attempt is used so far.
    Leased,
    /// An agent works on it.
    Running,
    /// The payload is stored and countersigned; the manifest is on its way into the storages.
    Committing,
    /// Done.
    Completed,
    /// An attempt failed; the next one waits for its time.
    RetryWait,
    /// A person wants it to end; the agent has not yet said that it did.
    Cancelling,
    /// Ended by a person.
    Cancelled,
    /// Ended without success.
    Failed,
    /// Never started, on purpose.
    Skipped,
}

/// What happens to an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionEvent {
    /// A replica claimed it and offered it to the agent.
    Offered,
    /// The agent declined, or did not answer in time.
    OfferLapsed,
    /// The agent wrote its journal and accepted: an attempt begins.
    Accepted,
    /// The attempt's payload is checked, stored and countersigned.
    PayloadStored,
    /// The manifest is in at least one storage.
    Committed,
    /// The manifest could be put into no storage.
    CommitFailed,
    /// The attempt succeeded and there is nothing to commit (a restore, a verification).
    Finished,
    /// The attempt failed, and another one is allowed.
    AttemptFailed,
    /// The attempt failed for good, or was the last one.
    Failed,
    /// The wait before the next attempt is over.
    RetryDue,
    /// A person wants it to end.
    CancelRequested,
    /// The agent says that nothing of the attempt is left; or it stayed silent for too long.
    CancelConcluded,
    /// It will not run.
    Skipped,
}

/// An event that can't happen in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an execution that is {state} can't take the event {event:?}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub state: ExecutionState,
    /// The event that does not fit.
    pub event: ExecutionEvent,
}

impl ExecutionState {
    /// Every state, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Queued,
        Self::Leased,
        Self::Running,
        Self::Committing,
        Self::Completed,
        Self::RetryWait,
        Self::Cancelling,
        Self::Cancelled,
        Self::Failed,
        Self::Skipped,
    ];

    /// The state after `event`. The only way a state changes.
    #[expect(
        clippy::too_many_lines,
        reason = "one total table: each state names each event that it refuses"
    )]
    pub const fn apply(self, event: ExecutionEvent) -> Result<Self, IllegalTransition> {
        use ExecutionEvent as E;
        let next = match self {
            Self::Queued => match event {
                E::Offered => Self::Leased,
                E::CancelRequested => Self::Cancelled,
                E::Skipped => Self::Skipped,
                E::Failed => Self::Failed,
                E::OfferLapsed
                | E::Accepted
                | E::PayloadStored
                | E::Committed
                | E::CommitFailed
                | E::Finished
                | E::AttemptFailed
                | E::RetryDue
                | E::CancelConcluded => return self.refuse(event),
            },
            Self::Leased => match event {
                E::OfferLapsed => Self::Queued,
                E::Accepted => Self::Running,
                E::CancelRequested => Self::Cancelling,
                E::Offered
                | E::PayloadStored
                | E::Committed
                | E::CommitFailed
                | E::Finished
                | E::AttemptFailed
                | E::Failed
                | E::RetryDue
                | E::CancelConcluded
                | E::Skipped => return self.refuse(event),
            },
            Self::Running => match event {
                E::PayloadStored => Self::Committing,
                E::Finished => Self::Completed,
                E::AttemptFailed => Self::RetryWait,
                E::Failed => Self::Failed,
                E::CancelRequested => Self::Cancelling,
                E::Offered
                | E::OfferLapsed
                | E::Accepted
                | E::Committed
                | E::CommitFailed
                | E::RetryDue
                | E::CancelConcluded
                | E::Skipped => return self.refuse(event),
            },
            Self::Committing => match event {
                E::Committed => Self::Completed,
                E::CommitFailed => Self::Failed,
                E::Offered
                | E::OfferLapsed
                | E::Accepted
                | E::PayloadStored
                | E::Finished
                | E::AttemptFailed
                | E::Failed
                | E::RetryDue
                | E::CancelRequested
                | E::CancelConcluded
                | E::Skipped => {
                    return self.refuse(event);
                }
            },
            Self::RetryWait => match event {
                E::RetryDue => Self::Queued,
                E::CancelRequested => Self::Cancelled,
                E::Offered
                | E::OfferLapsed
                | E::Accepted
                | E::PayloadStored
                | E::Committed
                | E::CommitFailed
                | E::Finished
                | E::AttemptFailed
                | E::Failed
                | E::CancelConcluded
                | E::Skipped => {
                    return self.refuse(event);
                }
            },
            Self::Cancelling => match event {
                E::CancelConcluded => Self::Cancelled,
                E::Offered
                | E::OfferLapsed
                | E::Accepted
                | E::PayloadStored
                | E::Committed
                | E::CommitFailed
                | E::Finished
                | E::AttemptFailed
                | E::Failed
                | E::RetryDue
                | E::CancelRequested
                | E::Skipped => {
                    return self.refuse(event);
                }
            },
            Self::Completed | Self::Cancelled | Self::Failed | Self::Skipped => return self.refuse(event),
        };
        Ok(next)
    }

    const fn refuse(self, event: ExecutionEvent) -> Result<Self, IllegalTransition> {
        Err(IllegalTransition { state: self, event })
    }

    /// Whether nothing can happen to it any more.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::Cancelled | Self::Failed | Self::Skipped
        )
    }

    /// Whether an agent may be at work on it: it counts against limits and excludes others from its datasource.
    pub const fn occupies_agent(self) -> bool {
        matches!(
            self,
            Self::Leased | Self::Running | Self::Committing | Self::Cancelling
        )
    }

    /// The name in tables and the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Leased => "leased",
            Self::Running => "running",
            Self::Committing => "committing",
            Self::Completed => "completed",
            Self::RetryWait => "retry_wait",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl ExecutionEvent {
    /// The name in the event log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::OfferLapsed => "offer_lapsed",
            Self::Accepted => "accepted",
            Self::PayloadStored => "payload_stored",
            Self::Committed => "committed",
            Self::CommitFailed => "commit_failed",
            Self::Finished => "finished",
            Self::AttemptFailed => "attempt_failed",
            Self::Failed => "failed",
            Self::RetryDue => "retry_due",
            Self::CancelRequested => "cancel_requested",
            Self::CancelConcluded => "cancel_concluded",
            Self::Skipped => "skipped",
        }
    }
}

impl fmt::Display for ExecutionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for ExecutionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that names no state or kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown execution state or kind {0:?}")]
pub struct UnknownExecutionWord(pub String);

impl FromStr for ExecutionState {
    type Err = UnknownExecutionWord;
    fn from_str(text: &str) -> Result<Self, UnknownExecutionWord> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| UnknownExecutionWord(text.chars().take(64).collect()))
    }
}

impl FromStr for ExecutionKind {
    type Err = UnknownExecutionWord;
    fn from_str(text: &str) -> Result<Self, UnknownExecutionWord> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| UnknownExecutionWord(text.chars().take(64).collect()))
    }
}

/// What proves that a report belongs to the attempt that now holds an execution. Every report of an agent carries one;
/// one that does not match is refused, and the agent stops what it does without deleting anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fence {
    /// The execution.
    pub execution: ExecutionId,
    /// The attempt, counted from 1; while leased, the one that would begin.
    pub attempt: u32,
    /// New for each lease.
    pub lease_token: LeaseToken,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const EVENTS: [ExecutionEvent; 13] = [
        ExecutionEvent::Offered,
        ExecutionEvent::OfferLapsed,
        ExecutionEvent::Accepted,
        ExecutionEvent::PayloadStored,
        ExecutionEvent::Committed,
        ExecutionEvent::CommitFailed,
        ExecutionEvent::Finished,
        ExecutionEvent::AttemptFailed,
        ExecutionEvent::Failed,
        ExecutionEvent::RetryDue,
        ExecutionEvent::CancelRequested,
        ExecutionEvent::CancelConcluded,
        ExecutionEvent::Skipped,
    ];

    #[test]
    fn every_word_reads_back() {
        for state in ExecutionState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for kind in ExecutionKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            // One that is new has to be in the list, too.
            match kind {
                ExecutionKind::Backup | ExecutionKind::Restore | ExecutionKind::Verify => {}
            }
        }
    }

    #[test]
    fn every_state_that_is_not_terminal_can_reach_an_end() {
        for start in ExecutionState::ALL {
            let mut reached = vec![start];
            let mut next = 0;
            while next < reached.len() {
                for event in EVENTS {
                    if let Ok(state) = reached[next].apply(event)
                        && !reached.contains(&state)
                    {
                        reached.push(state);
                    }
                }
                next += 1;
            }
            assert!(
                reached.iter().any(|state| state.is_terminal()),
                "{start} is a dead end"
            );
        }
    }

    proptest! {
        #[test]
        fn any_history_keeps_the_invariants(events in prop::collection::vec(prop::sample::select(&EVENTS[..]), 0..64)) {
            let mut state = ExecutionState::Queued;
            let mut payload_stored = false;
            for event in events {
                let Ok(next) = state.apply(event) else { continue };
                prop_assert!(!state.is_terminal(), "left the terminal state {state}");
                payload_stored |= event == ExecutionEvent::PayloadStored;
                if event == ExecutionEvent::Committed {
                    prop_assert!(payload_stored);
                }
                if state == ExecutionState::Committing {
                    prop_assert!(matches!(next, ExecutionState::Completed | ExecutionState::Failed));
                }
                state = next;
            }
        }
    }
}
