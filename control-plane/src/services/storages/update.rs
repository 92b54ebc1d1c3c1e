//! Changing a storage takes two steps as making one does: where it moves, an agent has to find its repository in between.

use dataguardian_core::ids::StorageId;
use dataguardian_core::secret::Secret;

use super::{DELETE_SECRET, SECRET, Storages, check_place_is_free, check_unused};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::Reference;
use crate::domain::storage::{LocalMove, S3Change, Storage, StorageChange, StorageLocation, StorageUpdate};
use crate::services::{Changed, Error, Noun, lookup};
use crate::store::Connected;
use crate::store::storages::{storage_neighbours, storage_update_in_tx};

impl Storages {
    /// First step of changing a storage: what it would be. If it moves, an agent has to find its repository at the new place
    /// before the second step.
    pub async fn begin_update(
        &self,
        storage: &Reference<StorageId>,
        change: &StorageChange,
    ) -> Result<StorageUpdate, Error> {
        change.check()?;
        let store = &self.context.store;
        let before = lookup::storage(store, storage).await?;
        let expected = change.expected_revision.unwrap_or(before.revision);
        if expected != before.revision {
            return Err(mismatch(&before));
        }
        let mut after = self.with_other_keys(&before, &change.s3)?;
        if let Some(limit) = change.max_concurrent {
            after.max_concurrent = limit;
        }
        if let Some(local) = &change.local {
            after.location = moved(store, &before, local).await?;
        }
        let moves = change.local.is_some() && after.location != before.location;
        if moves {
            check_can_move(store, &after).await?;
        }
        check_apart(store, &before, &after).await?;
        Ok(StorageUpdate { after, moves })
    }

    /// Second step: saves it. What is at work goes on; what waits may begin at once.
    pub async fn finish_update(&self, update: StorageUpdate) -> Result<Changed<Storage>, Error> {
        let StorageUpdate { after, moves } = update;
        let tx = self.context.store.begin().await?;
        if moves {
            check_can_move(&tx, &after).await?;
        }
        let before = lookup::storage(&tx, &Reference::Id(after.id)).await?;
        check_apart(&tx, &before, &after).await?;
        if !storage_update_in_tx(&tx, after.revision, &after).await? {
            return Err(mismatch(&after));
        }
        let after = lookup::storage(&tx, &Reference::Id(after.id)).await?;
        tx.commit().await?;
        // Of a bucket the next pass takes note: it may concern every agent.
        if let StorageLocation::Local { agent, .. } = &after.location {
            self.context.slots_freed(*agent);
        }
        Ok(Changed { before, after })
    }

    /// The storage with other keys or another address, its secrets sealed.
    fn with_other_keys(&self, before: &Storage, change: &S3Change) -> Result<Storage, Error> {
        let mut after = before.clone();
        if change.is_empty() {
            return Ok(after);
        }
        let StorageLocation::S3(bucket) = &before.location else {
            let problem = "can be changed of S3 storages alone";
            return Err(vec![BadField::new("update_mask", problem)].into());
        };
        let bucket = change.apply(bucket);
        let mut checks = Checks::new();
        bucket.check(&mut checks);
        checks.finish()?;
        if let Some((_, secret)) = &change.key {
            after.sealed.secret = Some(self.seal(before.id, SECRET, secret)?);
        }
        if let Some(key) = &change.delete_key {
            let seal = |(_, secret): &(String, Secret)| self.seal(before.id, DELETE_SECRET, secret);
            after.sealed.delete = key.as_ref().map(seal).transpose()?;
        }
        after.location = StorageLocation::S3(Box::new(bucket));
        Ok(after)
    }
}

fn mismatch(storage: &Storage) -> Error {
    Error::EtagMismatch {
        noun: Noun::Storage,
        which: storage.name.to_string(),
    }
}

/// Where a local storage lies after it was moved.
async fn moved(on: &impl Connected, before: &Storage, local: &LocalMove) -> Result<StorageLocation, Error> {
    let StorageLocation::Local {
        agent,
        agent_name,
        path,
    } = &before.location
    else {
        let problem = "can be changed of local storages alone";
        return Err(vec![BadField::new("local", problem)].into());
    };
    let (agent, agent_name) = match &local.agent {
        Some(other) => {
            let other = lookup::active_agent(on, other).await?;
            (other.id, other.name)
        }
        None => (*agent, agent_name.clone()),
    };
    Ok(StorageLocation::Local {
        agent,
        agent_name,
        path: local.path.clone().unwrap_or_else(|| path.clone()),
    })
}

/// Whether a storage may move: nothing is under way at its old place.
async fn check_can_move(on: &impl Connected, after: &Storage) -> Result<(), Error> {
    check_unused(on, after).await
}

/// Whether nobody else is where a storage lies after the change: another address can make two buckets one. Storages that overlap
/// from former days keep their place, and can still be given other keys.
async fn check_apart(on: &impl Connected, before: &Storage, after: &Storage) -> Result<(), Error> {
    let stays = match (&before.location, &after.location) {
        (StorageLocation::S3(before), StorageLocation::S3(after)) => before.shares_bucket_with(after),
        (before, after) => before == after,
    };
    if stays {
        return Ok(());
    }
    let mut neighbours = storage_neighbours(on, &after.location).await?;
    neighbours.retain(|neighbour| neighbour.name != after.name);
    check_place_is_free(&after.location, &neighbours)
}
