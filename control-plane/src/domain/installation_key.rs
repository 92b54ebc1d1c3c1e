//! Installation keys: all keys of backups come from them. One is in use, those before it open what they sealed.

use chrono::{DateTime, Utc};
use dataguardian_repository::id::KeyId;

/// Why a new key is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// As planned: nobody else has the one before it, so what that sealed goes on being used.
    Planned,
    /// Somebody may have the one before it: nothing new refers to what that sealed, or opens for whom it was sealed for.
    Compromised,
}

/// A key's number, and the number of the one whose id keys name what it seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation {
    /// From 1 on.
    pub number: u32,
    /// The same, or an earlier one.
    pub ids: u32,
}

impl Generation {
    /// The first key.
    pub const FIRST: Self = Self { number: 1, ids: 1 };

    /// The key after this one.
    #[must_use]
    pub const fn next(self, rotation: Rotation) -> Self {
        let number = self.number + 1;
        match rotation {
            Rotation::Planned => Self {
                number,
                ids: self.ids,
            },
            Rotation::Compromised => Self { number, ids: number },
        }
    }
}

/// A key, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShown {
    /// Its name.
    pub id: KeyId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_as_planned_and_change_after_a_compromise() {
        use Rotation::{Compromised, Planned};
        let mut generation = Generation::FIRST;
        let mut ids = vec![generation.ids];
        for rotation in [Planned, Planned, Compromised, Planned] {
            generation = generation.next(rotation);
            ids.push(generation.ids);
        }
        assert_eq!((generation.number, ids), (5, vec![1, 1, 1, 4, 4]));
    }
}
