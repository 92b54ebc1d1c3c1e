//! Work and questions as messages. The one place where secrets are laid open, on their way to the agent that needs them.

use std::collections::BTreeSet;

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{BackupId, ControlPlaneId, DatasourceId, TransferId};
use dataguardian_core::secret::SecretBytes;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::{convert, v1};
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_telemetry::trace_context;

use super::question::{ManifestQuestion, Question, TestDepth};
use crate::domain::assignment::{
    Assignment, BackupAssignment, Place, RepositoryLocation, RestoreAssignment, VerifyAssignment, Work,
};
use crate::domain::download::ScriptPart;
use crate::domain::job::Encryption;
use crate::domain::pack::{DataObject, ObjectKind};
use crate::domain::restore::{DatabaseMapping, RestoreMode};
use crate::domain::storage::Neighbour;
use crate::services::downloads::Download;
use crate::services::verifications::{ObjectsWork, PresenceWork};

pub(super) fn assignment(assignment: Assignment, control_plane: ControlPlaneId) -> wire::Assignment {
    let work = match assignment.work {
        Work::Backup(work) => wire::assignment::Work::Backup(backup(*work, control_plane)),
        Work::Restore(work) => wire::assignment::Work::Restore(restore(*work, control_plane)),
        Work::Verify(work) => wire::assignment::Work::Verify(verify(*work)),
    };
    wire::Assignment {
        fence: Some(assignment.fence.into()),
        max_duration: Some(convert::duration(assignment.max_duration)),
        no_progress_timeout: Some(convert::duration(assignment.no_progress_timeout)),
        work: Some(work),
        traceparent: trace_context::place_of(&tracing::Span::current()),
    }
}

fn backup(work: BackupAssignment, control_plane: ControlPlaneId) -> wire::BackupAssignment {
    wire::BackupAssignment {
        backup_id: work.backup.to_string(),
        datasource_id: work.datasource.to_string(),
        datasource_name: work.datasource_name.into(),
        connection: Some((&work.connection).into()),
        databases: Some((&work.databases).into()),
        repositories: work.repositories.into_iter().map(repository).collect(),
        strategy: v1::Strategy::from(work.strategy).into(),
        datasource_keys: keys(work.datasource_keys.as_ref()),
        compression_level: work.options.compression_level,
        table_connections: work.options.table_connections,
        lock_timeout: Some(convert::duration(work.options.lock_timeout)),
        exclude_tables: work.options.exclude_tables,
        exclude_table_data: work.options.exclude_table_data,
        control_plane_id: control_plane.to_string(),
        wrapped_key: work.wrapped_key.map(|wrapped| wire::WrappedKey {
            key_id: wrapped.key.to_string(),
            kit: wrapped.kit,
        }),
        job_id: work.job.map(|job| job.to_string()).unwrap_or_default(),
        chunking: work
            .reuse
            .map_or(v1::Chunking::Unspecified, |reuse| chunking(reuse.profile))
            .into(),
        chunking_reason: work
            .reuse
            .map_or(v1::ChunkingReason::Unspecified, |reuse| reuse.reason.into())
            .into(),
        base: work.base.map(|base| wire::ReuseBase {
            backup_id: base.backup.to_string(),
            trusted_keys: trusted(base.agent_public_key, base.control_plane_public_key),
        }),
    }
}

const fn chunking(profile: Profile) -> v1::Chunking {
    match profile {
        Profile::ContentDefined => v1::Chunking::ContentDefined,
        Profile::Stream => v1::Chunking::Stream,
    }
}

fn restore(work: RestoreAssignment, control_plane: ControlPlaneId) -> wire::RestoreAssignment {
    wire::RestoreAssignment {
        backup_id: work.backup.to_string(),
        source_datasource_id: work.source_datasource.to_string(),
        repositories: work.repositories.into_iter().map(repository).collect(),
        datasource_keys: keys(work.datasource_keys.as_ref()),
        trusted_keys: trusted(work.agent_public_key, work.control_plane_public_key),
        target: Some((&work.target).into()),
        mode: mode(work.options.mode).into(),
        databases: work.options.databases.into_iter().map(mapping).collect(),
        no_owner: work.options.no_owner,
        create_missing_roles: work.options.create_missing_roles,
        keep_unfinished: work.options.keep_unfinished,
        parallelism: work.options.parallelism,
        keep_scratch: work.options.keep_scratch,
        schemas: work.options.schemas,
        tables: work.options.tables,
        into_database: work.options.into_database.unwrap_or_default(),
        plan_only: work.options.plan_only,
        control_plane_id: control_plane.to_string(),
    }
}

pub(super) fn question(question: Question) -> wire::question::Question {
    use wire::question::Question as Wire;
    match question {
        Question::TestDatasource {
            connection,
            databases,
        } => Wire::TestDatasource(wire::TestDatasourceQuestion {
            connection: Some((&connection).into()),
            databases: Some((&databases).into()),
        }),
        Question::DiscoverDatabases { connection } => {
            Wire::DiscoverDatabases(wire::DiscoverDatabasesQuestion {
                connection: Some((&connection).into()),
            })
        }
        Question::PrepareStorage {
            repository: place,
            control_plane,
            keys,
            neighbours,
        } => Wire::PrepareStorage(wire::PrepareStorageQuestion {
            repository: Some(repository(place)),
            control_plane_id: control_plane.to_string(),
            key_ids: keys,
            neighbours: neighbours.into_iter().map(neighbour).collect(),
        }),
        Question::PutManifest {
            fence,
            datasource,
            backup,
            repositories,
        } => Wire::PutManifest(put_manifest(fence, datasource, backup, repositories)),
        Question::FindUnnamed {
            repository: place,
            datasource,
            about,
        } => Wire::FindUnnamed(wire::FindUnnamedQuestion {
            repository: Some(repository(place)),
            datasource_id: datasource.to_string(),
            about: about.iter().map(object).collect(),
        }),
        Question::DeleteObjects {
            repository: place,
            datasource,
            objects,
        } => Wire::DeleteObjects(delete_objects(place, datasource, &objects)),
        Question::Manifest(asked) => about_manifests(asked),
        Question::CopyBackup {
            datasource,
            backup,
            manifest_sha256,
            sources,
            target,
            control_plane,
            mend,
        } => Wire::CopyBackup(wire::CopyBackupQuestion {
            datasource_id: datasource.to_string(),
            backup_id: backup.to_string(),
            manifest_sha256: manifest_sha256.to_vec(),
            sources: sources.into_iter().map(repository).collect(),
            target: Some(repository(target)),
            control_plane_id: control_plane.to_string(),
            mend: mend.iter().map(ToString::to_string).collect(),
        }),
        Question::CheckCopy {
            repository: place,
            work,
        } => Wire::CheckCopy(check_copy(place, work)),
        Question::CheckObjects {
            repository: place,
            work,
        } => Wire::CheckObjects(check_objects(place, &work)),
        Question::SendBackup(transfer, download) => Wire::SendBackup(send_backup(transfer, *download)),
        Question::TestStorage {
            repository: place,
            depth,
        } => Wire::TestStorage(test_storage(place, depth)),
    }
}

fn delete_objects(
    place: RepositoryLocation,
    datasource: DatasourceId,
    objects: &BTreeSet<DataObject>,
) -> wire::DeleteObjectsQuestion {
    wire::DeleteObjectsQuestion {
        repository: Some(repository(place)),
        datasource_id: datasource.to_string(),
        objects: objects.iter().map(object).collect(),
    }
}

fn test_storage(place: RepositoryLocation, depth: TestDepth) -> wire::TestStorageQuestion {
    wire::TestStorageQuestion {
        repository: Some(repository(place)),
        depth: test_depth(depth).into(),
    }
}

const fn test_depth(depth: TestDepth) -> wire::TestDepth {
    match depth {
        TestDepth::Read => wire::TestDepth::Read,
        TestDepth::Write => wire::TestDepth::Write,
        TestDepth::WriteAgain => wire::TestDepth::WriteAgain,
    }
}

fn verify(work: VerifyAssignment) -> wire::VerifyAssignment {
    wire::VerifyAssignment {
        backup_id: work.backup.to_string(),
        datasource_id: work.datasource.to_string(),
        repositories: work.repositories.into_iter().map(repository).collect(),
        datasource_keys: keys(work.datasource_keys.as_ref()),
        trusted_keys: trusted(work.agent_public_key, work.control_plane_public_key),
        level: u32::from(work.level.number()),
        sealed: work.encryption == Encryption::Sealed,
    }
}

/// The keys that must have signed a manifest.
fn trusted(agent: Vec<u8>, control_plane: Vec<u8>) -> Vec<wire::TrustedKey> {
    let key = |signer: wire::Signer, public_key| wire::TrustedKey {
        signer: signer.into(),
        public_key,
    };
    vec![
        key(wire::Signer::Agent, agent),
        key(wire::Signer::ControlPlane, control_plane),
    ]
}

fn put_manifest(
    fence: Fence,
    datasource: DatasourceId,
    backup: BackupId,
    repositories: Vec<RepositoryLocation>,
) -> wire::PutManifestQuestion {
    wire::PutManifestQuestion {
        fence: Some(fence.into()),
        datasource_id: datasource.to_string(),
        backup_id: backup.to_string(),
        repositories: repositories.into_iter().map(repository).collect(),
    }
}

fn check_copy(place: RepositoryLocation, work: PresenceWork) -> wire::CheckCopyQuestion {
    wire::CheckCopyQuestion {
        repository: Some(repository(place)),
        datasource_id: work.datasource.to_string(),
        backup_id: work.backup.to_string(),
        trusted_keys: trusted(work.agent_public_key, work.control_plane_public_key),
    }
}

fn check_objects(place: RepositoryLocation, work: &ObjectsWork) -> wire::CheckObjectsQuestion {
    wire::CheckObjectsQuestion {
        repository: Some(repository(place)),
        datasource_id: work.datasource.to_string(),
        objects: work.objects.iter().map(|(key, size)| sized(key, *size)).collect(),
    }
}

fn send_backup(transfer: TransferId, download: Download) -> wire::SendBackupQuestion {
    use wire::send_backup_question::Part;
    wire::SendBackupQuestion {
        transfer_id: transfer.to_string(),
        datasource_id: download.datasource.to_string(),
        backup_id: download.backup.to_string(),
        repositories: download.repositories.into_iter().map(repository).collect(),
        datasource_keys: keys(download.datasource_keys.as_ref()),
        trusted_keys: trusted(download.agent_public_key, download.control_plane_public_key),
        part: Some(match download.part {
            ScriptPart::Database(name) => Part::Database(name),
            ScriptPart::Globals => Part::Globals(wire::GlobalsPart {}),
        }),
    }
}

fn sized(key: &ObjectKey, size: u64) -> wire::StoredObject {
    let (kind, id) = match key {
        ObjectKey::Pack(_, id) => (wire::ObjectKind::Pack, id.as_bytes().to_vec()),
        ObjectKey::List(_, id) => (wire::ObjectKind::List, id.as_bytes().to_vec()),
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Manifest(..)
        | ObjectKey::Probe(_) => (wire::ObjectKind::Unspecified, Vec::new()),
    };
    wire::StoredObject {
        kind: kind.into(),
        id,
        size,
    }
}

fn object(object: &DataObject) -> wire::StoredObject {
    let kind = match object.kind {
        ObjectKind::Pack => wire::ObjectKind::Pack,
        ObjectKind::List => wire::ObjectKind::List,
    };
    wire::StoredObject {
        kind: kind.into(),
        id: object.id.to_vec(),
        size: 0,
    }
}

fn about_manifests(question: ManifestQuestion) -> wire::question::Question {
    use wire::question::Question as Wire;
    match question {
        ManifestQuestion::Delete {
            repository: place,
            datasource,
            backup,
            payload_sha256,
        } => Wire::DeleteManifest(wire::DeleteManifestQuestion {
            repository: Some(repository(place)),
            datasource_id: datasource.to_string(),
            backup_id: backup.to_string(),
            payload_sha256: payload_sha256.to_vec(),
        }),
        ManifestQuestion::List {
            repository: place,
            after,
        } => Wire::ListManifests(wire::ListManifestsQuestion {
            repository: Some(repository(place)),
            after_datasource_id: after
                .map(|(datasource, _)| datasource.to_string())
                .unwrap_or_default(),
            after_backup_id: after.map(|(_, backup)| backup.to_string()).unwrap_or_default(),
        }),
        ManifestQuestion::Read {
            repository: place,
            datasource,
            backup,
            offset,
        } => Wire::ReadManifest(wire::ReadManifestQuestion {
            repository: Some(repository(place)),
            datasource_id: datasource.to_string(),
            backup_id: backup.to_string(),
            offset,
        }),
    }
}

fn repository(location: RepositoryLocation) -> wire::RepositoryLocation {
    let place = match location.place {
        Place::LocalPath(path) => wire::repository_location::Place::LocalPath(path.display().to_string()),
        Place::S3(bucket, secret) => wire::repository_location::Place::S3(wire::S3Bucket {
            endpoint: bucket.endpoint,
            region: bucket.region,
            bucket: bucket.bucket,
            prefix: bucket.prefix,
            path_style: bucket.path_style,
            allow_http: bucket.allow_http,
            ca_pem: bucket.ca_pem,
            access_key_id: bucket.access_key_id,
            secret_access_key: secret.expose().to_owned(),
        }),
    };
    wire::RepositoryLocation {
        storage_id: location.storage.to_string(),
        storage_name: location.storage_name.into(),
        repository_id: location.repository.to_string(),
        place: Some(place),
    }
}

fn neighbour(neighbour: Neighbour) -> wire::NeighbouringStorage {
    wire::NeighbouringStorage {
        name: neighbour.name.into(),
        local_path: neighbour.path.display().to_string(),
    }
}

fn keys(keys: Option<&SecretBytes>) -> Vec<u8> {
    keys.map(|keys| keys.expose().to_vec()).unwrap_or_default()
}

const fn mode(mode: RestoreMode) -> v1::RestoreMode {
    match mode {
        RestoreMode::Create => v1::RestoreMode::Create,
        RestoreMode::Replace => v1::RestoreMode::Replace,
        RestoreMode::Into => v1::RestoreMode::Into,
        RestoreMode::Scratch => v1::RestoreMode::Scratch,
    }
}

fn mapping(mapping: DatabaseMapping) -> v1::DatabaseMapping {
    v1::DatabaseMapping {
        from: mapping.from,
        to: mapping.to,
    }
}
