//! Backups in the database: one for each backup that completed, with its manifest, its packs and at least one copy.

use std::collections::{HashMap, HashSet};

use dataguardian_repository::manifest::Outline;
use uuid::Uuid;

use super::History;
use super::rows::Backup;

pub(super) fn violations(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let completed: HashMap<Uuid, &Backup> = history
        .backups
        .iter()
        .filter(|backup| backup.completed)
        .map(|backup| (backup.execution, backup))
        .collect();
    for execution in history
        .executions
        .iter()
        .filter(|execution| execution.kind == "backup")
    {
        let made = completed.get(&execution.id).map(|backup| backup.id);
        let was_deleted = history.deleted.iter().any(|gone| gone.execution == execution.id);
        let expected = execution
            .backup
            .filter(|_| execution.state == "completed" && !was_deleted);
        if made != expected {
            found.push(format!(
                "execution {} is {} with backup {expected:?}, and the catalogue has {made:?}",
                execution.id, execution.state
            ));
        }
    }
    let in_storage: HashSet<_> = history
        .packs
        .iter()
        .map(|pack| (pack.id.as_slice(), pack.storage))
        .collect();
    for backup in completed.values().filter(|backup| !backup.deleting) {
        found.extend(
            one(history, backup, &in_storage)
                .into_iter()
                .map(|what| format!("backup {} {what}", backup.id)),
        );
    }
    found
}

fn one(history: &History, backup: &Backup, in_storage: &HashSet<(&[u8], Uuid)>) -> Vec<String> {
    let Some(payload) = &backup.payload else {
        return vec!["is completed and has no manifest".to_owned()];
    };
    let outline = match Outline::decode(payload) {
        Ok(outline) => outline,
        Err(error) => return vec![format!("has a payload that can't be read: {error}")],
    };
    let mut found = Vec::new();
    if (outline.backup.as_bytes(), outline.execution.as_bytes())
        != (backup.id.as_bytes(), backup.execution.as_bytes())
    {
        found.push("has the manifest of another one".to_owned());
    }
    let copies = history
        .copies
        .iter()
        .filter(|copy| copy.backup == backup.id && copy.completed);
    let storages: Vec<_> = copies.map(|copy| copy.storage).collect();
    if storages.is_empty() {
        found.push("is completed and has no copy".to_owned());
    }
    for storage in storages {
        let missing = outline
            .packs
            .iter()
            .filter(|pack| !in_storage.contains(&(pack.id.as_bytes().as_slice(), storage)));
        found.extend(missing.map(|pack| {
            format!(
                "needs pack {} in storage {storage}, which nobody reported",
                pack.id
            )
        }));
    }
    found
}
