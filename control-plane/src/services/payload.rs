//! Reading what a manifest's payload names. Only the clear part is looked at: it needs no key.

use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId};
use dataguardian_repository::manifest::Outline;

use super::Error;
use crate::domain::execution::BackupSpec;
use crate::domain::field::BadField;
use crate::domain::import::NamedObjects;
use crate::domain::job::Encryption;

/// Reads what a payload names, and checks it as [`outline_of`] does.
pub fn read_outline(
    payload: &[u8],
    spec: &BackupSpec,
    expected: (BackupId, DatasourceId, ExecutionId),
) -> Result<NamedObjects, Error> {
    outline_of(payload, spec, expected).map(|outline| NamedObjects::from(&outline))
}

/// Reads a payload and checks that it is of that backup, datasource and execution, and sealed as the job wants it.
pub fn outline_of(
    payload: &[u8],
    spec: &BackupSpec,
    expected: (BackupId, DatasourceId, ExecutionId),
) -> Result<Outline, Error> {
    let outline = Outline::decode(payload).map_err(|error| BadField::new("payload", error.to_string()))?;
    if (outline.backup, outline.datasource, outline.execution) != expected {
        return Err(BadField::new("payload", "is not of this attempt's backup").into());
    }
    let encryption = match outline.encryption {
        Some(_) => Encryption::Sealed,
        None => Encryption::Plain,
    };
    if encryption != spec.options.encryption {
        return Err(BadField::new("payload", "is not encrypted as the job wants it").into());
    }
    Ok(outline)
}
