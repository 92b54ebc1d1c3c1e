use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use dataguardian_core::failure::FailureKind;
use futures::TryStreamExt;
use proptest::prelude::*;
use tokio::runtime::Runtime;

use super::*;
use crate::chunker::Profile;
use crate::chunker::tests::noise;
use crate::keys::InstallationKey;
use crate::presence::{MissingOrWrongSize, check_presence};
use crate::testing::{BACKUP, DATASOURCE, Recipe, TestBackup, encrypted, manifest, stored, trusted};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

fn protection(seal: bool) -> Protection {
    if seal { encrypted() } else { Protection::Plain }
}

/// Streams of every kind: none, tiny, with a tail, with a list, repeating itself; over several packs.
fn streams() -> Vec<Bytes> {
    let rows: String = (0..60_000).map(|n| format!("{n}\tsome row or other\n")).collect();
    vec![
        Bytes::new(),
        Bytes::from_static(b"CREATE TABLE t ();\n"),
        noise(1, 150_000).into(),
        rows.into(),
        noise(2, 700_000).into(),
        vec![0; 2_000_000].into(),
        noise(2, 700_000).into(),
    ]
}

fn recipe(seal: bool) -> Recipe {
    Recipe {
        protection: protection(seal),
        profile: Profile::ContentDefined,
        pack_target: 300_000,
        streams: streams(),
    }
}

/// One small backup of each kind, made once.
fn small(seal: bool) -> &'static TestBackup {
    static PLAIN: LazyLock<TestBackup> = LazyLock::new(|| make_small(false));
    static SEALED: LazyLock<TestBackup> = LazyLock::new(|| make_small(true));
    if seal { &SEALED } else { &PLAIN }
}

fn small_streams() -> Vec<Bytes> {
    vec![Bytes::from_static(b"tiny\n"), noise(3, 400_000).into()]
}

fn make_small(seal: bool) -> TestBackup {
    Recipe {
        protection: protection(seal),
        profile: Profile::ContentDefined,
        pack_target: 200_000,
        streams: small_streams(),
    }
    .make()
}

async fn read_all(storage: Storage, protection: Protection) -> Result<Vec<Bytes>, ReadError> {
    let reader = BackupReader::open(storage, DATASOURCE, BACKUP, protection, &trusted()).await?;
    let mut streams = Vec::new();
    for index in 0..reader.streams().len() {
        let pieces: Vec<Bytes> = reader.read_stream(index)?.try_collect().await?;
        streams.push(pieces.concat().into());
    }
    Ok(streams)
}

#[tokio::test]
async fn backups_give_back_what_was_put_in() {
    for seal in [false, true] {
        let backup = recipe(seal).make();
        assert!(backup.payload.outline.packs.len() > 3 && !backup.payload.outline.lists.is_empty());
        let storage = stored(&backup.objects).await;
        assert_eq!(
            read_all(storage.clone(), protection(seal)).await.unwrap(),
            streams()
        );
        assert_eq!(
            check_presence(&storage, &backup.payload.outline).await.unwrap(),
            []
        );
    }
}

#[tokio::test]
async fn a_directory_holds_a_backup() {
    let directory = tempfile::tempdir().unwrap();
    let storage = Storage::local(directory.path()).unwrap();
    for (key, bytes) in recipe(true).make().objects {
        storage.put_if_absent(&key, bytes).await.unwrap();
    }
    assert_eq!(read_all(storage, encrypted()).await.unwrap(), streams());
}

#[tokio::test]
async fn four_mib_frames_are_read_too() {
    let recipe = Recipe {
        protection: encrypted(),
        profile: Profile::Stream,
        pack_target: 16 << 20,
        streams: vec![noise(4, (9 << 20) + 1).into()],
    };
    let storage = stored(&recipe.make().objects).await;
    assert_eq!(read_all(storage, encrypted()).await.unwrap(), recipe.streams);
}

#[tokio::test]
async fn every_missing_or_cut_object_is_named() {
    for seal in [false, true] {
        let backup = small(seal);
        for lost in 0..backup.objects.len() {
            let (key, bytes) = backup.objects[lost].clone();
            let mut objects = backup.objects.clone();
            objects.remove(lost);
            let error = read_all(stored(&objects).await, protection(seal))
                .await
                .unwrap_err();
            assert!(
                error.to_string().contains(&key.to_string()) && error.is_damage(),
                "{error}"
            );

            let half = bytes.slice(..bytes.len() / 2);
            objects.push((key, half.clone()));
            let storage = stored(&objects).await;
            let error = read_all(storage.clone(), protection(seal)).await.unwrap_err();
            assert!(error.to_string().contains(&key.to_string()), "{error}");
            assert_eq!(error.failure_kind(), FailureKind::RepositoryDamaged, "{error}");
            if !matches!(key, ObjectKey::Manifest(..)) {
                let (expected, found) = (bytes.len() as u64, Some(half.len() as u64));
                let problem = MissingOrWrongSize { key, expected, found };
                assert_eq!(
                    check_presence(&storage, &backup.payload.outline).await.unwrap(),
                    [problem]
                );
            }
        }
    }
}

#[tokio::test]
async fn packs_and_lists_in_each_others_places_are_refused() {
    for seal in [false, true] {
        let mut objects = small(seal).objects.clone();
        let packs: Vec<_> = (0..objects.len())
            .filter(|n| matches!(objects[*n].0, ObjectKey::Pack(..)))
            .collect();
        let other = objects[packs[1]].1.clone();
        objects[packs[0]].1 = other;
        let error = read_all(stored(&objects).await, protection(seal))
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains(&objects[packs[0]].0.to_string()),
            "{error}"
        );
    }
}

#[tokio::test]
async fn another_key_and_another_signer_are_refused() {
    let storage = stored(&small(true).objects).await;
    let other = Protection::encrypted(InstallationKey::from_bytes(&[9; 32]).unwrap().derive(DATASOURCE));
    for other in [Protection::Plain, other] {
        let error = read_all(storage.clone(), other).await.unwrap_err();
        assert_eq!(error.failure_kind(), FailureKind::RepositoryKey, "{error}");
    }
    let stranger = crate::manifest::SigningKey::generate().unwrap().verifying_key();
    for trusted in [vec![], vec![stranger]] {
        let opened = BackupReader::open(storage.clone(), DATASOURCE, BACKUP, encrypted(), &trusted).await;
        assert!(opened.unwrap_err().to_string().contains(&BACKUP.to_string()));
    }
}

#[tokio::test]
async fn what_a_signed_manifest_says_wrongly_is_found() {
    type Lie = fn(&mut Payload);
    let lies: [(Lie, &str); 6] = [
        (|payload| payload.contents.streams[1].lists.clear(), "stream 1"),
        (|payload| payload.contents.streams[1].bytes += 1, "stream 1"),
        (|payload| payload.contents.streams[0].tail.clear(), "stream 0"),
        (
            |payload| payload.contents.streams[1].lists[0].chunks += 1,
            "other chunks",
        ),
        (
            |payload| payload.outline.packs.truncate(1),
            "which the manifest does not name",
        ),
        (|payload| payload.outline.packs[1].size = 64, "which has 64"),
    ];
    for seal in [false, true] {
        for (lie, told) in lies {
            let TestBackup { payload, objects } = small(seal);
            let (mut payload, mut objects) = (payload.clone(), objects.clone());
            lie(&mut payload);
            objects.pop();
            objects.push((
                ObjectKey::Manifest(DATASOURCE, BACKUP),
                manifest(&payload, &protection(seal)),
            ));
            let error = read_all(stored(&objects).await, protection(seal))
                .await
                .unwrap_err();
            assert!(
                error.failure().message.contains(told),
                "{told} is not told in {:?}",
                error.failure()
            );
            assert!(error.is_damage());
        }
    }
}

#[tokio::test]
async fn a_failure_tells_object_and_cause() {
    let mut objects = small(true).objects.clone();
    let (key, pack) = &mut objects[0];
    let (key, mut changed) = (*key, pack.to_vec());
    changed[100] ^= 1;
    *pack = changed.into();
    let failure = read_all(stored(&objects).await, encrypted())
        .await
        .unwrap_err()
        .failure();
    assert_eq!(failure.kind, FailureKind::RepositoryDamaged);
    for told in [
        key.describe().as_str(),
        "is damaged: frame 1, chunk ",
        "does not open",
    ] {
        assert!(
            failure.message.contains(told),
            "{told} is not told in {failure:?}"
        );
    }
}

#[tokio::test]
async fn a_manifest_in_another_ones_place_is_refused() {
    let mut objects = small(false).objects.clone();
    let (_, manifest) = objects.pop().unwrap();
    let elsewhere = BackupId::new();
    objects.push((ObjectKey::Manifest(DATASOURCE, elsewhere), manifest));
    let storage = stored(&objects).await;
    let error = BackupReader::open(storage, DATASOURCE, elsewhere, Protection::Plain, &trusted())
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            ReadError::Damaged {
                damage: Damage::OtherBackup,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn cpu_work_goes_where_the_caller_wants_it() {
    let submitted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&submitted);
    let executor = Executor::new(move |work| {
        count.fetch_add(1, Ordering::SeqCst);
        work();
    });
    let storage = stored(&small(true).objects).await;
    let reader = BackupReader::open(storage, DATASOURCE, BACKUP, encrypted(), &trusted())
        .await
        .unwrap();
    let read = async |reader: &BackupReader| {
        let pieces: Result<Vec<Bytes>, _> = reader.read_stream(1).unwrap().try_collect().await;
        pieces.map(|pieces| pieces.concat())
    };
    let reader = reader.with_executor(executor);
    assert_eq!(read(&reader).await.unwrap(), small_streams()[1]);
    assert!(submitted.load(Ordering::SeqCst) > 0);
    let lazy = reader.with_executor(Executor::new(drop));
    assert!(matches!(read(&lazy).await, Err(ReadError::GivenUp)));
    assert!(matches!(
        lazy.read_stream(2).err(),
        Some(ReadError::NoSuchStream { index: 2, streams: 2 })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_flipped_bit_is_found_and_named_or_does_no_harm(
        seal: bool,
        which: prop::sample::Index,
        position: prop::sample::Index,
        bit in 0_u32..8,
    ) {
        let mut objects = small(seal).objects.clone();
        let (key, bytes) = &mut objects[which.index(small(seal).objects.len())];
        let (key, mut changed) = (*key, bytes.to_vec());
        let at = position.index(changed.len());
        changed[at] ^= 1 << bit;
        *bytes = changed.into();
        let read = RUNTIME.block_on(async { read_all(stored(&objects).await, protection(seal)).await });
        match read {
            Ok(streams) => prop_assert_eq!(streams, small_streams()),
            Err(error) => {
                let told = error.to_string();
                prop_assert!(told.contains(&key.to_string()), "{} is not named in {}", key, told);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_written_is_read_back(
        seal: bool,
        pack_target in 1_u32..2_000_000,
        stream in any::<bool>(),
        streams in prop::collection::vec((any::<u64>(), 0_usize..400_000, prop::sample::select(vec![0xff_u8, 3, 0])), 0..6),
    ) {
        let bytes = |(seed, len, mask)| noise(seed, len).into_iter().map(|byte| byte & mask).collect::<Vec<u8>>().into();
        let recipe = Recipe {
            protection: protection(seal),
            profile: if stream { Profile::Stream } else { Profile::ContentDefined },
            pack_target,
            streams: streams.into_iter().map(bytes).collect(),
        };
        let read = RUNTIME.block_on(async { read_all(stored(&recipe.make().objects).await, protection(seal)).await });
        prop_assert_eq!(read.unwrap(), recipe.streams);
    }
}
