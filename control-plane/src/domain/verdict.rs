//! What an agent that comes back hears about each attempt that it still knows, and what becomes of those it has forgotten.

use dataguardian_core::execution::{ExecutionState, Fence};

/// What an agent hears about one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Which.
    pub fence: Fence,
    /// What.
    pub kind: VerdictKind,
}

/// What to do with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictKind {
    /// Go on; or send the result again.
    Continue,
    /// Stop; it is not yours any more. Delete nothing.
    Abandon,
    /// The result has been taken already; forget it.
    AlreadyDone,
    /// A person wants it to end.
    Cancel,
}

/// How the fence that the agent names stands to the execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FenceStanding {
    /// It is the one that holds the execution, or held it last.
    Holds(ExecutionState),
    /// It held it once, and that attempt has ended.
    Ended,
    /// It is unknown, another agent's, or was taken back.
    Foreign,
}

/// Decides about an attempt that the agent names; `running` if it is still at work on it.
pub const fn judge(standing: FenceStanding, running: bool) -> VerdictKind {
    use ExecutionState as S;
    match standing {
        // Leased: the journal has it, only the acceptance was lost.
        FenceStanding::Holds(S::Leased | S::Running | S::Committing) => VerdictKind::Continue,
        FenceStanding::Holds(S::Cancelling) => VerdictKind::Cancel,
        FenceStanding::Holds(S::Queued) | FenceStanding::Foreign => VerdictKind::Abandon,
        FenceStanding::Holds(S::Completed | S::RetryWait | S::Cancelled | S::Failed | S::Skipped)
        | FenceStanding::Ended => {
            if running {
                VerdictKind::Abandon
            } else {
                VerdictKind::AlreadyDone
            }
        }
    }
}

/// What becomes of an execution that the agent should be at work on and does not name: its journal is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgotten {
    /// The offer never arrived.
    TakeBack,
    /// The attempt is lost.
    FailAttempt,
    /// Nothing is left that could be cancelled.
    ConcludeCancel,
    /// Whoever reaches the storages can still put the manifest, and is asked to.
    FinishCommit,
    /// It is not at work.
    Leave,
}

/// Decides about an execution that the agent does not name.
pub const fn judge_forgotten(state: ExecutionState) -> Forgotten {
    use ExecutionState as S;
    match state {
        S::Leased => Forgotten::TakeBack,
        S::Running => Forgotten::FailAttempt,
        S::Cancelling => Forgotten::ConcludeCancel,
        S::Committing => Forgotten::FinishCommit,
        S::Queued | S::RetryWait | S::Completed | S::Cancelled | S::Failed | S::Skipped => Forgotten::Leave,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_on_that_is_not_held() {
        for running in [false, true] {
            assert_eq!(judge(FenceStanding::Foreign, running), VerdictKind::Abandon);
            assert_ne!(judge(FenceStanding::Ended, running), VerdictKind::Continue);
            for state in ExecutionState::ALL {
                let goes_on = judge(FenceStanding::Holds(state), running) == VerdictKind::Continue;
                let at_work = state.occupies_agent() && state != ExecutionState::Cancelling;
                assert_eq!(goes_on, at_work, "{state}");
            }
        }
    }

    #[test]
    fn whatever_occupies_an_agent_that_forgot_it_is_brought_to_an_end() {
        for state in ExecutionState::ALL {
            let left = judge_forgotten(state) == Forgotten::Leave;
            assert_eq!(left, !state.occupies_agent(), "{state}");
        }
    }
}
