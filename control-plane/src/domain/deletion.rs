//! Deleting backups: what a backup and its copies go through, and what forbids it.
//!
//! A backup that is to go is `deleting` in one transaction, and from then on nobody restores it, copies it, or builds on it.
//! Its manifest goes first, from one storage after the other: each copy is `deleted` when the manifest is gone there for
//! certain. A storage that is away keeps its copy `deleting` for as long as it takes. When no copy is left the backup is
//! `deleted`: what remains is its id, so that a manifest of it that comes back is known. The packs and lists that it alone
//! named go afterwards, with their grace (see [`super::cleanup`]).

use std::str::FromStr;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{BackupId, ExecutionId, StorageId};

use super::field::BadField;
use super::text;

/// The longest reason of a pin, in bytes.
const MAX_REASON: usize = 1000;

/// Where a committed backup is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackupState {
    /// It is kept.
    Complete,
    /// Its manifests are being deleted; it can't be restored any more.
    Deleting,
    /// No storage has its manifest.
    Deleted,
}

/// What happens to a committed backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupEvent {
    /// Somebody deletes it.
    DeletionAsked,
    /// The last of its manifests is gone.
    ManifestsGone,
}

/// Where one copy of a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CopyState {
    /// It is to be made, and may be under way.
    Wanted,
    /// Manifest and all that it names are there.
    Complete,
    /// Its manifest is to go.
    Deleting,
    /// Its manifest is gone.
    Deleted,
}

/// What happens to one copy of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyEvent {
    /// Manifest and all that it names are there.
    Completed,
    /// The backup is to go.
    DeletionAsked,
    /// The manifest is not there any more.
    ManifestGone,
}

/// A step that there is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} does not follow {state}")]
pub struct NoSuchStep {
    state: &'static str,
    event: String,
}

impl BackupState {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    /// The only way a backup changes. The same event again changes nothing.
    pub fn apply(self, event: BackupEvent) -> Result<Self, NoSuchStep> {
        match (self, event) {
            (Self::Complete | Self::Deleting, BackupEvent::DeletionAsked) => Ok(Self::Deleting),
            (Self::Deleting | Self::Deleted, BackupEvent::ManifestsGone) => Ok(Self::Deleted),
            (Self::Deleted, BackupEvent::DeletionAsked) => Ok(Self::Deleted),
            (Self::Complete, BackupEvent::ManifestsGone) => Err(NoSuchStep {
                state: self.as_str(),
                event: format!("{event:?}"),
            }),
        }
    }
}

impl CopyState {
    /// The name in the API and in errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Complete => "complete",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    /// The state of a row that says when the copy was complete, and whether it is on its way out.
    pub fn read(completed: bool, leaving: Option<&str>) -> Result<Self, UnknownState> {
        match leaving {
            None if completed => Ok(Self::Complete),
            None => Ok(Self::Wanted),
            Some("deleting") => Ok(Self::Deleting),
            Some("deleted") => Ok(Self::Deleted),
            Some(other) => Err(UnknownState(other.to_owned())),
        }
    }

    /// The only way a copy changes. The same event again changes nothing. What is on its way out is never complete again,
    /// even if somebody who copied it meanwhile says so.
    pub fn apply(self, event: CopyEvent) -> Result<Self, NoSuchStep> {
        match (self, event) {
            (Self::Wanted | Self::Complete, CopyEvent::Completed) => Ok(Self::Complete),
            (Self::Wanted | Self::Complete | Self::Deleting, CopyEvent::DeletionAsked) => Ok(Self::Deleting),
            (Self::Deleting | Self::Deleted, CopyEvent::ManifestGone) => Ok(Self::Deleted),
            (Self::Deleted, CopyEvent::DeletionAsked) => Ok(Self::Deleted),
            (Self::Deleting | Self::Deleted, CopyEvent::Completed)
            | (Self::Wanted | Self::Complete, CopyEvent::ManifestGone) => Err(NoSuchStep {
                state: self.as_str(),
                event: format!("{event:?}"),
            }),
        }
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state {0:?}")]
pub struct UnknownState(String);

impl FromStr for BackupState {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        let all = [Self::Complete, Self::Deleting, Self::Deleted];
        all.into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// Somebody's word that a backup stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// Since when.
    pub at: DateTime<Utc>,
    /// Whose word: a user's name.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Reads the reason of a pin.
pub fn pin_reason(reason: &str) -> Result<String, BadField> {
    let reason = reason.trim();
    text::required("reason", reason, MAX_REASON)?;
    Ok(reason.to_owned())
}

/// Who needs a backup right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupUse {
    /// A restore of it that has not ended.
    Restore(ExecutionId),
    /// A backup that builds on it and has not ended.
    Base(ExecutionId),
}

/// Why a backup can't be deleted now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody pinned it.
    #[error("backup {backup} is pinned by {by}: {reason}; `dgctl backup unpin {backup}` first")]
    Pinned {
        /// Which.
        backup: BackupId,
        /// Whose word it is.
        by: String,
        /// Why.
        reason: String,
    },
    /// It is being restored.
    #[error("execution {0} restores it and has not ended: wait for it, or cancel it")]
    Restored(ExecutionId),
    /// A backup builds on it.
    #[error("execution {0} makes a backup that builds on it and has not ended: wait for it, or cancel it")]
    Base(ExecutionId),
    /// There is no newer one.
    #[error(
        "it is the newest complete backup of {datasource}: `--last` deletes it all the same, best after a newer one was made"
    )]
    Newest {
        /// The datasource's name.
        datasource: String,
    },
}

impl Refusal {
    /// A stable name for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Pinned { .. } => "BACKUP_PINNED",
            Self::Restored(_) | Self::Base(_) => "BACKUP_IN_USE",
            Self::Newest { .. } => "BACKUP_IS_NEWEST",
        }
    }
}

/// What stands in the way because somebody needs the backup right now. The one place that knows who can.
pub fn in_use(uses: &[BackupUse]) -> Result<(), Refusal> {
    match uses.first() {
        None => Ok(()),
        Some(BackupUse::Restore(execution)) => Err(Refusal::Restored(*execution)),
        Some(BackupUse::Base(execution)) => Err(Refusal::Base(*execution)),
    }
}

/// What is known when a backup is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletable<'a> {
    /// Which.
    pub backup: BackupId,
    /// Its datasource's name.
    pub datasource: &'a str,
    /// Its pin.
    pub pin: Option<&'a Pin>,
    /// Who needs it.
    pub uses: &'a [BackupUse],
    /// Whether its datasource has no newer backup that is whole in some storage.
    pub is_newest: bool,
}

/// What a caller says about the newest backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastBackup {
    /// It stays.
    Keep,
    /// It may go too.
    MayGo,
}

/// Whether a backup may be deleted, by hand or by retention.
pub fn check(what: &Deletable<'_>, last: LastBackup) -> Result<(), Refusal> {
    if let Some(pin) = what.pin {
        return Err(Refusal::Pinned {
            backup: what.backup,
            by: pin.by.clone(),
            reason: pin.reason.clone(),
        });
    }
    in_use(what.uses)?;
    if what.is_newest && last == LastBackup::Keep {
        return Err(Refusal::Newest {
            datasource: what.datasource.to_owned(),
        });
    }
    Ok(())
}

/// A manifest that is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeavingManifest {
    /// Of which backup.
    pub backup: BackupId,
    /// Of what.
    pub datasource: dataguardian_core::ids::DatasourceId,
    /// From where.
    pub storage: StorageId,
    /// The SHA-256 of its payload: no other manifest is meant.
    pub payload_sha256: [u8; 32],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_goes_step_by_step_and_never_back() {
        use BackupEvent::{DeletionAsked, ManifestsGone};
        use BackupState::{Complete, Deleted, Deleting};
        assert_eq!(Complete.apply(DeletionAsked), Ok(Deleting));
        assert_eq!(Deleting.apply(DeletionAsked), Ok(Deleting));
        assert_eq!(Deleting.apply(ManifestsGone), Ok(Deleted));
        assert_eq!(Deleted.apply(ManifestsGone), Ok(Deleted));
        assert_eq!(Deleted.apply(DeletionAsked), Ok(Deleted));
        assert!(Complete.apply(ManifestsGone).is_err());
        for state in [Complete, Deleting, Deleted] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
    }

    #[test]
    fn a_copy_on_its_way_out_is_never_whole_again() {
        use CopyEvent::{Completed, DeletionAsked, ManifestGone};
        use CopyState::{Complete, Deleted, Deleting, Wanted};
        assert_eq!(Wanted.apply(Completed), Ok(Complete));
        for state in [Wanted, Complete, Deleting] {
            assert_eq!(state.apply(DeletionAsked), Ok(Deleting));
        }
        assert_eq!(Deleting.apply(ManifestGone), Ok(Deleted));
        for state in [Deleting, Deleted] {
            assert!(state.apply(Completed).is_err());
        }
        for state in [Wanted, Complete] {
            assert!(state.apply(ManifestGone).is_err());
        }
        assert_eq!(CopyState::read(true, None), Ok(Complete));
        assert_eq!(CopyState::read(false, None), Ok(Wanted));
        assert_eq!(CopyState::read(true, Some("deleting")), Ok(Deleting));
        assert!(CopyState::read(true, Some("gone")).is_err());
    }

    #[test]
    fn what_is_pinned_needed_or_newest_stays() {
        let pin = Pin {
            at: DateTime::UNIX_EPOCH,
            by: "ada".into(),
            reason: "audit of 2026".into(),
        };
        let execution = ExecutionId::new();
        let free = Deletable {
            backup: BackupId::new(),
            datasource: "shop",
            pin: None,
            uses: &[],
            is_newest: false,
        };
        assert_eq!(check(&free, LastBackup::Keep), Ok(()));
        let pinned = Deletable {
            pin: Some(&pin),
            ..free.clone()
        };
        let refused = check(&pinned, LastBackup::MayGo).unwrap_err();
        assert_eq!(refused.reason(), "BACKUP_PINNED");
        assert!(refused.to_string().contains("pinned by ada: audit of 2026"));
        for user in [BackupUse::Restore(execution), BackupUse::Base(execution)] {
            let uses = [user];
            let used = Deletable {
                uses: &uses,
                ..free.clone()
            };
            let refused = check(&used, LastBackup::MayGo).unwrap_err();
            assert_eq!(refused.reason(), "BACKUP_IN_USE");
            assert!(refused.to_string().contains(&execution.to_string()));
        }
        let newest = Deletable {
            is_newest: true,
            ..free
        };
        let refused = check(&newest, LastBackup::Keep).unwrap_err();
        assert_eq!(refused.reason(), "BACKUP_IS_NEWEST");
        assert_eq!(check(&newest, LastBackup::MayGo), Ok(()));
    }

    #[test]
    fn a_pin_needs_a_reason() {
        assert!(pin_reason(" \n").is_err());
        assert_eq!(
            pin_reason(" kept for the audit "),
            Ok("kept for the audit".into())
        );
        assert!(pin_reason(&"x".repeat(1001)).is_err());
    }
}
