//! What agents report.

use dataguardian_core::database::{MissingDatabase, Warning};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::{convert, v1};

use super::BadFields;
use crate::domain::agent::{AgentFacts, ClientProgram};
use crate::domain::assignment::{
    AttemptOutcome, BackupOutcome, InFlight, MAX_PACKS_PER_REPORT, MAX_PAYLOAD, StorageFailure, StoredPack,
};
use crate::domain::backup::BackupSummary;
use crate::domain::execution::{Progress, RestoreReport, RestoredDatabase, RestoredTable};
use crate::domain::field::BadField;
use crate::domain::logs::{LogLevel, LogLine, MAX_LINES};
use crate::domain::pack::PackStanding;
use crate::domain::verification::{CopyFindings, MAX_STORAGES};

/// What an agent says of itself in its Hello.
pub(in crate::grpc) fn agent_facts(hello: &wire::Hello) -> AgentFacts {
    let client = |client: &v1::ClientProgram| ClientProgram {
        engine: client.engine.clone(),
        version: client.version.clone(),
        directory: client.directory.clone(),
    };
    AgentFacts {
        version: hello.version.clone(),
        hostname: hello.hostname.clone(),
        operating_system: hello.operating_system.clone(),
        clients: hello.clients.iter().map(client).collect(),
    }
    .kept()
}

/// How many attempts an agent takes on at all, if it says so.
pub(in crate::grpc) fn slots(hello: &wire::Hello) -> Option<u32> {
    (hello.slots != 0).then_some(hello.slots.min(1000))
}

/// The attempts that an agent names in its Hello.
pub(in crate::grpc) fn in_flight(named: Vec<wire::InFlight>) -> Result<Vec<InFlight>, BadField> {
    if named.len() > 1000 {
        return Err(BadField::new("in_flight", "names more than 1000 attempts"));
    }
    let one = |named: wire::InFlight| {
        let fence =
            convert::fence(named.fence).map_err(|error| BadField::new("in_flight", error.to_string()))?;
        Ok(InFlight {
            fence,
            running: named.running,
        })
    };
    named.into_iter().map(one).collect()
}

/// How far an attempt is.
pub(in crate::grpc) fn progress(progress: v1::Progress) -> Progress {
    Progress {
        stage: progress.stage,
        raw_bytes: progress.raw_bytes,
        stored_bytes: progress.stored_bytes,
        expected_raw_bytes: progress.expected_raw_bytes,
        rows: progress.rows,
        streams_done: progress.streams_done,
        streams_total: progress.streams_total,
        unmeasured: progress.unmeasured,
        reused_bytes: progress.reused_bytes,
    }
    .kept()
}

/// Lines of a log.
pub(in crate::grpc) fn log_lines(lines: Vec<v1::LogLine>) -> Result<Vec<LogLine>, BadField> {
    if lines.len() > MAX_LINES {
        return Err(BadField::new("lines", format!("has more than {MAX_LINES} lines")));
    }
    let one = |line: v1::LogLine| {
        let level = match line.level() {
            v1::LogLevel::Unspecified | v1::LogLevel::Info => LogLevel::Info,
            v1::LogLevel::Warn => LogLevel::Warn,
            v1::LogLevel::Error => LogLevel::Error,
        };
        let time = line.time.as_ref().and_then(convert::time);
        Ok(LogLine {
            time: time.ok_or_else(|| BadField::new("lines.time", "must be given"))?,
            level,
            message: line.message,
        }
        .kept())
    };
    lines.into_iter().map(one).collect()
}

/// Packs that are stored now.
pub(in crate::grpc) fn stored_packs(packs: Vec<wire::StoredPack>) -> Result<Vec<StoredPack>, BadField> {
    if packs.len() > MAX_PACKS_PER_REPORT {
        return Err(BadField::new(
            "packs",
            format!("has more than {MAX_PACKS_PER_REPORT} packs"),
        ));
    }
    let one = |pack: wire::StoredPack| {
        let id = pack.pack_id.try_into();
        Ok(StoredPack {
            id: id.map_err(|_| BadField::new("packs.pack_id", "must be a SHA-256 of 32 bytes"))?,
            storage: storage_id("packs.storage_id", &pack.storage_id)?,
            stored_bytes: pack.stored_bytes,
            raw_bytes: pack.raw_bytes,
            chunks: pack.chunks,
        })
    };
    packs.into_iter().map(one).collect()
}

/// Which packs are asked for.
pub(in crate::grpc) fn pack_standing(standing: i32) -> Result<PackStanding, BadField> {
    match wire::PackStanding::try_from(standing) {
        Ok(wire::PackStanding::Left) => Ok(PackStanding::Left),
        Ok(wire::PackStanding::Unusable) => Ok(PackStanding::Unusable),
        Ok(wire::PackStanding::Unspecified) | Err(_) => Err(BadField::new(
            "standing",
            "must be a standing that a pack can have",
        )),
    }
}

/// Storages that failed.
pub(in crate::grpc) fn storage_failures(
    failed: Vec<wire::StorageFailure>,
) -> Result<Vec<StorageFailure>, BadField> {
    let one = |failed: wire::StorageFailure| {
        let failure = failed
            .failure
            .ok_or_else(|| BadField::new("failed_storages.failure", "must be given"))?;
        Ok(StorageFailure {
            storage: storage_id("failed_storages.storage_id", &failed.storage_id)?,
            failure: failure.into(),
        })
    };
    failed.into_iter().map(one).collect()
}

/// How an attempt ended.
pub(in crate::grpc) fn attempt_outcome(
    outcome: Option<wire::complete_attempt_request::Outcome>,
) -> Result<AttemptOutcome, BadFields> {
    use wire::complete_attempt_request::Outcome;
    let one = |bad| vec![bad];
    match outcome {
        None => Err(one(BadField::new("outcome", "must be given"))),
        Some(Outcome::Backup(backup)) => backup_outcome(backup)
            .map(Box::new)
            .map(AttemptOutcome::Backup)
            .map_err(one),
        Some(Outcome::Restore(restore)) => Ok(AttemptOutcome::Restore {
            report: restore_report(restore.report.unwrap_or_default()),
            warnings: restore.warnings.into_iter().map(Warning::from).collect(),
        }),
        Some(Outcome::Verify(verified)) => verified_copies(verified).map(AttemptOutcome::Verify).map_err(one),
        Some(Outcome::Failure(failure)) => Ok(AttemptOutcome::Failed(failure.into())),
        Some(Outcome::Cancelled(wire::Cancelled {})) => Ok(AttemptOutcome::Cancelled),
    }
}

fn verified_copies(verified: wire::VerifyOutcome) -> Result<Vec<CopyFindings>, BadField> {
    if verified.copies.len() > MAX_STORAGES {
        return Err(BadField::new(
            "verify.copies",
            format!("has more than {MAX_STORAGES}"),
        ));
    }
    let one = |copy| {
        let found = crate::sessions::findings(copy);
        found
            .map(CopyFindings::kept)
            .map_err(|_| BadField::new("verify.copies.storage_id", "must be a storage's id"))
    };
    verified.copies.into_iter().map(one).collect()
}

fn backup_outcome(backup: wire::BackupOutcome) -> Result<BackupOutcome, BadField> {
    if backup.payload.is_empty() || backup.payload.len() > MAX_PAYLOAD {
        return Err(BadField::new(
            "backup.payload",
            format!("must have 1 to {MAX_PAYLOAD} bytes"),
        ));
    }
    let summary = backup
        .summary
        .ok_or_else(|| BadField::new("backup.summary", "must be given"))?;
    let complete = backup.complete_storage_ids.iter();
    Ok(BackupOutcome {
        payload: backup.payload,
        agent_signature: backup.agent_signature,
        summary: backup_summary(summary)?,
        complete_storages: complete
            .map(|id| storage_id("backup.complete_storage_ids", id))
            .collect::<Result<_, _>>()?,
        failed_storages: storage_failures(backup.failed_storages)?,
    })
}

fn backup_summary(summary: wire::BackupSummary) -> Result<BackupSummary, BadField> {
    let time = |field: &str, time: Option<&prost_types::Timestamp>| {
        time.and_then(convert::time)
            .ok_or_else(|| BadField::new(field, "must be given"))
    };
    Ok(BackupSummary {
        started_at: time("backup.summary.started_at", summary.started_at.as_ref())?,
        ended_at: time("backup.summary.ended_at", summary.ended_at.as_ref())?,
        server_version: summary.server_version,
        databases: summary.databases,
        raw_bytes: summary.raw_bytes,
        stored_bytes: summary.stored_bytes,
        reused_bytes: summary.reused_bytes,
        rows: summary.rows,
        tables: summary.tables,
        warnings: summary.warnings.into_iter().map(Warning::from).collect(),
        missing: summary
            .missing_databases
            .into_iter()
            .map(MissingDatabase::from)
            .collect(),
    }
    .kept())
}

fn restore_report(report: v1::RestoreReport) -> RestoreReport {
    let database = |database: v1::RestoredDatabase| RestoredDatabase {
        from: database.from,
        to: database.to,
        dropped: database.dropped,
        tables: database.tables,
        rows: database.rows,
        bytes: database.bytes,
    };
    let table = |table: v1::RestoredTable| RestoredTable {
        database: table.database,
        schema: table.schema,
        name: table.name,
        expected_rows: table.expected_rows,
        restored_rows: table.restored_rows,
    };
    RestoreReport {
        databases: report.databases.into_iter().map(database).collect(),
        tables: report.tables.into_iter().map(table).collect(),
        rows: report.rows,
        planned: report.planned,
    }
    .kept()
}

/// A storage's id.
pub(in crate::grpc) fn storage_id(
    field: &str,
    text: &str,
) -> Result<dataguardian_core::ids::StorageId, BadField> {
    text.parse()
        .map_err(|error: dataguardian_core::ids::InvalidId| BadField::new(field, error.to_string()))
}
