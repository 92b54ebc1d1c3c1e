//! What was stored before is referred to and not stored again; and whatever is the matter with it, what comes out is right.

use std::collections::HashSet;
use std::path::PathBuf;

use dataguardian_repository::manifest::StoredObject;

use super::*;
use crate::reuse::{Base, Opened, Wanted};

const MEMORY: usize = 4 << 20;

impl Fixture {
    async fn open(&self, base: Option<&BackupReader>, left: &[WrittenPack]) -> Opened {
        let base = base.map(|reader| Base {
            backup: reader.payload().outline.backup,
            trusted: vec![self.signing.verifying_key()],
        });
        let left = left.iter().map(|pack| StoredObject {
            id: pack.id,
            size: pack.stored_bytes,
        });
        let wanted = Wanted {
            datasource: self.settings.datasource,
            protection: self.settings.protection.clone(),
            base,
            left: left.collect(),
            unusable: HashSet::new(),
            memory: MEMORY,
        };
        Reuse::open(&self.destinations[0].storage, wanted).await
    }

    /// Backs streams up, one after the other.
    async fn back_up(&self, reuse: Reuse, streams: &[Bytes]) -> Written {
        let (pipeline, told, _) = self.start_with(reuse);
        let sink = pipeline.sink();
        for (number, bytes) in streams.iter().enumerate() {
            write(&sink, table(number), bytes.clone(), 1 << 20).await.unwrap();
        }
        drop((sink, told));
        pipeline.finish().await.unwrap()
    }

    async fn comes_back(&self, written: &Written, streams: &[Bytes]) -> BackupReader {
        let reader = self.commit(written, &self.destinations[0]).await;
        for (index, bytes) in streams.iter().enumerate() {
            assert!(read(&reader, index).await == *bytes, "stream {index}");
        }
        reader
    }

    fn objects(&self, kind: &str) -> Vec<PathBuf> {
        let folder = Path::new(&self.destinations[0].storage.to_string())
            .join(self.settings.datasource.to_string())
            .join(kind);
        let mut found = Vec::new();
        for below in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let objects = std::fs::read_dir(below.path()).unwrap();
            found.extend(objects.map(|object| object.unwrap().path()));
        }
        found.sort();
        found
    }
}

fn stored(written: &Written) -> u64 {
    written.packs.iter().map(|pack| pack.stored_bytes).sum()
}

/// A large table, a small one, one that is empty.
fn first_day() -> Vec<Bytes> {
    vec![contents(1, 90 << 20), contents(2, 150_000), Bytes::new()]
}

/// Some bytes in the middle of the large table are others, and some are new at its end.
fn second_day() -> Vec<Bytes> {
    let mut changed = first_day()[0].to_vec();
    changed[45 << 20..(45 << 20) + 1000].fill(7);
    changed.extend_from_slice(&contents(9, 400_000));
    vec![changed.into(), contents(2, 150_000), Bytes::new()]
}

async fn next_day(encrypted: bool) {
    let fixture = fixture(encrypted, 1).await;
    let first = fixture.back_up(Reuse::within(MEMORY), &first_day()).await;
    let base = fixture.comes_back(&first, &first_day()).await;
    let lists = fixture.objects("lists").len();
    let Opened { reuse, troubles, .. } = fixture.open(Some(&base), &[]).await;
    assert_eq!(troubles, Vec::<String>::new());
    let second = fixture.back_up(reuse, &second_day()).await;
    assert!(stored(&second) < stored(&first) / 50, "{}", stored(&second));
    assert!(second.reused_bytes > 88 << 20);
    assert_eq!(second.troubles, Vec::<String>::new());
    let reader = fixture.comes_back(&second, &second_day()).await;
    assert!(
        fixture.objects("lists").len() <= lists + 2,
        "equal lists are one object"
    );
    let payload = reader.payload();
    assert_eq!(payload.outline.packs.len(), payload.contents.referenced.len());
    for (pack, referenced) in payload.outline.packs.iter().zip(&payload.contents.referenced) {
        assert!((1..=pack.size).contains(referenced));
    }
    assert_eq!(
        payload.contents.figures.unwrap().base,
        Some(base.payload().outline.backup)
    );
    // A third one without a change stores nothing at all.
    let Opened { reuse, .. } = fixture.open(Some(&reader), &[]).await;
    let third = fixture.back_up(reuse, &second_day()).await;
    assert_eq!(stored(&third), 0);
    fixture.comes_back(&third, &second_day()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_day_stores_what_changed_encrypted() {
    next_day(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_day_stores_what_changed_plain() {
    next_day(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_repeats_within_a_backup_is_stored_once() {
    let fixture = fixture(true, 1).await;
    let streams = [
        vec![0; 30 << 20].into(),
        contents(3, 1 << 20),
        contents(3, 1 << 20),
    ];
    let written = fixture.back_up(Reuse::within(MEMORY), &streams).await;
    assert!(stored(&written) < 700_000, "{}", stored(&written));
    fixture.comes_back(&written, &streams).await;
}

async fn goes_on_after_a_failure(encrypted: bool) {
    let fixture = fixture(encrypted, 1).await;
    let (pipeline, mut told, _) = fixture.start_with(Reuse::within(MEMORY));
    let mut writer = pipeline.sink().open(table(0)).await.unwrap();
    for piece in 0..70 {
        let piece = first_day()[0].slice(piece << 20..(piece + 1) << 20);
        writer.write(piece).await.unwrap();
    }
    // Killed: nothing of it is committed, but some packs are told of.
    let mut left = Vec::new();
    while left.len() < 2 {
        let pack = told.recv().await.unwrap();
        left.push(WrittenPack {
            id: pack.pack,
            stored_bytes: pack.stored_bytes,
        });
    }
    pipeline.abandon().await;
    let Opened { reuse, troubles, .. } = fixture.open(None, &left).await;
    assert_eq!(troubles, Vec::<String>::new());
    let written = fixture.back_up(reuse, &first_day()).await;
    let kept: u64 = left.iter().map(|pack| pack.stored_bytes).sum();
    assert_eq!(written.earlier_packs.len(), 2);
    assert!(
        stored(&written) + kept < (48 << 20),
        "{} and {kept}",
        stored(&written)
    );
    fixture.comes_back(&written, &first_day()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_attempt_goes_on_from_what_the_last_one_left_encrypted() {
    goes_on_after_a_failure(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_attempt_goes_on_from_what_the_last_one_left_plain() {
    goes_on_after_a_failure(false).await;
}

/// Damages objects of the base, and backs up all the same: everything comes back but for what a damaged frame holds, and
/// that the damage of no list or size stays unseen.
async fn with_damage(kind: &str, damage: impl Fn(usize, &PathBuf)) -> (Written, Opened) {
    let fixture = fixture(true, 1).await;
    let first = fixture.back_up(Reuse::within(MEMORY), &first_day()).await;
    let base = fixture.comes_back(&first, &first_day()).await;
    for (number, object) in fixture.objects(kind).iter().enumerate() {
        damage(number, object);
    }
    let mut opened = fixture.open(Some(&base), &[]).await;
    let reuse = std::mem::take(&mut opened.reuse);
    let second = fixture.back_up(reuse, &second_day()).await;
    fixture.comes_back(&second, &second_day()).await;
    (second, opened)
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_are_gone_or_cut_off_are_stored_anew() {
    let (second, opened) = with_damage("packs", |number, pack| match number {
        0 => std::fs::remove_file(pack).unwrap(),
        1 => {
            let whole = std::fs::read(pack).unwrap();
            std::fs::write(pack, &whole[..whole.len() - 1]).unwrap();
        }
        _ => {}
    })
    .await;
    assert!(opened.found[0].contains("2 of its"), "{:?}", opened.found);
    assert!(stored(&second) > 20 << 20 && second.reused_bytes > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_are_gone_or_damaged_are_told_and_made_anew() {
    let (second, _) = with_damage("lists", |number, list| {
        if number == 0 {
            let mut whole = std::fs::read(list).unwrap();
            let middle = whole.len() / 2;
            whole[middle] ^= 4;
            std::fs::write(list, whole).unwrap();
        }
    })
    .await;
    assert!(
        second.troubles.iter().any(|told| told.contains("stored anew")),
        "{:?}",
        second.troubles
    );
    let (second, _) = with_damage("lists", |_, list| std::fs::remove_file(list).unwrap()).await;
    assert!(!second.troubles.is_empty() && stored(&second) > 40 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_gone_is_no_hindrance() {
    let fixture = fixture(true, 1).await;
    let first = fixture.back_up(Reuse::within(MEMORY), &first_day()).await;
    let base = fixture.comes_back(&first, &first_day()).await;
    let key = ObjectKey::Manifest(fixture.settings.datasource, base.payload().outline.backup);
    std::fs::remove_file(Path::new(&fixture.destinations[0].storage.to_string()).join(key.to_string()))
        .unwrap();
    let Opened { reuse, troubles, .. } = fixture.open(Some(&base), &[]).await;
    assert!(troubles[0].contains("can't be built upon"), "{troubles:?}");
    let second = fixture.back_up(reuse, &second_day()).await;
    assert_eq!((second.base, second.earlier_packs.len()), (None, 0));
    fixture.comes_back(&second, &second_day()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_somebody_else_signed_is_not_built_upon() {
    let mut fixture = fixture(false, 1).await;
    let first = fixture.back_up(Reuse::none(), &first_day()[1..]).await;
    let base = fixture.comes_back(&first, &first_day()[1..]).await;
    fixture.signing = SigningKey::generate().unwrap();
    let Opened { reuse, troubles, .. } = fixture.open(Some(&base), &[]).await;
    assert_eq!((reuse.base, troubles.len()), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn packs_that_are_mostly_unneeded_are_left_to_die() {
    let fixture = fixture(true, 1).await;
    let first = fixture
        .back_up(Reuse::within(MEMORY), &[contents(1, 20 << 20)])
        .await;
    let base = fixture.comes_back(&first, &[contents(1, 20 << 20)]).await;
    // A tenth of it stays.
    let shrunk = [contents(1, 2 << 20)];
    let Opened { reuse, .. } = fixture.open(Some(&base), &[]).await;
    let second = fixture.back_up(reuse, &shrunk).await;
    assert!(!second.earlier_packs.is_empty());
    let base = fixture.comes_back(&second, &shrunk).await;
    let Opened { reuse, found, .. } = fixture.open(Some(&base), &[]).await;
    assert!(found[0].contains("mostly unneeded"), "{found:?}");
    let third = fixture.back_up(reuse, &shrunk).await;
    let still = |pack: &WrittenPack| third.earlier_packs.contains(pack);
    assert!(!first.packs.iter().any(still), "{third:?}");
    fixture.comes_back(&third, &shrunk).await;
}
