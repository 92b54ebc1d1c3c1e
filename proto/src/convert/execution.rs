//! States and kinds of executions.

use dataguardian_core::execution::{ExecutionKind, ExecutionState};

use super::InvalidField;
use crate::v1;

impl From<ExecutionKind> for v1::ExecutionKind {
    fn from(kind: ExecutionKind) -> Self {
        match kind {
            ExecutionKind::Backup => Self::Backup,
            ExecutionKind::Restore => Self::Restore,
            ExecutionKind::Verify => Self::Verify,
        }
    }
}

impl From<ExecutionState> for v1::ExecutionState {
    fn from(state: ExecutionState) -> Self {
        match state {
            ExecutionState::Queued => Self::Queued,
            ExecutionState::Leased => Self::Leased,
            ExecutionState::Running => Self::Running,
            ExecutionState::Committing => Self::Committing,
            ExecutionState::Completed => Self::Completed,
            ExecutionState::RetryWait => Self::RetryWait,
            ExecutionState::Cancelling => Self::Cancelling,
            ExecutionState::Cancelled => Self::Cancelled,
            ExecutionState::Failed => Self::Failed,
            ExecutionState::Skipped => Self::Skipped,
        }
    }
}

impl TryFrom<v1::ExecutionState> for ExecutionState {
    type Error = InvalidField;
    fn try_from(state: v1::ExecutionState) -> Result<Self, InvalidField> {
        match state {
            v1::ExecutionState::Unspecified => Err(InvalidField::new("state", "must be given")),
            v1::ExecutionState::Queued => Ok(Self::Queued),
            v1::ExecutionState::Leased => Ok(Self::Leased),
            v1::ExecutionState::Running => Ok(Self::Running),
            v1::ExecutionState::Committing => Ok(Self::Committing),
            v1::ExecutionState::Completed => Ok(Self::Completed),
            v1::ExecutionState::RetryWait => Ok(Self::RetryWait),
            v1::ExecutionState::Cancelling => Ok(Self::Cancelling),
            v1::ExecutionState::Cancelled => Ok(Self::Cancelled),
            v1::ExecutionState::Failed => Ok(Self::Failed),
            v1::ExecutionState::Skipped => Ok(Self::Skipped),
        }
    }
}
