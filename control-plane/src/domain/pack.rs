//! Packs in the catalogue: `live -> tombstoned -> condemned -> deleted`, and what a commit may name.

use std::collections::HashMap;
use std::str::FromStr;

use dataguardian_core::ids::DatasourceId;

/// Where a pack is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PackState {
    /// In use, or may be.
    Live,
    /// No manifest names it any more; one that does brings it back.
    Tombstoned,
    /// It is being deleted; nothing brings it back.
    Condemned,
    /// It is gone.
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
    /// Where it is on its way out.
    pub state: PackState,
    /// Its size.
    pub stored_bytes: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_may_name_what_is_live_or_can_be_revived() {
        let datasource = DatasourceId::new();
        let pack = |id: u8, state| KnownPack {
            id: [id; 32],
            datasource,
            state,
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
}
