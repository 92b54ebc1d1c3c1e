//! What lies in a storage: manifests, and all that they name, by its contents.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result};
use dataguardian_repository::id::{ListId, PackId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::{Manifest, Outline};
use dataguardian_repository::storage::{Listed, Listing, Storage};
use futures::TryStreamExt as _;
use uuid::Uuid;

use super::rows::StorageRow;
use super::{History, Moment};

pub(super) async fn violations(history: &History, row: &StorageRow, moment: Moment) -> Result<Vec<String>> {
    let place = row.path.display();
    let storage = Storage::local(&row.path).with_context(|| format!("opening the storage in {place}"))?;
    let listed: Vec<Listed> = storage.list(Listing::Everything).try_collect().await?;
    let sizes: HashMap<ObjectKey, u64> = listed.iter().map(|object| (object.key, object.size)).collect();
    let mut found = Vec::new();
    let (mut seen, mut executions) = (HashSet::new(), HashSet::new());
    for object in &listed {
        let ObjectKey::Manifest(_, backup) = object.key else {
            continue;
        };
        let outline = outline(&storage, &object.key).await?;
        seen.insert(Uuid::from_bytes(*backup.as_bytes()));
        if !executions.insert(outline.execution) {
            found.push(format!("two manifests of execution {}", outline.execution));
        }
        found.extend(is_known(history, &outline, moment));
        found.extend(missing(&sizes, &outline));
    }
    for object in &listed {
        if let Some(problem) = changed(&storage, &object.key).await? {
            found.push(problem);
        }
    }
    let copies = history
        .copies
        .iter()
        .filter(|copy| copy.storage == row.id && copy.completed);
    let lost = copies.filter(|copy| !seen.contains(&copy.backup));
    found
        .extend(lost.map(|copy| format!("no manifest of backup {}, which is said to be there", copy.backup)));
    Ok(found
        .into_iter()
        .map(|what| format!("storage {place}: {what}"))
        .collect())
}

async fn outline(storage: &Storage, key: &ObjectKey) -> Result<Outline> {
    let bytes = storage.get(key).await?;
    let manifest = Manifest::decode(&bytes).with_context(|| key.describe())?;
    Outline::decode(manifest.payload()).with_context(|| key.describe())
}

/// A manifest is put only after its payload is stored in the database, and its execution then completes.
fn is_known(history: &History, outline: &Outline, moment: Moment) -> Option<String> {
    let id = Uuid::from_bytes(*outline.execution.as_bytes());
    let state = history
        .executions
        .iter()
        .find(|execution| execution.id == id)
        .map(|execution| execution.state.as_str());
    let fine = match moment {
        Moment::Busy => matches!(state, Some("committing" | "completed")),
        Moment::Quiet => state == Some("completed"),
    };
    (!fine).then(|| {
        format!(
            "a manifest of execution {id}, which is {}",
            state.unwrap_or("unknown")
        )
    })
}

fn missing(sizes: &HashMap<ObjectKey, u64>, outline: &Outline) -> Vec<String> {
    let datasource = outline.datasource;
    let packs = outline
        .packs
        .iter()
        .map(|pack| (ObjectKey::Pack(datasource, pack.id), pack.size));
    let lists = outline
        .lists
        .iter()
        .map(|list| (ObjectKey::List(datasource, list.id), list.size));
    let wrong = packs
        .chain(lists)
        .filter(|(key, size)| sizes.get(key) != Some(size));
    wrong
        .map(|(key, _)| {
            format!(
                "{} of backup {} is missing or cut",
                key.describe(),
                outline.backup
            )
        })
        .collect()
}

/// Packs and lists are named by their contents.
async fn changed(storage: &Storage, key: &ObjectKey) -> Result<Option<String>> {
    let same = match key {
        ObjectKey::Pack(_, id) => PackId::of(&storage.get(key).await?) == *id,
        ObjectKey::List(_, id) => ListId::of(&storage.get(key).await?) == *id,
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Manifest(..)
        | ObjectKey::Probe(_) => true,
    };
    Ok((!same).then(|| format!("{} has changed", key.describe())))
}
