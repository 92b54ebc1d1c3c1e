use dataguardian_core::execution::ExecutionState;
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use super::schedule::gap;
use super::verification::verify_report;
use crate::domain::execution::{
    Attempt, Execution, ExecutionSpec, Progress, RestoreReport, RestoredDatabase, RestoredTable,
    WaitingReason, WaitsFor,
};
use crate::domain::logs::{LogLevel, LogLine};

/// An execution.
pub(in crate::grpc) fn execution(execution: Execution) -> v1::Execution {
    let scheduled = execution.scheduled.as_ref();
    v1::Execution {
        trigger: scheduled
            .map_or(v1::Trigger::Manual, |_| v1::Trigger::Scheduled)
            .into(),
        scheduled_for: scheduled.map(|scheduled| timestamp(scheduled.scheduled_for)),
        schedule_gap: scheduled.and_then(|scheduled| scheduled.gap.as_ref()).map(gap),
        id: execution.id.to_string(),
        plan_only: matches!(&execution.spec, ExecutionSpec::Restore(spec) if spec.options.plan_only),
        kind: v1::ExecutionKind::from(execution.kind()).into(),
        state: v1::ExecutionState::from(execution.state).into(),
        attempt: execution.attempt,
        backup_id: execution.backup().map(|id| id.to_string()).unwrap_or_default(),
        job: execution.job.map(|(_, name)| name).unwrap_or_default(),
        datasource: execution.datasource_name,
        agent: execution.agent_name,
        created_at: Some(timestamp(execution.created_at)),
        started_at: execution.started_at.map(timestamp),
        ended_at: execution.ended_at.map(timestamp),
        failure: execution.failure.as_ref().map(Into::into),
        progress: execution.progress.map(progress),
        warnings: execution.warnings.iter().map(Into::into).collect(),
        restore_report: execution.restore_report.map(restore_report),
        verify_report: execution.verify_report.map(verify_report),
        revision: execution.revision,
        attempts: execution.attempts.into_iter().map(attempt).collect(),
        no_contact_since: execution.outlook.no_contact_since.map(timestamp),
        waiting: execution.outlook.waits_for.map(waiting),
        partial: execution.state == ExecutionState::Completed && !execution.missing.is_empty(),
        missing_databases: execution.missing.iter().map(Into::into).collect(),
    }
}

fn waiting(waits_for: WaitsFor) -> v1::Waiting {
    let reason = match waits_for.reason {
        WaitingReason::Turn => v1::WaitingReason::Turn,
        WaitingReason::Time => v1::WaitingReason::Time,
        WaitingReason::AgentAway => v1::WaitingReason::AgentAway,
        WaitingReason::AgentSlot => v1::WaitingReason::AgentSlot,
        WaitingReason::Datasource => v1::WaitingReason::Datasource,
        WaitingReason::Storage => v1::WaitingReason::Storage,
        WaitingReason::Total => v1::WaitingReason::Total,
        WaitingReason::Queue => v1::WaitingReason::Queue,
    };
    v1::Waiting {
        reason: reason.into(),
        message: waits_for.message,
    }
}

fn attempt(attempt: Attempt) -> v1::Attempt {
    v1::Attempt {
        number: attempt.number,
        started_at: Some(timestamp(attempt.started_at)),
        ended_at: attempt.ended_at.map(timestamp),
        failure: attempt.failure.as_ref().map(Into::into),
    }
}

fn progress(progress: Progress) -> v1::Progress {
    v1::Progress {
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
}

fn restore_report(report: RestoreReport) -> v1::RestoreReport {
    let database = |database: RestoredDatabase| v1::RestoredDatabase {
        from: database.from,
        to: database.to,
        dropped: database.dropped,
        tables: database.tables,
        rows: database.rows,
        bytes: database.bytes,
    };
    let table = |table: RestoredTable| v1::RestoredTable {
        database: table.database,
        schema: table.schema,
        name: table.name,
        expected_rows: table.expected_rows,
        restored_rows: table.restored_rows,
    };
    v1::RestoreReport {
        databases: report.databases.into_iter().map(database).collect(),
        tables: report.tables.into_iter().map(table).collect(),
        rows: report.rows,
        planned: report.planned,
    }
}

/// A line of a log.
pub(in crate::grpc) fn log_line(line: LogLine) -> v1::LogLine {
    let level = match line.level {
        LogLevel::Info => v1::LogLevel::Info,
        LogLevel::Warn => v1::LogLevel::Warn,
        LogLevel::Error => v1::LogLevel::Error,
    };
    v1::LogLine {
        time: Some(timestamp(line.time)),
        level: level.into(),
        message: line.message,
    }
}
