use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::chunker::Profile;
use crate::chunker::tests::noise;
use crate::keys::Protection;
use crate::read::Executor;
use crate::storage::Storage;
use crate::testing::{BACKUP, DATASOURCE, Recipe, TestBackup, encrypted, stored, trusted};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// Some packs, a stream with lists and one with a tail.
static MADE: LazyLock<TestBackup> = LazyLock::new(|| {
    let recipe = Recipe {
        protection: encrypted(),
        profile: Profile::ContentDefined,
        pack_target: 200_000,
        streams: vec![
            Bytes::from_static(b"tiny\n"),
            noise(3, 700_000).into(),
            noise(4, 500_000).into(),
        ],
    };
    recipe.make()
});

fn check(storage: Storage, level: Level, protection: Option<Protection>) -> CopyCheck {
    CopyCheck {
        storage,
        datasource: DATASOURCE,
        backup: BACKUP,
        trusted: trusted(),
        protection,
        level,
        executor: Executor::default(),
    }
}

async fn verify(objects: &[(ObjectKey, Bytes)], level: Level) -> Report {
    let check = check(stored(objects).await, level, Some(encrypted()));
    verify_copy(&check, &Silent).await.unwrap()
}

fn damaged(which: usize, change: impl Fn(&mut Vec<u8>)) -> (ObjectKey, Vec<(ObjectKey, Bytes)>) {
    let mut objects = MADE.objects.clone();
    let (key, bytes) = &mut objects[which];
    let mut changed = bytes.to_vec();
    change(&mut changed);
    *bytes = changed.into();
    (*key, objects)
}

#[derive(Default)]
struct Counted {
    expected: AtomicU64,
    read: AtomicU64,
}

impl Progress for Counted {
    fn began(&self, _: Level, bytes: u64) {
        self.expected.fetch_add(bytes, Ordering::SeqCst);
    }
    fn read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_whole_copy_passes_every_level_and_is_read_to_the_last_byte() {
    let objects = &MADE.objects;
    for level in Level::ALL {
        let progress = Counted::default();
        let check = check(stored(objects).await, level, Some(encrypted()));
        let report = verify_copy(&check, &progress).await.unwrap();
        assert!(report.is_good(), "{report:?}");
        assert_eq!(report.objects, objects.len() as u64);
        let manifest = objects.last().unwrap().1.len() as u64;
        let stored: u64 = objects.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let expected = if level == Level::Presence {
            manifest
        } else {
            stored
        };
        assert_eq!(report.bytes, expected);
        let counted = (progress.expected.into_inner(), progress.read.into_inner());
        assert_eq!(counted.0, counted.1, "{level}");
        assert_eq!(counted.0 > 0, level > Level::Presence);
    }
}

#[tokio::test]
async fn what_is_missing_or_cut_is_found_by_every_level() {
    for which in 0..MADE.objects.len() {
        let mut objects = MADE.objects.clone();
        let (key, _) = objects.remove(which);
        for level in Level::ALL {
            let report = verify(&objects, level).await;
            assert_eq!((report.found, report.faults[0].key), (1, key));
            assert_eq!(report.faults[0].problem, ObjectProblem::Missing);
        }
        let (key, objects) = damaged(which, |bytes| bytes.truncate(bytes.len() / 2));
        for level in Level::ALL {
            let report = verify(&objects, level).await;
            assert_eq!((report.found, report.faults[0].key), (1, key));
        }
    }
}

#[tokio::test]
async fn a_fault_names_the_streams_that_it_hurts() {
    let (pack, objects) = damaged(1, |bytes| bytes[100] ^= 1);
    let report = verify(&objects, Level::Digests).await;
    assert_eq!(report.faults[0].key, pack);
    assert_eq!(report.faults[0].problem, ObjectProblem::Digest);
    assert!(
        (1..=2).contains(&report.faults[0].hurt_streams),
        "the second pack is not in all streams"
    );
    let list = MADE
        .objects
        .iter()
        .position(|(key, _)| matches!(key, ObjectKey::List(..)));
    if let Some(list) = list {
        let (key, objects) = damaged(list, |bytes| bytes[70] ^= 1);
        let report = verify(&objects, Level::Contents).await;
        let fault = report.faults.iter().find(|fault| fault.key == key).unwrap();
        assert_eq!(fault.hurt_streams, 1);
    }
}

/// A manifest has no digest that it is known by: its signatures have to account for each of its bytes.
#[tokio::test]
async fn every_bit_of_a_manifest_counts() {
    let is_manifest = |(key, _): &(ObjectKey, Bytes)| matches!(key, ObjectKey::Manifest(..));
    let which = MADE.objects.iter().position(is_manifest).unwrap();
    for at in 0..MADE.objects[which].1.len() {
        for bit in 0..8 {
            let (key, objects) = damaged(which, |bytes| bytes[at] ^= 1 << bit);
            let report = verify(&objects, Level::Presence).await;
            assert_eq!(report.found, 1, "byte {at}, bit {bit}");
            assert_eq!(report.faults[0].key, key);
        }
    }
}

#[tokio::test]
async fn without_keys_the_stored_bytes_are_checked_all_the_same() {
    let (pack, objects) = damaged(0, |bytes| bytes[100] ^= 1);
    let check = check(stored(&objects).await, Level::Digests, None);
    let report = verify_copy(&check, &Silent).await.unwrap();
    assert_eq!((report.found, report.faults[0].key), (1, pack));
}

#[tokio::test]
async fn many_faults_are_counted_and_the_first_are_named() {
    let mut report = Report::default();
    for n in 0..(MAX_FAULTS as u32 + 5) {
        let mut id = [0; 32];
        id[..4].copy_from_slice(&n.to_be_bytes());
        let key = ObjectKey::Pack(DATASOURCE, crate::id::PackId::from_bytes(id));
        report.note(Fault::of(key, ObjectProblem::Missing));
    }
    assert_eq!(
        (report.faults.len(), report.found),
        (MAX_FAULTS, MAX_FAULTS as u64 + 5)
    );
    let keys: BTreeSet<_> = report.faults.iter().map(|fault| fault.key).collect();
    assert_eq!(keys.len(), MAX_FAULTS);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn every_changed_byte_is_found_and_its_object_named(
        which: prop::sample::Index,
        position: prop::sample::Index,
        change in 1_u8..,
    ) {
        let which = which.index(MADE.objects.len());
        let (key, objects) = damaged(which, |bytes| {
            let at = position.index(bytes.len());
            bytes[at] ^= change;
        });
        let report = RUNTIME.block_on(verify(&objects, Level::Digests));
        prop_assert_eq!(report.found, 1, "{:?}", report);
        prop_assert_eq!(report.faults[0].key, key);
    }
}
