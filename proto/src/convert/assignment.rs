//! Fences.

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::InvalidId;

use crate::agent::v1;

/// A fence that can't be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFence {
    /// The message has none.
    #[error("fence: must be given")]
    Missing,
    /// One of its ids is not an id.
    #[error("fence: {0}")]
    Id(#[from] InvalidId),
}

impl From<Fence> for v1::Fence {
    fn from(fence: Fence) -> Self {
        Self {
            execution_id: fence.execution.to_string(),
            attempt: fence.attempt,
            lease_token: fence.lease_token.to_string(),
        }
    }
}

impl TryFrom<v1::Fence> for Fence {
    type Error = InvalidFence;
    fn try_from(fence: v1::Fence) -> Result<Self, InvalidFence> {
        Ok(Self {
            execution: fence.execution_id.parse()?,
            attempt: fence.attempt,
            lease_token: fence.lease_token.parse()?,
        })
    }
}

/// The fence that every report must carry.
pub fn fence(fence: Option<v1::Fence>) -> Result<Fence, InvalidFence> {
    fence.ok_or(InvalidFence::Missing)?.try_into()
}
