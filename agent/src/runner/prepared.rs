//! A backup that is stored and not committed yet: its payload, signed by this agent, and where it lies.

use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamRole;
use dataguardian_proto::agent::v1;
use dataguardian_proto::{convert, v1 as public};
use dataguardian_repository::manifest::{
    DatabaseSnapshot, Manifest, MissingDatabase, Payload, Signature, Signer, SnapshotPosition, VerifyingKey,
};

use super::attempt::Attempt;
use super::packs;
use super::work::{BackupWork, Place, RepositoryPlace};
use crate::engines::dump::{self, DatabaseFailure, DumpReport, SharedSnapshot};
use crate::journal::{CommitInProgress, CommitRepository};
use crate::pipeline::{Destination, Written, commit};

/// What a dump through the pipeline came to.
pub(super) struct Dumped {
    pub(super) report: DumpReport,
    pub(super) written: Written,
    /// When it began, by this host's steady clock.
    pub(super) started: Instant,
}

/// Why a backup could not be prepared.
#[derive(Debug)]
pub(super) struct Unprepared {
    pub(super) failure: Failure,
    /// Storages that fell out, while others took all that is new and lack what it refers to.
    pub(super) needed: Vec<(String, Failure)>,
}

impl From<Failure> for Unprepared {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            needed: Vec::new(),
        }
    }
}

/// A backup whose packs and lists are stored: what is left is to commit it.
#[derive(Debug)]
pub(super) struct PreparedBackup {
    payload: Payload,
    encoded: Vec<u8>,
    signature: Signature,
    complete: Vec<(Destination, RepositoryPlace)>,
    failed: Vec<(String, Failure)>,
    stored_bytes: u64,
}

impl PreparedBackup {
    /// Looks whether everything is in the storages, and makes and signs the payload. `failed` are storages that fell out
    /// before the dump.
    pub(super) async fn prepare(
        attempt: &Attempt,
        work: &BackupWork,
        places: &[RepositoryPlace],
        dumped: Dumped,
        mut failed: Vec<(String, Failure)>,
    ) -> Result<Self, Unprepared> {
        let Dumped {
            report,
            mut written,
            started,
        } = dumped;
        let host = attempt.host();
        attempt.status().enter("looking whether everything is stored");
        let particulars = particulars(attempt, work, report, started);
        let payload = commit::payload(particulars, &written, &work.protection);
        let candidates = std::mem::take(&mut written.complete);
        let (complete, incomplete) = commit::check_presence(candidates, &payload.outline).await;
        let named = |(destination, failure): (Destination, Failure)| (destination.id.to_string(), failure);
        let fell_out: Vec<_> = written.failed.into_iter().map(named).collect();
        let is_lacking = !incomplete.is_empty() && !written.earlier_packs.is_empty();
        failed.extend(fell_out.iter().cloned());
        failed.extend(incomplete.into_iter().map(named));
        if complete.is_empty() {
            let first = failed.into_iter().next().map(|(_, failure)| failure);
            let none = || Failure::new(FailureKind::StorageError, "no storage has everything");
            return Err(Unprepared {
                failure: first.unwrap_or_else(none),
                needed: if is_lacking { fell_out } else { Vec::new() },
            });
        }
        let told = packs::report_earlier(attempt, &written.earlier_packs, &complete).await;
        told.map_err(|error| {
            Failure::new(
                FailureKind::Superseded,
                format!("packs could not be told: {error}"),
            )
        })?;
        let place_of = |destination: Destination| {
            let place = places
                .iter()
                .find(|place| place.storage == destination.id)?
                .clone();
            Some((destination, place))
        };
        let (protection, opened) = (work.protection.clone(), Arc::new(payload));
        let to_encode = opened.clone();
        let encoded = host.cpu.run(move || to_encode.encode(&protection)).await;
        let encoded = encoded.map_err(|error| {
            Failure::new(
                FailureKind::Internal,
                format!("the manifest can't be made: {error}"),
            )
        })?;
        Ok(Self {
            signature: host.signing.sign(Signer::Agent, &encoded),
            payload: Arc::unwrap_or_clone(opened),
            encoded,
            complete: complete.into_iter().filter_map(place_of).collect(),
            failed,
            stored_bytes: written.packs.iter().map(|pack| pack.stored_bytes).sum(),
        })
    }

    /// Storages that were tried before those of this dump.
    pub(super) fn also_failed(&mut self, storages: Vec<(String, Failure)>) {
        self.failed.extend(storages);
    }

    /// For the first half of the commit.
    pub(super) fn outcome(&self) -> v1::BackupOutcome {
        let to_wire = |(storage_id, failure): &(String, Failure)| v1::StorageFailure {
            storage_id: storage_id.clone(),
            failure: Some(failure.into()),
        };
        v1::BackupOutcome {
            payload: self.encoded.clone(),
            agent_signature: self.signature.bytes.clone(),
            summary: Some(self.summary()),
            complete_storage_ids: self
                .complete
                .iter()
                .map(|(destination, _)| destination.id.to_string())
                .collect(),
            failed_storages: self.failed.iter().map(to_wire).collect(),
        }
    }

    fn summary(&self) -> v1::BackupSummary {
        let (outline, contents) = (&self.payload.outline, &self.payload.contents);
        let tables = contents
            .streams
            .iter()
            .filter(|stream| stream.header.role == StreamRole::TableData);
        v1::BackupSummary {
            server_version: contents.server_version.clone(),
            started_at: Some(convert::timestamp(outline.started_at)),
            ended_at: Some(convert::timestamp(outline.finished_at)),
            databases: contents
                .databases
                .iter()
                .map(|database| database.name.clone())
                .collect(),
            raw_bytes: contents.streams.iter().map(|stream| stream.bytes).sum(),
            stored_bytes: self.stored_bytes,
            reused_bytes: contents.figures.map_or(0, |figures| figures.reused),
            rows: tables.clone().filter_map(|stream| stream.rows).sum(),
            tables: u32::try_from(tables.count()).unwrap_or(u32::MAX),
            warnings: contents.warnings.iter().map(Into::into).collect(),
            missing_databases: contents.missing.iter().map(missing_to_wire).collect(),
        }
    }

    /// The commit, once the control plane has signed too. Its signature is checked before it goes anywhere.
    pub(super) fn countersigned(
        self,
        answer: &v1::CompleteAttemptResponse,
    ) -> Result<CommitInProgress, Failure> {
        let unusable = |what: String| Failure::new(FailureKind::Internal, what);
        let key = VerifyingKey::from_bytes(&answer.control_plane_public_key)
            .map_err(|error| unusable(format!("the control plane's key: {error}")))?;
        let countersignature = Signature {
            signer: Signer::ControlPlane,
            key: key.id(),
            bytes: answer.control_plane_signature.clone(),
        };
        if !key.accepts(&countersignature, &self.encoded) {
            return Err(unusable(
                "the control plane's signature does not fit the payload".to_owned(),
            ));
        }
        let manifest = Manifest::new(self.encoded, vec![self.signature, countersignature])
            .and_then(|manifest| manifest.encode())
            .map_err(|error| unusable(format!("the manifest can't be made: {error}")))?;
        let repositories = self
            .complete
            .into_iter()
            .map(|(destination, place)| CommitRepository {
                storage: destination.id,
                name: place.name,
                repository: place.repository,
                local_path: match place.place {
                    Place::Local(path) => Some(path),
                    Place::S3(_) | Place::Locked => None,
                },
            });
        Ok(CommitInProgress {
            datasource: self.payload.outline.datasource,
            backup: self.payload.outline.backup,
            repositories: repositories.collect(),
            failed: self.failed,
            manifest,
        })
    }
}

/// The end is the start by the server's clock, and the time that passed since.
fn particulars(
    attempt: &Attempt,
    work: &BackupWork,
    report: DumpReport,
    started: Instant,
) -> commit::Particulars {
    let now = attempt.host().clock.now();
    let started_at = report
        .positions
        .iter()
        .map(|position| position.taken_at)
        .chain(report.shared_snapshot.iter().map(|shared| shared.taken_at))
        .min()
        .unwrap_or(now);
    let elapsed = TimeDelta::from_std(started.elapsed()).unwrap_or_default();
    commit::Particulars {
        backup: work.backup,
        datasource: work.datasource,
        execution: attempt.fence.execution,
        job: work.job,
        engine: work.target.engine,
        started_at,
        finished_at: started_at + elapsed,
        server_version: report.server_version,
        system_identifier: report.system_identifier,
        snapshot: report.shared_snapshot.and_then(shared_position),
        snapshots: report.positions.into_iter().map(snapshot).collect(),
        tools: report.tools,
        databases: report.databases,
        warnings: report.warnings,
        missing: report.failed.into_iter().map(missing).collect(),
    }
}

fn shared_position(shared: SharedSnapshot) -> Option<SnapshotPosition> {
    let binlog = shared.binlog?;
    Some(SnapshotPosition::Binlog {
        file: binlog.file,
        position: binlog.position,
        gtid: binlog.gtid,
    })
}

fn snapshot(position: dump::SnapshotPosition) -> DatabaseSnapshot {
    DatabaseSnapshot {
        database: position.database,
        taken_at: position.taken_at,
        position: SnapshotPosition::Lsn { lsn: position.lsn },
    }
}

fn missing(failed: DatabaseFailure) -> MissingDatabase {
    MissingDatabase {
        name: failed.database,
        reason: failed.failure.kind.as_str().to_owned(),
        message: failed.failure.message,
    }
}

fn missing_to_wire(missing: &MissingDatabase) -> public::MissingDatabase {
    let kind = missing.reason.parse().unwrap_or(FailureKind::Internal);
    public::MissingDatabase {
        name: missing.name.clone(),
        failure: Some((&Failure::new(kind, missing.message.clone())).into()),
    }
}
