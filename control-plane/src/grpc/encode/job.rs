use dataguardian_proto::convert::{duration, timestamp};
use dataguardian_proto::v1;
use dataguardian_repository::chunker::Profile;

use super::retention::retention;
use super::{etag, schedule};
use crate::domain::job::{BackupOptions, Encryption, Job};

/// A job.
pub(in crate::grpc) fn job(job: Job) -> v1::Job {
    v1::Job {
        id: job.id.to_string(),
        name: job.name.into(),
        datasource: job.datasource_name.into(),
        storages: job
            .storages
            .into_iter()
            .map(|storage| storage.name.into())
            .collect(),
        strategy: v1::Strategy::from(job.strategy).into(),
        options: Some(options(&job.options)),
        created_at: Some(timestamp(job.created_at)),
        updated_at: Some(timestamp(job.updated_at)),
        etag: etag(job.revision),
        schedule: job.schedule.map(schedule::schedule),
        paused: job.paused_at.is_some(),
        paused_at: job.paused_at.map(timestamp),
        next_fire_at: job.next_firing.map(|next| timestamp(next.fire_at)),
        last_scheduled: job.last_scheduled.map(schedule::last_scheduled),
        next_chunking: job
            .next_chunking
            .map_or(v1::Chunking::Unspecified, |(profile, _)| chunking(profile))
            .into(),
        next_chunking_reason: job
            .next_chunking
            .map_or(v1::ChunkingReason::Unspecified, |(_, reason)| reason.into())
            .into(),
        retention: job.retention.as_ref().map(retention),
    }
}

fn options(options: &BackupOptions) -> v1::BackupOptions {
    v1::BackupOptions {
        unencrypted: match options.encryption {
            Encryption::Sealed => false,
            Encryption::Plain => true,
        },
        compression_level: options.compression_level,
        table_connections: options.table_connections,
        lock_timeout: Some(duration(options.lock_timeout)),
        max_duration: Some(duration(options.max_duration)),
        no_progress_timeout: Some(duration(options.no_progress_timeout)),
        max_attempts: options.max_attempts,
        chunking: v1::Chunking::from(options.chunking).into(),
        exclude_tables: options.exclude_tables.clone(),
        exclude_table_data: options.exclude_table_data.clone(),
    }
}

/// How streams are cut.
pub(super) const fn chunking(profile: Profile) -> v1::Chunking {
    match profile {
        Profile::ContentDefined => v1::Chunking::ContentDefined,
        Profile::Stream => v1::Chunking::Stream,
    }
}
