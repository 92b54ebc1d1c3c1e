//! Looking for backups in a storage that the catalogue does not know, through an agent that reaches it.

use std::time::{Duration, Instant};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use tonic::Status;

use super::Handler;
use crate::domain::field::BadField;
use crate::domain::import::{MAX_MANIFEST, Unlisted};
use crate::domain::storage::Storage;
use crate::grpc::ask::{ask, failed, nonsense};
use crate::services::imports::{FoundManifest, ImportMode};
use crate::sessions::{Answer, ManifestQuestion, Question};

/// After this time an answer breaks off, well before the call has to end.
const PATIENCE: Duration = Duration::from_secs(15);
/// Manifests in one answer.
const MOST: usize = 1000;

/// Where an answer broke off: behind this manifest.
pub(super) type After = Option<(DatasourceId, BackupId)>;

/// Reads a page token.
pub(super) fn after(token: &str) -> Result<After, BadField> {
    if token.is_empty() {
        return Ok(None);
    }
    let read = token
        .split_once('/')
        .and_then(|(datasource, backup)| Some((datasource.parse().ok()?, backup.parse().ok()?)));
    let problem = || BadField::new("page_token", "is no page token that this server has given");
    read.map(Some).ok_or_else(problem)
}

fn token((datasource, backup): (DatasourceId, BackupId)) -> String {
    format!("{datasource}/{backup}")
}

impl Handler {
    pub(super) async fn import(
        &self,
        storage: &Storage,
        mode: ImportMode,
        after: After,
    ) -> Result<v1::ImportBackupsResponse, Status> {
        let began = Instant::now();
        let imports = &self.0.services.imports;
        let (agent, agent_name) = self.party(&storage.location).await?;
        let question = ManifestQuestion::List {
            repository: self.0.services.storages.location(storage)?,
            after,
        };
        let listed = ask(&self.0, agent, &agent_name, Question::Manifest(question)).await?;
        let (manifests, truncated) = match listed {
            Ok(Answer::Manifests { manifests, truncated }) => (manifests, truncated),
            Ok(_) => return Err(nonsense(&agent_name).into()),
            Err(failure) => return Err(failed(&failure).into()),
        };
        let unlisted = imports.missing(storage.id, &manifests).await?;
        let mut reply = v1::ImportBackupsResponse {
            known: (manifests.len() - unlisted.len()) as u64,
            ..Default::default()
        };
        for which in unlisted {
            reply.found.push(self.look(storage, &which, mode).await?);
            if began.elapsed() > PATIENCE || reply.found.len() >= MOST {
                reply.next_page_token = token((which.datasource, which.backup));
                return Ok(reply);
            }
        }
        // An agent lists so many at a time.
        if let Some(last) = manifests.last().filter(|_| truncated) {
            reply.next_page_token = token(*last);
        }
        Ok(reply)
    }

    /// Reads one manifest and enters it, or tells why it can't be entered.
    async fn look(
        &self,
        storage: &Storage,
        which: &Unlisted,
        mode: ImportMode,
    ) -> Result<v1::FoundBackup, Status> {
        let imports = &self.0.services.imports;
        let mut found = v1::FoundBackup {
            datasource_id: which.datasource.to_string(),
            backup_id: which.backup.to_string(),
            datasource: imports
                .datasource_name(which.datasource)
                .await?
                .unwrap_or_default(),
            ..Default::default()
        };
        let entered = match self.read_manifest(storage, which).await? {
            Ok(manifest) => {
                found.missing_objects = manifest.missing;
                imports.enter(manifest, mode).await?
            }
            Err(failure) => Err(failure),
        };
        match entered {
            Ok(vouched) => found.started_at = Some(timestamp(vouched.outline.started_at)),
            Err(failure) => found.problem = Some((&failure).into()),
        }
        Ok(found)
    }

    /// The manifest's bytes, part after part.
    async fn read_manifest(
        &self,
        storage: &Storage,
        which: &Unlisted,
    ) -> Result<Result<FoundManifest, Failure>, Status> {
        let (agent, agent_name) = self.party(&storage.location).await?;
        let mut manifest = FoundManifest {
            which: which.clone(),
            storage: storage.id,
            bytes: Vec::new(),
            missing: 0,
        };
        loop {
            let question = ManifestQuestion::Read {
                repository: self.0.services.storages.location(storage)?,
                datasource: which.datasource,
                backup: which.backup,
                offset: manifest.bytes.len() as u64,
            };
            let answer = ask(&self.0, agent, &agent_name, Question::Manifest(question)).await?;
            let (part, length, missing) = match answer {
                Ok(Answer::ManifestPart {
                    part,
                    length,
                    missing,
                }) => (part, length, missing),
                Ok(_) => return Err(nonsense(&agent_name).into()),
                Err(failure) => return Ok(Err(failure)),
            };
            manifest.missing = manifest.missing.max(missing.unwrap_or_default());
            let whole = manifest.bytes.len().saturating_add(part.len()) as u64;
            if length > MAX_MANIFEST || whole > length || (part.is_empty() && whole < length) {
                let message = format!("it has {length} bytes, and can't be read whole");
                return Ok(Err(Failure::new(FailureKind::RepositoryDamaged, message)));
            }
            manifest.bytes.extend(part);
            if whole == length {
                return Ok(Ok(manifest));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_reads_back_and_nothing_else_does() {
        let key = (DatasourceId::new(), BackupId::new());
        assert_eq!(after(&format!("{}/{}", key.0, key.1)), Ok(Some(key)));
        assert_eq!(after(""), Ok(None));
        for wrong in ["x", "x/y", "/", &key.0.to_string()] {
            assert_eq!(after(wrong).unwrap_err().field, "page_token");
        }
    }
}
