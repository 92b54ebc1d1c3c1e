//! What a look into a storage found, written down: objects, copies, the audit log.
//!
//! What must never happen: a copy passes for whole while something that it names is known to be damaged, or an object that no
//! backup needs any more is called lost. So whatever is said of an object is checked against all backups in that storage.

use std::collections::BTreeSet;

use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::Outline;
use dataguardian_repository::verify::Level;

use super::outline_of;
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::verification::{CheckOutcome, CopyCheck, CopyFindings, DamagedObject, ObjectFault};
use crate::services::{Context, Error};
use crate::store::audit::audit_insert_in_tx;
use crate::store::copy_checks::{check_record_in_tx, checks_mended_in_tx, copies_in, copy_damaged_in_tx};
use crate::store::object_checks::{
    object_damaged_in_tx, objects_damaged, objects_forget_in_tx, objects_good_in_tx,
};
use crate::store::{Connected, Tx};

/// What the audit log calls it.
const METHOD: &str = "verification";
/// Damaged objects of one datasource in one storage that are taken account of.
pub(in crate::services) const MOST: u64 = 20_000;

/// The packs and lists that a backup needs, with their sizes.
pub(in crate::services) fn objects(outline: &Outline) -> Vec<(ObjectKey, u64)> {
    let of = outline.datasource;
    let packs = outline
        .packs
        .iter()
        .map(|pack| (ObjectKey::Pack(of, pack.id), pack.size));
    let lists = outline
        .lists
        .iter()
        .map(|list| (ObjectKey::List(of, list.id), list.size));
    packs.chain(lists).collect()
}

/// Everything that a backup needs, its manifest too.
pub(in crate::services) async fn needed(
    on: &impl Connected,
    datasource: DatasourceId,
    backup: BackupId,
) -> Result<BTreeSet<ObjectKey>, Error> {
    let outline = outline_of(on, backup).await?;
    let named = outline.iter().flat_map(objects).map(|(key, _)| key);
    Ok(named.chain([ObjectKey::Manifest(datasource, backup)]).collect())
}

/// One copy was looked into, at that level and those below.
pub(in crate::services) async fn copy_in_tx(
    context: &Context,
    tx: &Tx,
    (datasource, backup): (DatasourceId, BackupId),
    level: Level,
    findings: &CopyFindings,
) -> Result<(), Error> {
    if findings.failure.is_some() {
        return Ok(());
    }
    let (now, storage) = (context.now(), findings.storage);
    let outcome = if findings.is_good() {
        CheckOutcome::Good
    } else {
        CheckOutcome::Damaged
    };
    // Of a copy that is not whole only the asked level is said: what was found may be no matter of the lower ones.
    let levels = Level::ALL
        .into_iter()
        .filter(|lower| *lower == level || (*lower < level && findings.is_good()));
    for level in levels {
        let check = CopyCheck {
            level,
            checked_at: now,
            outcome,
            faults: findings.fault_count,
        };
        check_record_in_tx(tx, (backup, storage), check).await?;
    }
    let manifest = ObjectKey::Manifest(datasource, backup);
    let faulty: BTreeSet<_> = findings.faults.iter().filter_map(ObjectFault::key).collect();
    let mut good = Vec::new();
    if !faulty.contains(&manifest) {
        good.push((manifest, 0));
        // Where not every fault is named, nothing is known of the others.
        if level >= Level::Digests && findings.fault_count == findings.faults.len() as u64 {
            let outline = outline_of(tx, backup).await?;
            good.extend(
                outline
                    .iter()
                    .flat_map(objects)
                    .filter(|(key, _)| !faulty.contains(key)),
            );
        }
    }
    objects_in_tx(context, tx, (storage, datasource), &good, &findings.faults).await
}

/// Objects were read: these are good, those are not.
pub(in crate::services) async fn objects_in_tx(
    context: &Context,
    tx: &Tx,
    (storage, datasource): (StorageId, DatasourceId),
    good: &[(ObjectKey, u64)],
    faults: &[ObjectFault],
) -> Result<(), Error> {
    let now = context.now();
    objects_good_in_tx(tx, storage, good, now).await?;
    for fault in faults {
        if let Some(key) = fault.key().filter(|key| is_of(key, datasource)) {
            let problem = fault.problem.clone();
            object_damaged_in_tx(tx, storage, &DamagedObject { key, problem }, now).await?;
        }
    }
    copies_in_tx(context, tx, storage, datasource).await
}

fn is_of(key: &ObjectKey, datasource: DatasourceId) -> bool {
    match key {
        ObjectKey::Pack(of, _) | ObjectKey::List(of, _) | ObjectKey::Manifest(of, _) => *of == datasource,
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Probe(_) => false,
    }
}

/// Says of every copy of a datasource's backups in a storage whether it is damaged, by its objects.
pub(in crate::services) async fn copies_in_tx(
    context: &Context,
    tx: &Tx,
    storage: StorageId,
    datasource: DatasourceId,
) -> Result<(), Error> {
    let damaged = objects_damaged(tx, storage, datasource, MOST).await?;
    let copies = copies_in(tx, storage, datasource).await?;
    if damaged.is_empty() && copies.iter().all(|(_, since)| since.is_none()) {
        return Ok(());
    }
    let damaged: BTreeSet<_> = damaged.into_iter().map(|object| object.key).collect();
    let (now, mut needed) = (context.now(), BTreeSet::new());
    for (backup, since) in copies {
        let named = self::needed(tx, datasource, backup).await?;
        let hurt: Vec<_> = named.into_iter().filter(|key| damaged.contains(key)).collect();
        match (hurt.is_empty(), since) {
            (false, None) => {
                copy_damaged_in_tx(tx, backup, storage, Some(now)).await?;
                tell_in_tx(context, tx, (backup, storage), "damaged").await?;
            }
            (true, Some(_)) => {
                copy_damaged_in_tx(tx, backup, storage, None).await?;
                checks_mended_in_tx(tx, backup, storage).await?;
                tell_in_tx(context, tx, (backup, storage), "whole again").await?;
            }
            (false, Some(_)) | (true, None) => {}
        }
        needed.extend(hurt);
    }
    // No backup here names them: they are not lost, they are gone.
    let unneeded: Vec<_> = damaged.difference(&needed).copied().collect();
    Ok(objects_forget_in_tx(tx, storage, &unneeded).await?)
}

async fn tell_in_tx(
    context: &Context,
    tx: &Tx,
    (backup, storage): (BackupId, StorageId),
    outcome: &str,
) -> Result<(), Error> {
    if outcome == "damaged" {
        tracing::error!(backup.id = %backup, storage.id = %storage, "a copy of a backup is damaged");
    } else {
        tracing::info!(backup.id = %backup, storage.id = %storage, "a copy of a backup is whole again");
    }
    let entry = AuditEntry {
        actor: Actor::System,
        method: METHOD.to_owned(),
        resource: format!("backup {backup} in storage {storage}"),
        outcome: outcome.to_owned(),
        remote: None,
    };
    Ok(audit_insert_in_tx(tx, &entry, context.now()).await?)
}
