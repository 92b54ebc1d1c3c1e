//! A backup: the datasource's databases into the job's storages, up to the point where only the manifest is missing.

use std::sync::Arc;
use std::time::Instant;

use chrono::TimeDelta;
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_core::stream::StreamRole;
use dataguardian_proto::agent::v1;
use dataguardian_proto::{convert, v1 as public};
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::manifest::{
    DatabaseSnapshot, Manifest, MissingDatabase, Payload, Signature, Signer, SnapshotPosition, VerifyingKey,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::attempt::Attempt;
use super::packs;
use super::work::{BackupWork, RepositoryPlace};
use crate::engines::postgres::{self, DatabaseFailure, DumpOptions, DumpReport, DumpRequest, ProbeRequest};
use crate::journal::{CommitInProgress, CommitRepository};
use crate::pipeline::{Destination, Pipeline, PipelineSettings, Written, commit};
use crate::repositories;

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

/// Runs the backup. With `fallback`, a storage that fails makes it begin anew on the next one.
pub(super) async fn back_up(attempt: &Attempt, mut work: BackupWork) -> Result<PreparedBackup, Failure> {
    attempt.host().config.permit_database(&work.target)?;
    if work.target.engine != Engine::Postgres {
        let message = format!(
            "this version of the agent can't back up {} yet",
            work.target.engine
        );
        return Err(Failure::new(FailureKind::ClientMissing, message));
    }
    let Tested { fit, unfit } = test_connection(attempt, &work).await?;
    work.selection = DatabaseSelection::Named(fit);
    match work.strategy {
        Strategy::Replicate => try_storages(attempt, &work, &unfit, &work.repositories).await,
        Strategy::Fallback => {
            let mut last = Failure::new(FailureKind::StorageUnreachable, "the job names no storage");
            let mut passed_over = Vec::new();
            for place in &work.repositories {
                match try_storages(attempt, &work, &unfit, std::slice::from_ref(place)).await {
                    Err(failure) if is_storages_fault(&failure) && attempt.live.stop.reason().is_none() => {
                        attempt
                            .live
                            .status
                            .log
                            .warn(format!("storage {} fails: {failure}", place.name));
                        passed_over.push((place.storage.to_string(), failure.clone()));
                        last = failure;
                    }
                    Ok(mut prepared) => {
                        prepared.failed.extend(passed_over);
                        return Ok(prepared);
                    }
                    Err(failure) => return Err(failure),
                }
            }
            Err(last)
        }
    }
}

/// The databases of a server that looks usable.
struct Tested {
    fit: Vec<String>,
    unfit: Vec<DatabaseFailure>,
}

/// Looks at the server first, so that whatever is missing is told at once, all of it, with what mends it. As long as one database
/// can be dumped, it is.
async fn test_connection(attempt: &Attempt, work: &BackupWork) -> Result<Tested, Failure> {
    let status = attempt.status();
    status.enter("testing the connection");
    let request = ProbeRequest {
        target: work.target.clone(),
        selection: work.selection.clone(),
        clients: repositories::client_search(attempt.host()),
    };
    let probing = attempt.host().engine.probe(&request);
    let probed = attempt.live.stop.token().run_until_cancelled(probing).await;
    let probe =
        probed.unwrap_or_else(|| Err(Failure::new(FailureKind::Superseded, "stopped while probing")))?;
    status.log.info(format!(
        "PostgreSQL {}, {} database(s)",
        probe.server_version,
        probe.databases.len()
    ));
    let is_unfit = |name: &String| probe.unfit.iter().any(|unfit| unfit.database == *name);
    let fit: Vec<String> = probe
        .databases
        .iter()
        .filter(|name| !is_unfit(name))
        .cloned()
        .collect();
    if let (true, Some(first)) = (
        probe.hindrance.is_some() || fit.is_empty(),
        probe.problems.first(),
    ) {
        let messages: Vec<_> = probe
            .problems
            .iter()
            .map(|problem| problem.message.as_str())
            .collect();
        return Err(Failure::new(first.kind, messages.join("; ")));
    }
    for DatabaseFailure { database, failure } in &probe.unfit {
        status
            .log
            .warn(format!("database {database} is left out: {failure}"));
        status.log.info(format!("next step: {}", failure.kind.advice()));
    }
    Ok(Tested {
        fit,
        unfit: probe.unfit,
    })
}

fn is_storages_fault(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::StorageUnreachable
            | FailureKind::StorageDenied
            | FailureKind::StorageFull
            | FailureKind::StorageError
    )
}

async fn try_storages(
    attempt: &Attempt,
    work: &BackupWork,
    unfit: &[DatabaseFailure],
    places: &[RepositoryPlace],
) -> Result<PreparedBackup, Failure> {
    let status = attempt.status();
    status.enter("opening the storages");
    let (mut destinations, mut failed) = (Vec::new(), Vec::new());
    for place in places {
        match repositories::open_for_writing(attempt.host(), place, work.control_plane, work.datasource).await
        {
            Ok(storage) => {
                destinations.push(Destination {
                    id: place.storage,
                    name: place.name.clone(),
                    storage,
                });
            }
            Err(failure) => {
                status
                    .log
                    .warn(format!("storage {} can't be used: {failure}", place.name));
                failed.push((place.storage.to_string(), failure));
            }
        }
    }
    if destinations.is_empty() {
        let first = failed.into_iter().next().map(|(_, failure)| failure);
        return Err(
            first.unwrap_or_else(|| Failure::new(FailureKind::StorageUnreachable, "no storage can be used"))
        );
    }
    let (mut report, written, started) = dump(attempt, work, destinations).await?;
    report.failed.extend_from_slice(unfit);
    prepare(attempt, work, places, report, written, failed, started).await
}

/// Dumps through a pipeline. Either everything is stored and told of, or nothing runs any more.
async fn dump(
    attempt: &Attempt,
    work: &BackupWork,
    destinations: Vec<Destination>,
) -> Result<(DumpReport, Written, Instant), Failure> {
    let host = attempt.host();
    let status = attempt.status();
    let started = Instant::now();
    let work_dir = repositories::work_dir(host)?;
    let settings = PipelineSettings {
        datasource: work.datasource,
        protection: work.protection.clone(),
        profile: Profile::ContentDefined,
        level: work.level,
        packs_in_flight: host.config.packs_in_flight,
    };
    let (stored, stored_packs) = mpsc::channel(packs::WAITING);
    let mut reporting = JoinSet::new();
    let token = attempt.live.stop.token();
    reporting.spawn(packs::report(
        host.control_plane.clone(),
        attempt.fence,
        stored_packs,
        token.clone(),
    ));
    let broken = token.child_token();
    let pipeline = Pipeline::start(
        &settings,
        destinations,
        &host.cpu,
        status.counters.clone(),
        stored,
        broken.clone(),
    );
    let request = request(attempt, work, work_dir.path());
    let dumping = host.engine.dump(request, pipeline.sink(), broken, status.clone());
    let dumped = dumping.await;
    let report = match dumped {
        Ok(report) => report,
        Err(failure) => {
            let cause = pipeline.abandon().await;
            reporting.shutdown().await;
            return Err(cause.unwrap_or(failure));
        }
    };
    status.enter("storing the last packs");
    let written = pipeline.finish().await?;
    status.wait_for("telling the control plane of the last packs");
    while let Some(told) = reporting.join_next().await {
        let told = told.map_err(|_| Failure::new(FailureKind::Internal, "the report of packs died"))?;
        told.map_err(|error| {
            Failure::new(
                FailureKind::Superseded,
                format!("packs could not be told: {error}"),
            )
        })?;
    }
    Ok((report, written, started))
}

fn request(attempt: &Attempt, work: &BackupWork, work_dir: &std::path::Path) -> DumpRequest {
    let host = attempt.host();
    // The same every night, and not to be guessed by whoever can name objects in the database.
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, host.signing.expose());
    let restrict_key = hex::encode(&ring::hmac::sign(&key, work.datasource.as_bytes()).as_ref()[..16]);
    DumpRequest {
        target: work.target.clone(),
        selection: work.selection.clone(),
        options: DumpOptions {
            connections: work.table_connections,
            lock_timeout: work.lock_timeout,
            restrict_key,
            ..DumpOptions::default()
        },
        marker: attempt.marker(),
        clients: repositories::client_search(host),
        client_grace: host.config.client_grace(),
        work_dir: work_dir.to_owned(),
    }
}

async fn prepare(
    attempt: &Attempt,
    work: &BackupWork,
    places: &[RepositoryPlace],
    report: DumpReport,
    mut written: Written,
    mut failed: Vec<(String, Failure)>,
    started: Instant,
) -> Result<PreparedBackup, Failure> {
    let host = attempt.host();
    attempt.status().enter("looking whether everything is stored");
    let particulars = particulars(attempt, work, report, started);
    let payload = commit::payload(particulars, &written, &work.protection);
    let candidates = std::mem::take(&mut written.complete);
    let (complete, incomplete) = commit::check_presence(candidates, &payload.outline).await;
    let fell_out = written.failed.into_iter().chain(incomplete);
    failed.extend(fell_out.map(|(destination, failure)| (destination.id.to_string(), failure)));
    if complete.is_empty() {
        let first = failed.into_iter().next().map(|(_, failure)| failure);
        return Err(
            first.unwrap_or_else(|| Failure::new(FailureKind::StorageError, "no storage has everything"))
        );
    }
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
    Ok(PreparedBackup {
        signature: host.signing.sign(Signer::Agent, &encoded),
        payload: Arc::unwrap_or_clone(opened),
        encoded,
        complete: complete.into_iter().filter_map(place_of).collect(),
        failed,
        stored_bytes: written.packs.iter().map(|pack| pack.stored_bytes).sum(),
    })
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
        .min()
        .unwrap_or(now);
    let elapsed = TimeDelta::from_std(started.elapsed()).unwrap_or_default();
    commit::Particulars {
        backup: work.backup,
        datasource: work.datasource,
        execution: attempt.fence.execution,
        engine: work.target.engine,
        started_at,
        finished_at: started_at + elapsed,
        server_version: report.server_version,
        system_identifier: report.system_identifier,
        snapshots: report.positions.into_iter().map(snapshot).collect(),
        tools: report.tools,
        databases: report.databases,
        warnings: report.warnings,
        missing: report.failed.into_iter().map(missing).collect(),
    }
}

fn snapshot(position: postgres::SnapshotPosition) -> DatabaseSnapshot {
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

impl PreparedBackup {
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
                local_path: place.path,
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
