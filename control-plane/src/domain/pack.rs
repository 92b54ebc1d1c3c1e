//! Packs in the catalogue: `live -> tombstoned -> condemned -> deleted`, and what a commit may name.

use std::collections::HashMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::DatasourceId;

/// What an object that holds data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// Chunks. Its name never comes back after deletion.
    Pack,
    /// References to chunks. The same references make the same name again.
    List,
}

impl ObjectKind {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pack => "pack",
            Self::List => "list",
        }
    }
}

/// A pack or list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataObject {
    /// What it is.
    pub kind: ObjectKind,
    /// SHA-256 of its stored bytes.
    pub id: [u8; 32],
}

/// Where a pack is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackState {
    /// In use, or may be.
    Live,
    /// No manifest names it any more; one that does brings it back.
    Tombstoned,
    /// It is being deleted; nothing brings it back.
    Condemned,
    /// It is gone. A list may be stored again under the same name; a pack never is.
    Deleted,
}

impl PackState {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Tombstoned => "tombstoned",
            Self::Condemned => "condemned",
            Self::Deleted => "deleted",
        }
    }
}

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown pack state {0:?}")]
pub struct UnknownPackState(String);

impl FromStr for ObjectKind {
    type Err = UnknownPackState;
    fn from_str(text: &str) -> Result<Self, UnknownPackState> {
        let all = [Self::Pack, Self::List];
        all.into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownPackState(text.to_owned()))
    }
}

impl FromStr for PackState {
    type Err = UnknownPackState;
    fn from_str(text: &str) -> Result<Self, UnknownPackState> {
        let all = [Self::Live, Self::Tombstoned, Self::Condemned, Self::Deleted];
        all.into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownPackState(text.to_owned()))
    }
}

/// A pack that the catalogue knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownPack {
    /// SHA-256 of its stored bytes.
    pub id: [u8; 32],
    /// Whose it is.
    pub datasource: DatasourceId,
    /// What it is.
    pub kind: ObjectKind,
    /// Where it is on its way out.
    pub state: PackState,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Its size.
    pub stored_bytes: u64,
}

/// A pack by its name, with its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SizedPack {
    /// SHA-256 of its stored bytes.
    pub id: [u8; 32],
    /// Its size.
    pub stored_bytes: u64,
}

/// What a backup may do with packs that it did not store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackStanding {
    /// An attempt that failed has left them: it may refer to them.
    Left,
    /// It must not refer to them.
    Unusable,
}

/// A manifest that can't be committed because of a pack that it names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackProblem {
    /// Nobody reported it.
    #[error("pack {0} was never reported as stored")]
    Unknown(String),
    /// It was reported with another size.
    #[error("pack {0} was reported with another size")]
    Size(String),
    /// It is another datasource's.
    #[error("pack {0} belongs to another datasource")]
    Foreign(String),
    /// It is being deleted.
    #[error("pack {0} is being deleted")]
    Condemned(String),
    /// It is being deleted, or was deleted while the attempt ran, which may have seen it before.
    #[error("list {0} is being deleted")]
    CondemnedList(String),
}

/// Checks the packs that a manifest names (with their sizes) against those that are known. Gives the tombstoned ones, which
/// the commit must revive.
pub fn check_named(
    named: &[([u8; 32], u64)],
    known: &[KnownPack],
    datasource: DatasourceId,
) -> Result<Vec<[u8; 32]>, PackProblem> {
    let known: HashMap<_, _> = known.iter().map(|pack| (pack.id, pack)).collect();
    let mut tombstoned = Vec::new();
    for (id, size) in named {
        let shown = || hex::encode(id);
        let Some(pack) = known.get(id) else {
            return Err(PackProblem::Unknown(shown()));
        };
        if pack.datasource != datasource {
            return Err(PackProblem::Foreign(shown()));
        }
        if pack.stored_bytes != *size {
            return Err(PackProblem::Size(shown()));
        }
        match pack.state {
            PackState::Live => {}
            PackState::Tombstoned => tombstoned.push(*id),
            PackState::Condemned | PackState::Deleted => return Err(PackProblem::Condemned(shown())),
        }
    }
    Ok(tombstoned)
}

/// Checks the lists that a manifest names, of an attempt that began then. The catalogue knows of lists only those that are,
/// or were, on their way out. Gives those that the commit must revive.
pub fn check_lists(
    named: &[[u8; 32]],
    known: &[KnownPack],
    attempt_began: DateTime<Utc>,
) -> Result<Vec<[u8; 32]>, PackProblem> {
    let known: HashMap<_, _> = known.iter().map(|list| (list.id, list)).collect();
    let mut revived = Vec::new();
    for list in named.iter().filter_map(|id| known.get(id)) {
        match list.state {
            PackState::Live => {}
            PackState::Tombstoned => revived.push(list.id),
            // It was gone before the attempt began, so the attempt stored it anew.
            PackState::Deleted if list.since < attempt_began => revived.push(list.id),
            PackState::Condemned | PackState::Deleted => {
                return Err(PackProblem::CondemnedList(hex::encode(list.id)));
            }
        }
    }
    Ok(revived)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_may_name_what_is_live_or_can_be_revived() {
        let datasource = DatasourceId::new();
        let pack = |id: u8, state| KnownPack {
            id: [id; 32],
            datasource,
            kind: ObjectKind::Pack,
            state,
            since: DateTime::UNIX_EPOCH,
            stored_bytes: 10,
        };
        let known = [
            pack(1, PackState::Live),
            pack(2, PackState::Tombstoned),
            pack(3, PackState::Condemned),
            pack(4, PackState::Deleted),
        ];
        let check = |named: &[(u8, u64)], datasource| {
            let named: Vec<_> = named.iter().map(|(id, size)| ([*id; 32], *size)).collect();
            check_named(&named, &known, datasource)
        };
        assert_eq!(check(&[(1, 10), (2, 10)], datasource), Ok(vec![[2; 32]]));
        assert!(matches!(
            check(&[(3, 10)], datasource),
            Err(PackProblem::Condemned(_))
        ));
        assert!(matches!(
            check(&[(4, 10)], datasource),
            Err(PackProblem::Condemned(_))
        ));
        assert!(matches!(
            check(&[(5, 10)], datasource),
            Err(PackProblem::Unknown(_))
        ));
        assert!(matches!(check(&[(1, 11)], datasource), Err(PackProblem::Size(_))));
        let other = DatasourceId::new();
        assert!(matches!(check(&[(1, 10)], other), Err(PackProblem::Foreign(_))));
    }

    #[test]
    fn a_list_that_was_deleted_in_mid_attempt_can_not_be_named() {
        let list = |id: u8, state| KnownPack {
            id: [id; 32],
            datasource: DatasourceId::new(),
            kind: ObjectKind::List,
            state,
            since: DateTime::UNIX_EPOCH,
            stored_bytes: 0,
        };
        let known = [
            list(1, PackState::Tombstoned),
            list(2, PackState::Condemned),
            list(3, PackState::Deleted),
        ];
        let (before, after) = (
            DateTime::UNIX_EPOCH,
            DateTime::UNIX_EPOCH + chrono::TimeDelta::seconds(1),
        );
        assert_eq!(
            check_lists(&[[1; 32], [9; 32]], &known, before),
            Ok(vec![[1; 32]])
        );
        assert!(check_lists(&[[2; 32]], &known, after).is_err());
        assert!(check_lists(&[[3; 32]], &known, before).is_err());
        assert_eq!(check_lists(&[[3; 32]], &known, after), Ok(vec![[3; 32]]));
    }
}
