//! Who goes first in the queue: what a person waits for, before what a schedule began. Within one priority the older goes first.

/// How urgent an execution is; the first is the most urgent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A person or a program asked for it.
    #[default]
    Manual,
    /// A schedule did.
    Scheduled,
}

impl Priority {
    /// The number in tables: the lesser goes first. There is room between them.
    pub const fn as_number(self) -> i16 {
        match self {
            Self::Manual => 0,
            Self::Scheduled => 100,
        }
    }

    /// From the number in tables.
    pub const fn from_number(number: i16) -> Option<Self> {
        match number {
            0 => Some(Self::Manual),
            100 => Some(Self::Scheduled),
            _ => None,
        }
    }
}
