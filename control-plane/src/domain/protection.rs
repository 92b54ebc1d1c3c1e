//! How well a datasource is protected: by the age of its newest backup, and of the newest one that was opened and read whole.
//!
//! Why a backup is missing does not matter: a schedule that never fired shows here like one that fails.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::BackupId;

/// How old the newest backups may be; nothing is laid down where none is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Objectives {
    /// The newest backup.
    pub backup: Option<TimeDelta>,
    /// The newest verified one.
    pub verified: Option<TimeDelta>,
}

/// What there is of a datasource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    /// Its name.
    pub datasource: String,
    /// Since when it is known.
    pub created_at: DateTime<Utc>,
    /// The newest backup that can be restored.
    pub newest: Option<NewestBackup>,
    /// When the newest backup was made of which a copy was opened and read whole.
    pub verified_at: Option<DateTime<Utc>>,
    /// How old its newest verified backup may be, where it has an objective of its own.
    pub verified_within: Option<TimeDelta>,
}

/// The newest backup of a datasource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestBackup {
    /// Which.
    pub id: BackupId,
    /// When it was complete.
    pub at: DateTime<Utc>,
    /// Copies that are whole.
    pub copies: u32,
    /// Copies that there are to be.
    pub copies_wanted: u32,
}

/// How well it is protected: the worst that is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProtectionState {
    /// Its newest backups are as young as they should be.
    Protected,
    /// Its newest verified backup is older than it should be, or there is none.
    Unverified,
    /// Its newest backup is older than it should be.
    Late,
    /// There is no backup.
    Unprotected,
}

impl ProtectionState {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Protected, Self::Unverified, Self::Late, Self::Unprotected];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::Unverified => "unverified",
            Self::Late => "late",
            Self::Unprotected => "unprotected",
        }
    }
}

impl Protection {
    /// What holds for it, where `usual` holds for all that have no objective of their own.
    pub fn objectives(&self, usual: Objectives) -> Objectives {
        Objectives {
            verified: self.verified_within.or(usual.verified),
            ..usual
        }
    }

    /// How well it is protected now.
    pub fn state(&self, objectives: Objectives, now: DateTime<Utc>) -> ProtectionState {
        let objectives = self.objectives(objectives);
        let too_old = |at: DateTime<Utc>, most: Option<TimeDelta>| most.is_some_and(|most| now - at > most);
        let Some(newest) = &self.newest else {
            return ProtectionState::Unprotected;
        };
        if too_old(newest.at, objectives.backup) {
            return ProtectionState::Late;
        }
        let verified = self.verified_at.unwrap_or(DateTime::<Utc>::MIN_UTC);
        match too_old(verified, objectives.verified) {
            true => ProtectionState::Unverified,
            false => ProtectionState::Protected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours_ago(hours: i64) -> DateTime<Utc> {
        now() - TimeDelta::hours(hours)
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn backed_up(newest: Option<i64>, verified: Option<i64>) -> Protection {
        Protection {
            datasource: "shop".to_owned(),
            created_at: hours_ago(1000),
            newest: newest.map(|hours| NewestBackup {
                id: BackupId::new(),
                at: hours_ago(hours),
                copies: 1,
                copies_wanted: 1,
            }),
            verified_at: verified.map(hours_ago),
            verified_within: None,
        }
    }

    #[test]
    fn the_worst_that_is_true_is_told() {
        let strict = Objectives {
            backup: Some(TimeDelta::hours(24)),
            verified: Some(TimeDelta::days(7)),
        };
        for (newest, verified, state) in [
            (None, None, ProtectionState::Unprotected),
            (Some(25), Some(25), ProtectionState::Late),
            (Some(1), None, ProtectionState::Unverified),
            (Some(1), Some(8 * 24), ProtectionState::Unverified),
            (Some(24), Some(7 * 24), ProtectionState::Protected),
        ] {
            let protection = backed_up(newest, verified);
            assert_eq!(protection.state(strict, now()), state, "{newest:?} {verified:?}");
        }
    }

    #[test]
    fn an_objective_of_its_own_goes_first() {
        let lax = Objectives::default();
        let mut protection = backed_up(Some(1), Some(50));
        protection.verified_within = Some(TimeDelta::hours(48));
        assert_eq!(protection.state(lax, now()), ProtectionState::Unverified);
        let strict = Objectives {
            verified: Some(TimeDelta::hours(1)),
            ..lax
        };
        protection.verified_within = Some(TimeDelta::hours(51));
        assert_eq!(protection.state(strict, now()), ProtectionState::Protected);
    }

    #[test]
    fn where_nothing_is_laid_down_any_backup_will_do() {
        let lax = Objectives::default();
        assert_eq!(
            backed_up(Some(9999), None).state(lax, now()),
            ProtectionState::Protected
        );
        assert_eq!(
            backed_up(None, None).state(lax, now()),
            ProtectionState::Unprotected
        );
    }
}
