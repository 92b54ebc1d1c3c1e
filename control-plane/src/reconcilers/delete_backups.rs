//! The manifests of backups that are deleted go from every storage, each by whoever reaches it; a storage that is away is asked
//! again until it is back. What the manifests alone named is left to `cleanup`.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::{BackupId, StorageId};
use dataguardian_failpoints::failpoint;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::party::delete_manifest;
use super::pauses::Pauses;
use super::{Pass, Reconcile};
use crate::asking::Asking;
use crate::domain::leadership::Duty;
use crate::domain::storage::Storage;
use crate::services::Error;
use crate::services::cleanup::Cleanup as Catalogue;
use crate::services::deletion::Deletion;
use crate::services::leadership::Leadership;

/// Manifests at the same time.
const AT_ONCE: usize = 4;
/// Between two tries of one manifest, at least and at most.
const PACE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(2), TimeDelta::minutes(1));

type Key = (BackupId, StorageId);

/// Deletes manifests.
#[derive(Debug, Clone)]
pub struct DeleteBackups {
    /// Knows which are to go.
    pub deletion: Deletion,
    /// Knows who reaches a storage.
    pub catalogue: Catalogue,
    /// Reaches the agents.
    pub asking: Asking,
    /// Knows whether this replica is the one that does it.
    pub leadership: Leadership,
    /// Paces the tries.
    pub pauses: Pauses<Key>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeletedBackups {
    /// Manifests that are gone.
    pub manifests: usize,
    /// Backups of which no manifest is left.
    pub backups: usize,
    /// Manifests that could not be deleted yet.
    pub failed: usize,
}

enum Outcome {
    Gone,
    Last,
    Failed,
    /// Somebody else was faster.
    Settled,
}

impl Reconcile for DeleteBackups {
    const NAME: &'static str = "delete_backups";
    type Report = DeletedBackups;

    async fn pass(&self) -> Result<Pass<DeletedBackups>, Error> {
        if self.leadership.tenure(Duty::Upkeep).is_none() {
            return Ok(Pass::Standby);
        }
        let leaving = self.deletion.leaving().await?;
        let there: BTreeSet<Key> = leaving
            .iter()
            .map(|(backup, storage)| (*backup, storage.id))
            .collect();
        self.pauses.keep(|key| there.contains(key));
        let due = leaving
            .into_iter()
            .filter(|(backup, storage)| self.pauses.is_due(&(*backup, storage.id)));
        let outcomes = due.map(|(backup, storage)| self.clone().delete(backup, storage));
        let outcomes = futures::stream::iter(outcomes.collect::<Vec<_>>());
        let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut report = DeletedBackups::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Gone => report.manifests += 1,
                Outcome::Last => {
                    report.manifests += 1;
                    report.backups += 1;
                }
                Outcome::Failed => report.failed += 1,
                Outcome::Settled => {}
            }
        }
        Ok(Pass::Done(report))
    }
}

impl DeleteBackups {
    /// No pause is under way.
    pub fn pauses(clock: SharedClock) -> Pauses<Key> {
        Pauses::new(clock, PACE.0, PACE.1)
    }

    async fn delete(self, backup: BackupId, storage: Storage) -> Result<Outcome, Error> {
        let Some(manifest) = self.deletion.manifest(backup, storage.id).await? else {
            return Ok(Outcome::Settled);
        };
        let which = (manifest.datasource, manifest.backup);
        let parts = (&self.catalogue, &self.asking);
        match delete_manifest(parts, &storage, which, manifest.payload_sha256).await? {
            Ok(()) => {
                failpoint!(ManifestGoneReceived);
                let last = self.deletion.gone(&manifest).await?;
                tracing::info!(
                    backup.id = %manifest.backup, storage.id = %storage.id, last,
                    "the manifest of a backup that is deleted is gone"
                );
                Ok(if last { Outcome::Last } else { Outcome::Gone })
            }
            Err(failure) => {
                tracing::info!(
                    backup.id = %manifest.backup, storage.id = %storage.id, %failure,
                    "the manifest of a backup that is deleted could not be deleted yet"
                );
                self.deletion.failed(&manifest, failure).await?;
                self.pauses.fail((backup, storage.id));
                Ok(Outcome::Failed)
            }
        }
    }
}
