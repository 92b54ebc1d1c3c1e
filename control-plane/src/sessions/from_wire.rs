//! What agents answer, read from the wire. Nothing of it is trusted to be well formed.

use std::collections::BTreeSet;

use dataguardian_core::ids::{BackupId, DatasourceId, RepositoryId};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::answer::Answer as WireAnswer;
use dataguardian_proto::v1;

use super::question::{Answer, AskError};
use crate::domain::assignment::StorageFailure;
use crate::domain::cleanup::Sighting;
use crate::domain::pack::{DataObject, ObjectKind};
use crate::domain::storage::PreparedRepository;
use crate::domain::verification::{CopyFindings, ObjectFault};

/// An agent's answer.
pub(super) fn answer(answer: WireAnswer) -> Result<Answer, AskError> {
    Ok(match answer {
        WireAnswer::Failure(failure) => return Err(AskError::Failed(failure.into())),
        WireAnswer::TestDatasource(report) => Answer::Datasource(report),
        WireAnswer::DiscoverDatabases(report) => Answer::Databases(report),
        WireAnswer::PrepareStorage(prepared) => Answer::Prepared(PreparedRepository {
            repository: prepared
                .repository_id
                .parse::<RepositoryId>()
                .map_err(|_| AskError::Nonsense)?,
            conditional_put: prepared.conditional_put,
        }),
        WireAnswer::PutManifest(put) => manifest_put(put)?,
        WireAnswer::FindUnnamed(found) => Answer::Unnamed(Sighting {
            manifests: ids(&found.backup_ids)?,
            unnamed: found.unnamed.into_iter().map(sized).collect::<Result<_, _>>()?,
            absent: objects(found.absent)?,
        }),
        WireAnswer::DeleteObjects(deleted) => Answer::Deleted {
            gone: objects(deleted.deleted)?,
            named: objects(deleted.named)?,
        },
        WireAnswer::DeleteManifest(wire::DeleteManifestAnswer {}) => Answer::ManifestDeleted,
        WireAnswer::ListManifests(listed) => Answer::Manifests {
            manifests: listed
                .manifests
                .iter()
                .map(found_manifest)
                .collect::<Result<_, _>>()?,
            truncated: listed.truncated,
        },
        WireAnswer::ReadManifest(read) => Answer::ManifestPart {
            part: read.part,
            length: read.length,
            missing: read.missing_objects,
        },
        WireAnswer::CopyBackup(copied) => Answer::Copied {
            complete: copied.complete,
            bytes: copied.copied_bytes,
            mended: copied
                .mended
                .iter()
                .map(|key| key.parse())
                .collect::<Result<_, _>>()
                .map_err(|_| AskError::Nonsense)?,
            failure: copied.failure.map(Into::into),
        },
        WireAnswer::CheckCopy(checked) => {
            Answer::CopyChecked(Box::new(findings(checked.copy.ok_or(AskError::Nonsense)?)?))
        }
        WireAnswer::CheckObjects(checked) => Answer::ObjectsChecked {
            checked: checked.checked,
            faults: checked.faults.into_iter().map(fault).collect(),
        },
        WireAnswer::SendBackup(sending) => Answer::Sending { bytes: sending.bytes },
        WireAnswer::TestStorage(tested) => Answer::Storage {
            conditional_put: tested.conditional_put,
            free_bytes: tested.free_bytes,
        },
    })
}

/// What an agent found of a copy.
pub(crate) fn findings(copy: wire::VerifiedCopy) -> Result<CopyFindings, AskError> {
    Ok(CopyFindings {
        storage: copy.storage_id.parse().map_err(|_| AskError::Nonsense)?,
        objects: copy.objects,
        bytes: copy.bytes,
        faults: copy.faults.into_iter().map(fault).collect(),
        fault_count: copy.fault_count,
        failure: copy.failure.map(Into::into),
    })
}

fn fault(fault: v1::ObjectFault) -> ObjectFault {
    ObjectFault {
        object: fault.object,
        problem: fault.problem,
        hurts: fault.hurts,
        hurt_count: fault.hurt_count,
    }
}

fn manifest_put(put: wire::PutManifestAnswer) -> Result<Answer, AskError> {
    let failed = put.failed_storages.into_iter().map(|failed| {
        Ok(StorageFailure {
            storage: failed.storage_id.parse().map_err(|_| AskError::Nonsense)?,
            failure: failed.failure.ok_or(AskError::Nonsense)?.into(),
        })
    });
    Ok(Answer::ManifestPut {
        stored: ids(&put.storage_ids)?,
        failed: failed.collect::<Result<_, AskError>>()?,
    })
}

fn ids<T: std::str::FromStr, C: FromIterator<T>>(texts: &[String]) -> Result<C, AskError> {
    let parsed = texts
        .iter()
        .map(|text| text.parse().map_err(|_| AskError::Nonsense));
    parsed.collect()
}

fn found_manifest(found: &wire::FoundManifest) -> Result<(DatasourceId, BackupId), AskError> {
    let datasource = found.datasource_id.parse().map_err(|_| AskError::Nonsense)?;
    let backup = found.backup_id.parse().map_err(|_| AskError::Nonsense)?;
    Ok((datasource, backup))
}

fn objects(wire: Vec<wire::StoredObject>) -> Result<BTreeSet<DataObject>, AskError> {
    wire.into_iter()
        .map(|object| sized(object).map(|(object, _)| object))
        .collect()
}

/// An object, and its size.
fn sized(object: wire::StoredObject) -> Result<(DataObject, u64), AskError> {
    let kind = match object.kind() {
        wire::ObjectKind::Pack => ObjectKind::Pack,
        wire::ObjectKind::List => ObjectKind::List,
        wire::ObjectKind::Unspecified => return Err(AskError::Nonsense),
    };
    let id = object.id.try_into().map_err(|_| AskError::Nonsense)?;
    Ok((DataObject { kind, id }, object.size))
}
