//! One copy of a backup: its manifest, everything that the manifest names, and what a restore would read.

use std::collections::{BTreeMap, BTreeSet};

use dataguardian_core::causes::in_a_line as chain;
use dataguardian_core::ids::{BackupId, DatasourceId};
use futures::{StreamExt, TryStreamExt};

use super::object::{patiently, problem};
use super::{
    Fault, IN_FLIGHT, Level, MAX_FAULTS, MAX_STREAMS, ObjectProblem, Progress, Report, check_object,
};
use crate::keys::Protection;
use crate::layout::ObjectKey;
use crate::manifest::{Manifest, Outline, Signer, VerifyingKey};
use crate::read::{BackupReader, Executor, ReadError};
use crate::storage::{Listing, Storage};

/// What is to be verified, and with what.
#[derive(Debug, Clone)]
pub struct CopyCheck {
    /// Where the copy is.
    pub storage: Storage,
    /// Of what it is a backup.
    pub datasource: DatasourceId,
    /// Which backup.
    pub backup: BackupId,
    /// The keys that signed its manifest, all of them, one as the control plane.
    pub trusted: Vec<VerifyingKey>,
    /// What opens it; without it nothing is looked into, and faults do not name the streams that they hurt.
    pub protection: Option<Protection>,
    /// How closely to look.
    pub level: Level,
    /// Who does the CPU work.
    pub executor: Executor,
}

/// Verifies a copy.
///
/// # Errors
/// If the storage does not let us look, or the keys do not fit. Then nothing is said of the copy.
pub async fn verify_copy(check: &CopyCheck, progress: &dyn Progress) -> Result<Report, ReadError> {
    let mut report = Report::default();
    progress.began(Level::Presence, 0);
    let Some(outline) = manifest(check, &mut report).await? else {
        return Ok(report);
    };
    let present = presence(check, &outline, &mut report).await?;
    if check.level >= Level::Digests {
        digests(check, present, &mut report, progress).await?;
    }
    if check.level < Level::Contents && report.is_good() {
        return Ok(report);
    }
    let Some(reader) = reader(check, &mut report).await? else {
        return Ok(report);
    };
    if check.level >= Level::Contents {
        contents(&reader, check, &mut report, progress).await?;
    }
    name_streams(&reader, &mut report).await?;
    Ok(report)
}

/// The manifest's clear part, if the manifest is good.
async fn manifest(check: &CopyCheck, report: &mut Report) -> Result<Option<Outline>, ReadError> {
    let key = ObjectKey::Manifest(check.datasource, check.backup);
    let stored = match patiently(&check.storage, || check.storage.get(&key)).await {
        Ok(stored) => stored,
        Err(error) => {
            report.note(Fault::of(key, problem(&check.storage, error)?));
            return Ok(None);
        }
    };
    report.objects += 1;
    report.bytes += stored.len() as u64;
    let read = || -> Result<Outline, String> {
        let manifest = Manifest::decode(&stored).map_err(|error| chain(&error))?;
        let signed = manifest.verify(&check.trusted).map_err(|error| chain(&error))?;
        if !signed.iter().any(|signed| signed.signer == Signer::ControlPlane) {
            return Err("it lacks the control plane's signature".to_owned());
        }
        // Who restores passes over a signature by a key that he does not know. Here all keys are known.
        if signed.len() < manifest.signatures.len() {
            return Err("a signature in it is by a key that did not sign it".to_owned());
        }
        let outline = Outline::decode(manifest.payload()).map_err(|error| chain(&error))?;
        if (outline.datasource, outline.backup) != (check.datasource, check.backup) {
            return Err("it is the manifest of another backup".to_owned());
        }
        Ok(outline)
    };
    match read() {
        Ok(outline) => Ok(Some(outline)),
        Err(why) => {
            report.note(Fault::of(key, ObjectProblem::Contents(why)));
            Ok(None)
        }
    }
}

/// Looks whether everything is there, by listing: gives what is, with its size.
async fn presence(
    check: &CopyCheck,
    outline: &Outline,
    report: &mut Report,
) -> Result<Vec<(ObjectKey, u64)>, ReadError> {
    let mut expected = expected(outline);
    report.objects += expected.len() as u64;
    let mut present = Vec::with_capacity(expected.len());
    for listing in [Listing::Packs(check.datasource), Listing::Lists(check.datasource)] {
        let mut listed = check.storage.list(listing);
        while let Some(found) = listed.try_next().await? {
            match expected.remove(&found.key) {
                Some(size) if size == found.size => present.push((found.key, size)),
                Some(expected) => {
                    let found_size = found.size;
                    let problem = ObjectProblem::Size {
                        expected,
                        found: found_size,
                    };
                    report.note(Fault::of(found.key, problem));
                }
                None => {}
            }
        }
    }
    for key in expected.into_keys() {
        report.note(Fault::of(key, ObjectProblem::Missing));
    }
    present.sort_unstable_by_key(|(key, _)| *key);
    Ok(present)
}

/// The packs and lists that a backup needs, with their sizes.
fn expected(outline: &Outline) -> BTreeMap<ObjectKey, u64> {
    let datasource = outline.datasource;
    let packs = outline
        .packs
        .iter()
        .map(|pack| (ObjectKey::Pack(datasource, pack.id), pack.size));
    let lists = outline
        .lists
        .iter()
        .map(|list| (ObjectKey::List(datasource, list.id), list.size));
    packs.chain(lists).collect()
}

async fn digests(
    check: &CopyCheck,
    present: Vec<(ObjectKey, u64)>,
    report: &mut Report,
    progress: &dyn Progress,
) -> Result<(), ReadError> {
    progress.began(Level::Digests, present.iter().map(|(_, size)| size).sum());
    let mut checked = futures::stream::iter(present)
        .map(async |(key, size)| {
            let found = check_object(&check.storage, &check.executor, &key, size, progress).await?;
            Ok::<_, ReadError>((key, size, found))
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some((key, size, found)) = checked.try_next().await? {
        report.bytes += size;
        if let Some(problem) = found {
            report.note(Fault::of(key, problem));
        }
    }
    Ok(())
}

/// The backup, open; none if there are no keys for it, or it does not open, which is a fault then.
async fn reader(check: &CopyCheck, report: &mut Report) -> Result<Option<BackupReader>, ReadError> {
    let Some(protection) = &check.protection else {
        return Ok(None);
    };
    let opened = BackupReader::open(
        check.storage.clone(),
        check.datasource,
        check.backup,
        protection.clone(),
        &check.trusted,
    )
    .await;
    match opened {
        Ok(reader) => Ok(Some(reader.with_executor(check.executor.clone()))),
        Err(error) => {
            report.note(fault(check, error)?);
            Ok(None)
        }
    }
}

/// Reads every stream to its end, as a restore does.
async fn contents(
    reader: &BackupReader,
    check: &CopyCheck,
    report: &mut Report,
    progress: &dyn Progress,
) -> Result<(), ReadError> {
    progress.began(
        Level::Contents,
        reader.streams().iter().map(|stream| stream.bytes).sum(),
    );
    let mut faults = futures::stream::iter(0..reader.streams().len())
        .map(async |index| match read_to_end(reader, index, progress).await {
            Ok(()) => Ok(None),
            Err(error) => fault(check, error).map(Some),
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some(fault) = faults.try_next().await? {
        fault.into_iter().for_each(|fault| report.note(fault));
    }
    Ok(())
}

async fn read_to_end(reader: &BackupReader, index: usize, progress: &dyn Progress) -> Result<(), ReadError> {
    let mut pieces = reader.read_stream(index)?;
    while let Some(piece) = pieces.try_next().await? {
        progress.read(piece.len() as u64);
    }
    Ok(())
}

/// The fault that an error tells of; the error itself if it tells of none.
fn fault(check: &CopyCheck, error: ReadError) -> Result<Fault, ReadError> {
    match error {
        ReadError::Damaged { object, damage } => {
            Ok(Fault::of(object, ObjectProblem::Contents(chain(&damage))))
        }
        ReadError::Storage(error) => {
            let key = error.object.parse::<ObjectKey>();
            match (key, problem(&check.storage, error)) {
                (Ok(key), Ok(problem)) => Ok(Fault::of(key, problem)),
                (_, Err(error)) => Err(error.into()),
                (Err(_), Ok(_)) => Err(ReadError::GivenUp),
            }
        }
        error @ (ReadError::Key { .. } | ReadError::NoSuchStream { .. } | ReadError::GivenUp) => Err(error),
    }
}

/// Finds the streams that need what is damaged, from the lists that are whole.
async fn name_streams(reader: &BackupReader, report: &mut Report) -> Result<(), ReadError> {
    if report.faults.is_empty() {
        return Ok(());
    }
    let engine = reader.payload().outline.engine;
    let damaged: BTreeSet<_> = report.faults.iter().map(|fault| fault.key).collect();
    let mut hurt: BTreeMap<ObjectKey, Vec<usize>> = BTreeMap::new();
    for index in 0..reader.streams().len() {
        for key in reader.needed_of(index, &damaged).await? {
            hurt.entry(key).or_default().push(index);
        }
    }
    for fault in report.faults.iter_mut().take(MAX_FAULTS) {
        let Some(indices) = hurt.get(&fault.key) else {
            continue;
        };
        let headers = indices.iter().filter_map(|index| reader.streams().get(*index));
        fault.hurts = headers
            .take(MAX_STREAMS)
            .map(|stream| stream.header.describe(engine))
            .collect();
        fault.hurt_streams = indices.len() as u64;
    }
    Ok(())
}
