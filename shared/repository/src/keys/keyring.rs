//! The keys of an installation, one generation after the other: one is in use, those before it open what they sealed.
//!
//! A generation has data keys of its own. The id keys, which name chunks, it has of its own too, or those of an earlier one: then
//! what is sealed anew can refer to what the earlier one sealed, and nothing has to be stored again.

use std::fmt;
use std::sync::Arc;

use dataguardian_core::ids::DatasourceId;

use super::{DatasourceKeys, Generation, InstallationKey, InvalidKey};
use crate::hkdf;
use crate::id::KeyId;

/// The most generations: as many as an assignment can bring an agent, with room to spare.
pub const MAX_GENERATIONS: usize = 100;

/// An installation's keys, the one in use first.
#[derive(Clone)]
pub struct Keyring {
    current: Member,
    older: Vec<Member>,
}

/// A generation: whose data keys, and whose id keys.
#[derive(Clone)]
struct Member {
    data: Arc<InstallationKey>,
    ids: Arc<InstallationKey>,
}

impl From<InstallationKey> for Keyring {
    fn from(only: InstallationKey) -> Self {
        let only = Arc::new(only);
        Self {
            current: Member {
                data: Arc::clone(&only),
                ids: only,
            },
            older: Vec::new(),
        }
    }
}

impl Keyring {
    /// The keys, the one in use first, each with the name of the one that its id keys come from, which may be itself.
    pub fn new(generations: Vec<(InstallationKey, KeyId)>) -> Result<Self, InvalidKey> {
        if generations.len() > MAX_GENERATIONS {
            return Err(InvalidKey::Malformed);
        }
        let keys: Vec<_> = generations
            .into_iter()
            .map(|(key, root)| (key.key_id(), Arc::new(key), root))
            .collect();
        let member = |(_, key, root): &(KeyId, Arc<InstallationKey>, KeyId)| {
            let (_, ids, _) = keys.iter().find(|(id, ..)| id == root)?;
            Some(Member {
                data: Arc::clone(key),
                ids: Arc::clone(ids),
            })
        };
        let members: Option<Vec<_>> = keys.iter().map(member).collect();
        let mut members = members.ok_or(InvalidKey::Malformed)?.into_iter();
        Ok(Self {
            current: members.next().ok_or(InvalidKey::Malformed)?,
            older: members.collect(),
        })
    }

    /// The keys, the one in use first, each with the name of the one that its id keys come from.
    pub fn generations(&self) -> impl Iterator<Item = (&InstallationKey, KeyId)> {
        self.members()
            .map(|member| (member.data.as_ref(), member.ids.key_id()))
    }

    /// Names the key in use.
    pub fn key_id(&self) -> KeyId {
        self.current.data.key_id()
    }

    /// Names all keys, the one in use first.
    pub fn key_ids(&self) -> Vec<KeyId> {
        self.members().map(|member| member.data.key_id()).collect()
    }

    /// Whether there are chunks that no new backup can refer to, since other keys named them.
    pub fn names_differ(&self) -> bool {
        let current = self.current.ids.key_id();
        self.older.iter().any(|member| member.ids.key_id() != current)
    }

    /// The keys of one datasource. The same for the same datasource, always.
    pub fn derive(&self, datasource: DatasourceId) -> DatasourceKeys {
        DatasourceKeys {
            current: self.current.derive(datasource),
            older: self
                .older
                .iter()
                .map(|member| member.derive(datasource))
                .collect(),
        }
    }

    fn members(&self) -> impl Iterator<Item = &Member> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

impl Member {
    fn derive(&self, datasource: DatasourceId) -> Generation {
        let derive =
            |key: &InstallationKey, info: &[u8]| hkdf::derive(key.0.as_ref(), datasource.as_bytes(), info);
        Generation::new(derive(&self.data, b"data key"), derive(&self.ids, b"id key"))
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keyring({:?})", self.key_ids())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const DATASOURCE: DatasourceId = DatasourceId::from_uuid(Uuid::from_u128(1));

    fn key(byte: u8) -> InstallationKey {
        InstallationKey::from_bytes(&[byte; 32]).unwrap()
    }

    fn id(byte: u8) -> KeyId {
        key(byte).key_id()
    }

    /// 1, then 2 as planned, then 3 after a compromise, then 4 as planned.
    fn ring() -> Keyring {
        Keyring::new(vec![
            (key(4), id(3)),
            (key(3), id(3)),
            (key(2), id(1)),
            (key(1), id(1)),
        ])
        .unwrap()
    }

    #[test]
    fn one_key_derives_as_it_does_alone() {
        let alone = key(1).derive(DATASOURCE);
        let ring = Keyring::from(key(1));
        assert_eq!(ring.derive(DATASOURCE).to_bytes(), alone.to_bytes());
        assert!(!ring.names_differ());
    }

    #[test]
    fn a_planned_change_keeps_names_and_a_compromise_changes_them() {
        let (ring, alone) = (ring(), |byte| key(byte).derive(DATASOURCE));
        let keys = ring.derive(DATASOURCE);
        assert_eq!(keys.key_ids(), [4, 3, 2, 1].map(|byte| alone(byte).key_id()));
        assert_eq!(keys.key_id(), alone(4).key_id());
        assert!(ring.names_differ());
        let alike = [4, 3, 2, 1].map(|byte| keys.names_alike(alone(byte).key_id()));
        assert_eq!(alike, [true, true, false, false]);
        let before = Keyring::new(vec![(key(2), id(1)), (key(1), id(1))]).unwrap();
        assert!(!before.names_differ());
        assert!(before.derive(DATASOURCE).names_alike(alone(1).key_id()));
    }

    #[test]
    fn the_keys_survive_their_bytes() {
        let keys = ring().derive(DATASOURCE);
        let again = DatasourceKeys::from_bytes(keys.to_bytes().expose()).unwrap();
        assert_eq!(again.to_bytes(), keys.to_bytes());
        let generations = ring();
        let generations = generations.generations().map(|(key, root)| (key.clone(), root));
        let again = Keyring::new(generations.collect()).unwrap();
        assert_eq!(again.derive(DATASOURCE).to_bytes(), keys.to_bytes());
    }

    #[test]
    fn what_is_no_ring_is_refused() {
        assert!(Keyring::new(Vec::new()).is_err());
        assert!(Keyring::new(vec![(key(2), id(1))]).is_err());
        let many = (0..=MAX_GENERATIONS).map(|_| (key(1), id(1)));
        assert!(Keyring::new(many.collect()).is_err());
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", Keyring::from(key(0xab)));
        assert!(!shown.contains("abab"), "{shown}");
    }
}
