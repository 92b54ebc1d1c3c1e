//! A backup: the datasource's databases into the job's storages, up to the point where only the manifest is missing.

use std::time::Instant;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::Storage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::attempt::Attempt;
use super::prepared::{Dumped, PreparedBackup, Unprepared};
use super::work::{BackupWork, RepositoryPlace, WrappedKey};
use super::{packs, reusable};
use crate::engines::dump::{DatabaseFailure, DumpOptions, DumpReport, DumpRequest};
use crate::engines::probe::ProbeRequest;
use crate::pipeline::{Destination, Pipeline, PipelineSettings, Written};
use crate::repositories;
use crate::reuse::Reuse;

/// Runs the backup. With `fallback`, a storage that fails makes it begin anew on the next one; with `replicate`, if what falls out
/// alone has what the backup refers to.
pub(super) async fn back_up(attempt: &Attempt, mut work: BackupWork) -> Result<PreparedBackup, Failure> {
    work.target = attempt.host().config.admit(work.target)?;
    let Tested { fit, unfit } = test_connection(attempt, &work).await?;
    work.selection = DatabaseSelection::Named(fit);
    match work.strategy {
        Strategy::Replicate => replicate(attempt, &work, &unfit).await,
        Strategy::Fallback => fall_back(attempt, &work, &unfit).await,
    }
}

async fn fall_back(
    attempt: &Attempt,
    work: &BackupWork,
    unfit: &[DatabaseFailure],
) -> Result<PreparedBackup, Failure> {
    let mut last = Failure::new(FailureKind::StorageUnreachable, "the job names no storage");
    let mut passed_over = Vec::new();
    for place in &work.repositories {
        match try_storages(attempt, work, unfit, std::slice::from_ref(place)).await {
            Err(Unprepared { failure, .. })
                if is_storages_fault(&failure) && attempt.live.stop.reason().is_none() =>
            {
                let warning = format!("storage {} fails: {failure}", place.name);
                attempt.status().log.warn(warning);
                passed_over.push((place.storage.to_string(), failure.clone()));
                last = failure;
            }
            Ok(mut prepared) => {
                prepared.also_failed(passed_over);
                return Ok(prepared);
            }
            Err(Unprepared { failure, .. }) => return Err(failure),
        }
    }
    Err(last)
}

/// What a backup refers to is looked for in the first storage. If that one takes nothing more, the others may lack it, and no
/// later attempt would fare better: so it begins anew without the storages that fell out.
async fn replicate(
    attempt: &Attempt,
    work: &BackupWork,
    unfit: &[DatabaseFailure],
) -> Result<PreparedBackup, Failure> {
    let mut places = work.repositories.clone();
    let mut passed_over: Vec<(String, Failure)> = Vec::new();
    loop {
        match try_storages(attempt, work, unfit, &places).await {
            Ok(mut prepared) => {
                prepared.also_failed(passed_over);
                return Ok(prepared);
            }
            Err(Unprepared { failure, needed }) => {
                let before = places.len();
                places.retain(|place| needed.iter().all(|(id, _)| *id != place.storage.to_string()));
                let is_over = attempt.live.stop.reason().is_some() || places.is_empty();
                if is_over || places.len() == before {
                    return Err(failure);
                }
                let warning = format!(
                    "the other storages lack what this backup refers to, so it begins anew without: {failure}"
                );
                attempt.status().log.warn(warning);
                passed_over.extend(needed);
            }
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
        "{} {}, {} database(s)",
        work.target.engine.product(),
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
            | FailureKind::RepositoryForeign
            | FailureKind::StorageError
    )
}

/// The repository at that place, with the recovery kit in it.
async fn open_for_writing(
    attempt: &Attempt,
    work: &BackupWork,
    place: &RepositoryPlace,
) -> Result<Storage, Failure> {
    let (owner, datasource) = (work.control_plane, work.datasource);
    let storage = repositories::open_for_writing(attempt.host(), place, owner, datasource).await?;
    if let Some(WrappedKey { key, kit }) = &work.wrapped_key {
        let key = ObjectKey::WrappedKey(*key);
        let put = storage.put_unless_there(&key, kit.clone().into());
        put.await.map_err(|error| error.failure())?;
    }
    Ok(storage)
}

async fn try_storages(
    attempt: &Attempt,
    work: &BackupWork,
    unfit: &[DatabaseFailure],
    places: &[RepositoryPlace],
) -> Result<PreparedBackup, Unprepared> {
    let status = attempt.status();
    // What came of the storages before these counts no more.
    status.counters.begin_anew();
    status.enter("opening the storages");
    let (mut destinations, mut failed) = (Vec::new(), Vec::new());
    for place in places {
        match open_for_writing(attempt, work, place).await {
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
        let none = || Failure::new(FailureKind::StorageUnreachable, "no storage can be used");
        return Err(first.unwrap_or_else(none).into());
    }
    let reuse = reusable::open(attempt, work, &destinations).await?;
    let (mut report, written, started) = dump(attempt, work, destinations, reuse).await?;
    for trouble in &written.troubles {
        status.log.warn(trouble.clone());
    }
    report.failed.extend_from_slice(unfit);
    let dumped = Dumped {
        report,
        written,
        started,
    };
    PreparedBackup::prepare(attempt, work, places, dumped, failed).await
}

/// Dumps through a pipeline. Either everything is stored and told of, or nothing runs any more.
async fn dump(
    attempt: &Attempt,
    work: &BackupWork,
    destinations: Vec<Destination>,
    reuse: Reuse,
) -> Result<(DumpReport, Written, Instant), Failure> {
    let host = attempt.host();
    let status = attempt.status();
    let started = Instant::now();
    let work_dir = repositories::work_dir(host)?;
    let settings = PipelineSettings {
        datasource: work.datasource,
        protection: work.protection.clone(),
        profile: work.profile,
        level: work.level,
        packs_in_flight: host.config.packs_in_flight,
        storage_patience: host.config.storage_patience(),
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
        reuse,
        destinations,
        &host.cpu,
        status.counters.clone(),
        stored,
        broken.clone(),
    );
    let request = request(attempt, work, work_dir.path());
    let dumping = host.engine.dump(request, pipeline.sink(), broken, status.clone());
    let dumped = dumping.instrument(tracing::info_span!("dump")).await;
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
            exclude_tables: work.exclude_tables.clone(),
            exclude_table_data: work.exclude_table_data.clone(),
            restrict_key,
            ..DumpOptions::default()
        },
        marker: attempt.marker(),
        clients: repositories::client_search(host),
        client_grace: host.config.client_grace(),
        work_dir: work_dir.to_owned(),
    }
}
