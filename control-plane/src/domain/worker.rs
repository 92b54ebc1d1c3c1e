//! The two workers that hand out what waits in the queue: each has a channel, a loop and a state of its own.

use dataguardian_core::execution::ExecutionKind;

/// Who hands out what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Worker {
    /// What writes into storages: backups.
    Backup,
    /// What reads out of them: restores and verifications.
    Restore,
}

impl Worker {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Backup, Self::Restore];

    /// Its name: of its loop, and of its channel.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }

    /// Whose work that is.
    pub const fn of(kind: ExecutionKind) -> Self {
        match kind {
            ExecutionKind::Backup => Self::Backup,
            ExecutionKind::Restore | ExecutionKind::Verify => Self::Restore,
        }
    }
}
