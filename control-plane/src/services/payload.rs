//! Reading what a manifest's payload names. Only the clear part is looked at: it needs no key.

use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId};
use dataguardian_repository::manifest::Outline;

use super::Error;
use crate::domain::execution::BackupSpec;
use crate::domain::field::BadField;
use crate::domain::job::Encryption;

/// What a payload names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedObjects {
    /// The packs, each once, with their sizes as stored.
    pub packs: Vec<([u8; 32], u64)>,
    /// The lists, each once.
    pub lists: Vec<[u8; 32]>,
}

/// Reads a payload and checks that it is of that backup, datasource and execution, and sealed as the job wants it.
pub fn read_outline(
    payload: &[u8],
    spec: &BackupSpec,
    expected: (BackupId, DatasourceId, ExecutionId),
) -> Result<NamedObjects, Error> {
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
    Ok(NamedObjects {
        packs: outline
            .packs
            .iter()
            .map(|pack| (*pack.id.as_bytes(), pack.size))
            .collect(),
        lists: outline.lists.iter().map(|list| *list.id.as_bytes()).collect(),
    })
}
