use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use super::etag;
use super::verification::{check, damage};
use crate::domain::backup::{Backup, BackupCopy, CheckedBy};
use crate::domain::deletion::{BackupState, CopyState};
use crate::domain::job::Encryption;

/// A backup.
pub(in crate::grpc) fn backup(backup: Backup) -> v1::Backup {
    let verified_at = backup.verified_at();
    let summary = backup.summary;
    v1::Backup {
        id: backup.id.to_string(),
        job: backup.job.map(|(_, name)| name).unwrap_or_default(),
        datasource: backup.datasource_name,
        execution_id: backup.execution.to_string(),
        engine: v1::Engine::from(backup.engine).into(),
        server_version: summary.server_version,
        started_at: Some(timestamp(summary.started_at)),
        completed_at: Some(timestamp(backup.completed_at)),
        databases: summary.databases,
        raw_bytes: summary.raw_bytes,
        stored_bytes: summary.stored_bytes,
        rows: summary.rows,
        tables: summary.tables,
        encrypted: match backup.encryption {
            Encryption::Sealed => true,
            Encryption::Plain => false,
        },
        copies: backup.copies.into_iter().map(copy).collect(),
        warnings: summary.warnings.iter().map(Into::into).collect(),
        packs: backup.packs,
        partial: !summary.missing.is_empty(),
        reused_bytes: summary.reused_bytes,
        chunking: super::job::chunking(backup.profile).into(),
        base_backup_id: backup.base.map(|id| id.to_string()).unwrap_or_default(),
        missing_databases: summary.missing.iter().map(Into::into).collect(),
        verified_at: verified_at.map(timestamp),
        state: match backup.state {
            BackupState::Complete => v1::BackupState::Complete,
            BackupState::Deleting => v1::BackupState::Deleting,
            BackupState::Deleted => v1::BackupState::Deleted,
        }
        .into(),
        pin: backup.pin.map(|pin| v1::Pin {
            pinned_at: Some(timestamp(pin.at)),
            pinned_by: pin.by,
            reason: pin.reason,
        }),
        etag: etag(backup.revision),
    }
}

fn copy(copy: BackupCopy) -> v1::BackupCopy {
    let checked_by = match copy.checked_by {
        CheckedBy::ControlPlane => v1::CheckedBy::ControlPlane,
        CheckedBy::Agent => v1::CheckedBy::Agent,
    };
    v1::BackupCopy {
        storage: copy.storage_name,
        complete: copy.state == CopyState::Complete,
        checked_by: checked_by.into(),
        completed_at: copy.completed_at.map(timestamp),
        failure: copy.failure.as_ref().map(Into::into),
        damaged: copy.damaged_at.is_some(),
        checks: copy.checks.into_iter().map(check).collect(),
        damage: copy.damage.into_iter().map(damage).collect(),
        state: match copy.state {
            CopyState::Wanted => v1::CopyState::Wanted,
            CopyState::Complete => v1::CopyState::Complete,
            CopyState::Deleting => v1::CopyState::Deleting,
            CopyState::Deleted => v1::CopyState::Deleted,
        }
        .into(),
    }
}
