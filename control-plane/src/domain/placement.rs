//! Which storages an agent reaches.

use dataguardian_core::ids::AgentId;
use dataguardian_core::name::ResourceName;

use super::storage::Storage;

/// Storages that the agent does not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotReachable(pub Vec<ResourceName>);

/// Whether `agent` reaches every one of `storages`, as a job needs it.
pub fn all_reached(agent: AgentId, storages: &[Storage]) -> Result<(), NotReachable> {
    let beyond: Vec<_> = storages
        .iter()
        .filter(|storage| !storage.location.reached_by(agent))
        .map(|storage| storage.name.clone())
        .collect();
    if beyond.is_empty() {
        Ok(())
    } else {
        Err(NotReachable(beyond))
    }
}

/// Those of `storages` that `agent` reaches, as a restore needs them; refused if there is none.
pub fn some_reached(agent: AgentId, storages: Vec<Storage>) -> Result<Vec<Storage>, NotReachable> {
    let (within, beyond): (Vec<_>, Vec<_>) = storages
        .into_iter()
        .partition(|storage| storage.location.reached_by(agent));
    if within.is_empty() {
        return Err(NotReachable(
            beyond.into_iter().map(|storage| storage.name).collect(),
        ));
    }
    Ok(within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::storage::{SealedSecrets, StorageLocation};
    use dataguardian_core::ids::{RepositoryId, StorageId};

    fn storage(agent: AgentId, name: &str) -> Storage {
        Storage {
            id: StorageId::new(),
            name: name.parse().unwrap(),
            location: StorageLocation::Local {
                agent,
                agent_name: "db1".parse().unwrap(),
                path: "/b".into(),
            },
            sealed: SealedSecrets::default(),
            repository: RepositoryId::new(),
            conditional_put: true,
            max_concurrent: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            revision: 1,
        }
    }

    #[test]
    fn a_local_storage_is_reached_by_its_own_agent_alone() {
        let (here, there) = (AgentId::new(), AgentId::new());
        let storages = vec![storage(here, "near"), storage(there, "far")];
        let far = NotReachable(vec!["far".parse().unwrap()]);
        assert_eq!(all_reached(here, &storages), Err(far.clone()));
        assert_eq!(all_reached(here, &storages[..1]), Ok(()));
        let found = some_reached(here, storages.clone()).unwrap();
        assert_eq!(found, storages[..1]);
        assert_eq!(some_reached(here, storages[1..].to_vec()), Err(far));
    }
}
