//! Where in a storage things are. Paths are relative to the repository's prefix, in ASCII, with `/` between parts.

use std::fmt;
use std::str::FromStr;

use dataguardian_core::ids::{BackupId, DatasourceId};
use uuid::Uuid;

use crate::format::MAX_PACK_LEN;
use crate::id::{KeyId, ListId, PackId};
use crate::list::MAX_LIST_LEN;
use crate::manifest::MAX_MANIFEST_LEN;

/// The name of an object in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKey {
    /// `repository.json`: what the repository is.
    Repository,
    /// `RESTORE.md`: how to restore without DataGuardian.
    Instructions,
    /// `restore.py`: the script that does it.
    Script,
    /// `keys/<key>.age`: an installation key, wrapped for whoever may use it when the control plane is gone.
    WrappedKey(KeyId),
    /// `<datasource>/packs/<first 2 digits>/<pack>`.
    Pack(DatasourceId, PackId),
    /// `<datasource>/lists/<first 2 digits>/<list>`.
    List(DatasourceId, ListId),
    /// `<datasource>/backups/<backup>.json`: a manifest.
    Manifest(DatasourceId, BackupId),
    /// `probe-<uuid>`: written and removed when a storage is tested.
    Probe(Uuid),
}

impl ObjectKey {
    /// The largest that an object of this kind can be, in bytes: nothing larger is read.
    pub const fn max_len(&self) -> u64 {
        match self {
            Self::Repository | Self::Instructions | Self::Script | Self::WrappedKey(_) | Self::Probe(_) => {
                1 << 20
            }
            Self::Pack(..) => MAX_PACK_LEN,
            Self::List(..) => MAX_LIST_LEN as u64,
            Self::Manifest(..) => MAX_MANIFEST_LEN,
        }
    }

    /// The object for people: `pack <id> (<path>)`.
    pub fn describe(&self) -> String {
        match self {
            Self::Repository | Self::Instructions | Self::Script | Self::WrappedKey(_) | Self::Probe(_) => {
                self.to_string()
            }
            Self::Pack(_, id) => format!("pack {id} ({self})"),
            Self::List(_, id) => format!("list {id} ({self})"),
            Self::Manifest(_, id) => format!("manifest of backup {id} ({self})"),
        }
    }
}

/// A path at which this format has nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the path of an object of a repository")]
pub struct UnknownPath(pub String);

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Repository => f.write_str("repository.json"),
            Self::Instructions => f.write_str("RESTORE.md"),
            Self::Script => f.write_str("restore.py"),
            Self::WrappedKey(id) => write!(f, "keys/{id}.age"),
            Self::Pack(datasource, id) => write!(f, "{datasource}/packs/{:02x}/{id}", id.as_bytes()[0]),
            Self::List(datasource, id) => write!(f, "{datasource}/lists/{:02x}/{id}", id.as_bytes()[0]),
            Self::Manifest(datasource, id) => write!(f, "{datasource}/backups/{id}.json"),
            Self::Probe(id) => write!(f, "probe-{}", id.hyphenated()),
        }
    }
}

impl FromStr for ObjectKey {
    type Err = UnknownPath;

    fn from_str(path: &str) -> Result<Self, UnknownPath> {
        parse(path)
            .filter(|key| key.to_string() == path)
            .ok_or_else(|| UnknownPath(path.chars().take(200).collect()))
    }
}

/// Takes some other spellings too; they are refused by comparing.
fn parse(path: &str) -> Option<ObjectKey> {
    let mut parts = path.split('/');
    let key = match (parts.next()?, parts.next(), parts.next(), parts.next()) {
        ("repository.json", None, ..) => ObjectKey::Repository,
        ("RESTORE.md", None, ..) => ObjectKey::Instructions,
        ("restore.py", None, ..) => ObjectKey::Script,
        ("keys", Some(name), None, _) => ObjectKey::WrappedKey(name.strip_suffix(".age")?.parse().ok()?),
        (probe, None, ..) => ObjectKey::Probe(probe.strip_prefix("probe-")?.parse().ok()?),
        (datasource, Some("packs"), Some(_), Some(id)) => {
            ObjectKey::Pack(datasource.parse().ok()?, id.parse().ok()?)
        }
        (datasource, Some("lists"), Some(_), Some(id)) => {
            ObjectKey::List(datasource.parse().ok()?, id.parse().ok()?)
        }
        (datasource, Some("backups"), Some(name), None) => {
            let id = name.strip_suffix(".json")?.parse().ok()?;
            ObjectKey::Manifest(datasource.parse().ok()?, id)
        }
        _ => return None,
    };
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Vec<ObjectKey> {
        let datasource = DatasourceId::from_uuid(Uuid::from_u128(1));
        vec![
            ObjectKey::Repository,
            ObjectKey::Instructions,
            ObjectKey::Script,
            ObjectKey::WrappedKey(KeyId::from_bytes([0x0e; 16])),
            ObjectKey::Pack(datasource, PackId::from_bytes([0xab; 32])),
            ObjectKey::List(datasource, ListId::from_bytes([0x05; 32])),
            ObjectKey::Manifest(datasource, BackupId::from_uuid(Uuid::from_u128(2))),
            ObjectKey::Probe(Uuid::from_u128(3)),
        ]
    }

    #[test]
    fn paths_are_as_the_specification_has_them() {
        let paths: Vec<_> = keys().iter().map(ToString::to_string).collect();
        let datasource = "00000000-0000-0000-0000-000000000001";
        assert_eq!(
            paths,
            [
                "repository.json".to_string(),
                "RESTORE.md".to_string(),
                "restore.py".to_string(),
                format!("keys/{}.age", "0e".repeat(16)),
                format!("{datasource}/packs/ab/{}", "ab".repeat(32)),
                format!("{datasource}/lists/05/{}", "05".repeat(32)),
                format!("{datasource}/backups/00000000-0000-0000-0000-000000000002.json"),
                "probe-00000000-0000-0000-0000-000000000003".to_string(),
            ]
        );
    }

    #[test]
    fn paths_read_back_and_other_spellings_do_not() {
        for key in keys() {
            let path = key.to_string();
            assert_eq!(path.parse(), Ok(key));
            for wrong in [
                format!("{path}/x"),
                format!("/{path}"),
                path.to_uppercase(),
                path[1..].to_string(),
            ] {
                assert!(wrong.parse::<ObjectKey>().is_err(), "{wrong}");
            }
        }
    }
}
