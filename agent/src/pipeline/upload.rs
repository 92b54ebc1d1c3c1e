//! The last stage: every object goes to every storage, several at a time, with a worker per storage.
//!
//! A list is put only after all packs before it are stored, so that whoever finds a list finds what it names. A storage
//! that fails falls out and the others go on; when the last one has fallen out, so has the backup.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{DatasourceId, StorageId};
use dataguardian_failpoints::failpoint;
use dataguardian_repository::id::PackId;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::{Storage, StorageError};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::counters::Counters;
use super::fault::Fault;
use super::insist::{self, Patience};
use super::seal::SealedObject;
use super::{PipelineSettings, WrittenPack};

/// A storage that a backup goes to.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The storage.
    pub id: StorageId,
    /// Its name, for messages.
    pub name: String,
    /// The repository in it, opened.
    pub storage: Storage,
}

/// Word of a pack that a storage has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredPack {
    /// The pack.
    pub pack: PackId,
    /// The storage.
    pub storage: StorageId,
    /// The length of its object in bytes.
    pub stored_bytes: u64,
    /// The length of its chunks in bytes.
    pub raw_bytes: u64,
    /// How many chunks it has.
    pub chunks: u32,
}

/// What became of everything.
#[derive(Debug)]
pub(super) struct Uploaded {
    pub(super) packs: Vec<WrittenPack>,
    pub(super) complete: Vec<Destination>,
    pub(super) failed: Vec<(Destination, Failure)>,
}

/// The stage.
#[derive(Debug)]
pub(super) struct Upload {
    datasource: DatasourceId,
    at_once: usize,
    patience: Duration,
    destinations: Vec<Destination>,
    fault: Fault,
    counters: Arc<Counters>,
    stored: mpsc::Sender<StoredPack>,
}

impl Upload {
    pub(super) fn new(
        settings: &PipelineSettings,
        destinations: Vec<Destination>,
        fault: Fault,
        counters: Arc<Counters>,
        stored: mpsc::Sender<StoredPack>,
    ) -> Self {
        Self {
            datasource: settings.datasource,
            at_once: settings.packs_in_flight,
            patience: settings.storage_patience,
            destinations,
            fault,
            counters,
            stored,
        }
    }

    /// Runs until the stage before is gone or every storage has fallen out.
    pub(super) async fn run(self, mut objects: mpsc::Receiver<SealedObject>) -> Uploaded {
        let mut workers = JoinSet::new();
        let mut queues = Vec::new();
        let patience = Patience::of(self.patience, self.destinations.len());
        for (destination, patience) in self.destinations.into_iter().zip(patience) {
            let (queue, objects) = mpsc::channel(1);
            let worker = Worker {
                datasource: self.datasource,
                at_once: self.at_once,
                patience,
                destination,
                stored: self.stored.clone(),
            };
            let span = tracing::info_span!("upload", storage.name = worker.destination.name);
            workers.spawn(worker.run(objects).instrument(span));
            queues.push(queue);
        }
        drop(self.stored);
        let mut packs = Vec::new();
        let (mut complete, mut failed) = (Vec::new(), Vec::new());
        while let Some(object) = objects.recv().await {
            if let SealedObject::Pack(pack, _) = &object {
                let stored_bytes = pack.bytes.len() as u64;
                packs.push(WrittenPack {
                    id: pack.id,
                    stored_bytes,
                });
                self.counters.add_stored(stored_bytes);
            }
            let object = Arc::new(object);
            let mut going_on = Vec::with_capacity(queues.len());
            for queue in queues {
                if queue.send(object.clone()).await.is_ok() {
                    going_on.push(queue);
                }
            }
            queues = going_on;
            while let Some(ended) = workers.try_join_next() {
                take(ended, &mut complete, &mut failed);
            }
            if queues.is_empty() {
                break;
            }
        }
        drop(queues);
        while let Some(ended) = workers.join_next().await {
            take(ended, &mut complete, &mut failed);
        }
        if complete.is_empty() {
            let reason = failed
                .first()
                .map_or_else(|| self.fault.reason(), |(_, failure)| failure.clone());
            self.fault.set(reason);
        }
        Uploaded {
            packs,
            complete,
            failed,
        }
    }
}

type WorkerEnd = (Destination, Option<Failure>);

fn take(
    ended: Result<WorkerEnd, tokio::task::JoinError>,
    complete: &mut Vec<Destination>,
    failed: &mut Vec<(Destination, Failure)>,
) {
    match ended {
        Ok((destination, Some(failure))) => {
            tracing::warn!(storage.name = destination.name, %failure, "a storage fell out of the backup");
            failed.push((destination, failure));
        }
        Ok((destination, None)) => complete.push(destination),
        Err(error) => tracing::error!(%error, "an upload worker died"),
    }
}

/// Puts objects into one storage.
#[derive(Debug)]
struct Worker {
    datasource: DatasourceId,
    at_once: usize,
    patience: Patience,
    destination: Destination,
    stored: mpsc::Sender<StoredPack>,
}

impl Worker {
    async fn run(self, mut objects: mpsc::Receiver<Arc<SealedObject>>) -> WorkerEnd {
        let ended = self.put_all(&mut objects).await;
        let failure = ended.err().map(|error| self.failure(&error));
        (self.destination, failure)
    }

    fn failure(&self, error: &StorageError) -> Failure {
        let Failure { kind, message } = error.failure();
        Failure::new(kind, format!("storage {}: {message}", self.destination.name))
    }

    async fn put_all(&self, objects: &mut mpsc::Receiver<Arc<SealedObject>>) -> Result<(), StorageError> {
        let mut packs = FuturesUnordered::new();
        let mut lists = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(put) = packs.next() => put?,
                Some(put) = lists.next() => put?,
                object = objects.recv(), if packs.len() < self.at_once && lists.len() < LISTS_AT_ONCE => {
                    let Some(object) = object else { break };
                    match &*object {
                        SealedObject::Pack(..) => packs.push(self.put_pack(object)),
                        SealedObject::List(_) => {
                            while let Some(put) = packs.next().await {
                                put?;
                            }
                            lists.push(self.put_list(object));
                        }
                    }
                }
            }
        }
        while let Some(put) = packs.next().await {
            put?;
        }
        while let Some(put) = lists.next().await {
            put?;
        }
        Ok(())
    }

    async fn put_pack(&self, object: Arc<SealedObject>) -> Result<(), StorageError> {
        let SealedObject::Pack(pack, _) = &*object else {
            return Ok(());
        };
        let key = ObjectKey::Pack(self.datasource, pack.id);
        failpoint!(PackBeforePut);
        insist::put(&self.destination.storage, &key, &pack.bytes, &self.patience).await?;
        failpoint!(PackAfterPut);
        let told = StoredPack {
            pack: pack.id,
            storage: self.destination.id,
            stored_bytes: pack.bytes.len() as u64,
            raw_bytes: pack.raw_bytes,
            chunks: u32::try_from(pack.frames.len()).unwrap_or(u32::MAX),
        };
        if self.stored.send(told).await.is_err() {
            tracing::debug!("nobody listens for stored packs any more");
        }
        Ok(())
    }

    async fn put_list(&self, object: Arc<SealedObject>) -> Result<(), StorageError> {
        let SealedObject::List(list) = &*object else {
            return Ok(());
        };
        let key = ObjectKey::List(self.datasource, list.id);
        failpoint!(ListBeforePut);
        insist::put(&self.destination.storage, &key, &list.bytes, &self.patience).await?;
        failpoint!(ListAfterPut);
        Ok(())
    }
}

/// Lists are small; more of them at a time hide the storage's latency.
const LISTS_AT_ONCE: usize = 8;
