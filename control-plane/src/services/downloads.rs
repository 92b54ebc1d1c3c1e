//! Downloads: everything that an agent needs to send a part of a backup to whoever asked for it. Nothing is written down: a download
//! lives in its call, and is over with it.

use dataguardian_core::ids::{AgentId, BackupId, DatasourceId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::SecretBytes;

use super::restores::reachable_copies;
use super::storages::location;
use super::{Context, Error, Noun, backups, lookup};
use crate::domain::assignment::RepositoryLocation;
use crate::domain::backup::Backup;
use crate::domain::deletion::CopyState;
use crate::domain::download::{NobodyReads, ScriptPart, Wanted, reader};
use crate::domain::job::Encryption;
use crate::domain::placement::NotReachable;
use crate::domain::reference::Reference;
use crate::domain::restore::BackupChoice;
use crate::domain::storage::Storage;
use crate::store::Connected;
use crate::store::backups::manifest_get;
use crate::store::storages::storage_get_many;

/// Downloads.
#[derive(Debug, Clone)]
pub struct Downloads {
    context: Context,
}

/// A download, with everything that is needed for it, the secrets included. Lives in memory only.
#[derive(Debug, Clone)]
pub struct Download {
    /// Which backup.
    pub backup: BackupId,
    /// Of what.
    pub datasource: DatasourceId,
    /// Which part.
    pub part: ScriptPart,
    /// Who reads it.
    pub agent: AgentId,
    /// That agent's name.
    pub agent_name: ResourceName,
    /// The copies, the best first.
    pub repositories: Vec<RepositoryLocation>,
    /// The datasource's keys, encoded; none for an unencrypted backup.
    pub datasource_keys: Option<SecretBytes>,
    /// The agent's key that signed the manifest: Ed25519, 32 bytes.
    pub agent_public_key: Vec<u8>,
    /// The control plane's key that signed the manifest: Ed25519, 32 bytes.
    pub control_plane_public_key: Vec<u8>,
}

impl Downloads {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// What a download needs, given the agents that are connected.
    pub async fn prepare(
        &self,
        choice: &BackupChoice,
        wanted: Wanted,
        connected: &[AgentId],
    ) -> Result<Download, Error> {
        let store = &self.context.store;
        let backup = backups::choose(store, choice).await?;
        let part = wanted.of(&backup)?;
        let datasource = lookup::datasource(store, &Reference::Id(backup.datasource)).await?;
        let copies = complete_copies(store, &backup).await?;
        let chosen = reader(datasource.agent, backup.encryption, &copies, connected);
        let agent = match chosen {
            Ok(agent) => lookup::working_agent(store, &Reference::Id(agent)).await?,
            Err(NobodyReads::NotConnected(agent)) => return Err(not_connected(store, agent).await),
            Err(NobodyReads::NotReachable(storages)) => {
                return Err(not_reachable(&datasource.agent_name, NotReachable(storages)));
            }
        };
        let reached = reachable_copies(store, &backup, agent.id).await?;
        let reached = reached.map_err(|storages| not_reachable(&agent.name, storages))?;
        let manifest = manifest_get(store, backup.id).await?;
        let manifest = manifest.ok_or_else(|| Error::not_found(Noun::Backup, backup.id))?;
        let repositories = reached.iter().map(|storage| location(&self.context, storage));
        let datasource_keys = match backup.encryption {
            Encryption::Sealed => {
                let keys = self.context.datasource_keys(store, backup.datasource).await?;
                Some(keys.to_bytes())
            }
            Encryption::Plain => None,
        };
        Ok(Download {
            backup: backup.id,
            datasource: backup.datasource,
            part,
            agent: agent.id,
            agent_name: agent.name,
            repositories: repositories.collect::<Result<_, _>>()?,
            datasource_keys,
            agent_public_key: manifest.agent_public_key,
            control_plane_public_key: manifest.control_plane_public_key,
        })
    }
}

/// The storages that hold all of a backup.
async fn complete_copies(on: &impl Connected, backup: &Backup) -> Result<Vec<Storage>, Error> {
    let complete = backup
        .copies
        .iter()
        .filter(|copy| copy.state == CopyState::Complete);
    let storages: Vec<_> = complete.map(|copy| copy.storage).collect();
    Ok(storage_get_many(on, &storages).await?)
}

async fn not_connected(on: &impl Connected, agent: AgentId) -> Error {
    match lookup::active_agent(on, &Reference::Id(agent)).await {
        Ok(agent) => Error::precondition(
            "AGENT_NOT_CONNECTED",
            format!(
                "agent {} is not connected: start it on its host, or look into its log there",
                agent.name
            ),
        ),
        Err(error) => error,
    }
}

fn not_reachable(agent: &ResourceName, storages: NotReachable) -> Error {
    Error::StorageNotReachable {
        agent: agent.to_string(),
        storages,
    }
}
