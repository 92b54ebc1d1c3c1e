use dataguardian_core::ids::DatasourceId;
use proptest::prelude::*;

use super::*;
use crate::keys::InstallationKey;

/// Numbers that look random and are the same everywhere: xorshift64* (Marsaglia 2003, Vigna 2016).
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn keyed() -> Protection {
    let datasource = DatasourceId::from_uuid(uuid::Uuid::from_u128(1));
    Protection::encrypted(InstallationKey::from_bytes(&[7; 32]).unwrap().derive(datasource))
}

fn cut(profile: Profile, protection: &Protection, pieces: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
    let mut chunks = Vec::new();
    let mut emit = |chunk: RawChunk| chunks.push(chunk.0);
    let mut chunker = Chunker::new(profile, protection);
    for piece in pieces {
        chunker.push(piece, &mut emit);
    }
    chunker.finish(&mut emit);
    chunks
}

fn lengths(protection: &Protection, bytes: Vec<u8>) -> Vec<usize> {
    cut(Profile::ContentDefined, protection, [bytes.into()])
        .iter()
        .map(Bytes::len)
        .collect()
}

/// Frozen: a change here costs every user the reuse of what they stored before.
#[test]
fn cuts_are_where_they_have_always_been() {
    let bytes = noise(1, 1 << 20);
    assert_eq!(
        lengths(&Protection::Plain, bytes.clone()),
        [
            63025, 65103, 65940, 62562, 55946, 57823, 63099, 73277, 26096, 43869, 53531, 54238, 94610, 54169,
            62875, 25334, 58854, 58141, 10084
        ]
    );
    assert_eq!(
        lengths(&keyed(), bytes),
        [
            53811, 63469, 58345, 56581, 79459, 62348, 74210, 62913, 59825, 69360, 55172, 63488, 55274, 91669,
            65714, 71767, 5171
        ]
    );
    assert_eq!(
        lengths(&Protection::Plain, vec![0; 1_000_000]),
        [262_144, 262_144, 262_144, 213_568]
    );
}

#[test]
fn random_data_is_cut_into_64_kib_on_average() {
    let lengths = lengths(&Protection::Plain, noise(2, 64 << 20));
    let average = (64 << 20) / lengths.len();
    assert!((60 << 10..68 << 10).contains(&average), "{average}");
}

#[test]
fn an_insertion_changes_only_what_is_near_it() {
    let before = noise(3, 8 << 20);
    let mut after = before.clone();
    after.splice(3 << 20..3 << 20, *b"a few bytes more");
    let chunks = |bytes: Vec<u8>| cut(Profile::ContentDefined, &Protection::Plain, [bytes.into()]);
    let known: std::collections::HashSet<_> = chunks(before).into_iter().collect();
    let new = chunks(after)
        .iter()
        .filter(|chunk| !known.contains(*chunk))
        .count();
    assert!(new <= 4, "{new} chunks changed");
}

#[test]
fn the_stream_profile_cuts_every_4_mib() {
    let bytes = Bytes::from(noise(4, (9 << 20) + 5));
    let pieces: Vec<_> = bytes.chunks(1_000_003).map(Bytes::copy_from_slice).collect();
    let chunks = cut(Profile::Stream, &Protection::Plain, pieces);
    let lengths: Vec<_> = chunks.iter().map(Bytes::len).collect();
    assert_eq!(lengths, [4 << 20, 4 << 20, (1 << 20) + 5]);
    assert_eq!(chunks.concat(), bytes);
}

#[test]
fn an_empty_stream_has_no_chunk() {
    assert!(cut(Profile::ContentDefined, &Protection::Plain, [Bytes::new()]).is_empty());
    assert!(cut(Profile::Stream, &Protection::Plain, []).is_empty());
}

#[test]
fn chunks_within_a_push_are_not_copied() {
    let bytes = Bytes::from(noise(5, 1 << 20));
    let chunks = cut(Profile::ContentDefined, &Protection::Plain, [bytes.clone()]);
    let within = bytes.as_ptr_range();
    let shared = chunks
        .iter()
        .filter(|chunk| within.contains(&chunk.as_ptr()))
        .count();
    assert_eq!(
        shared,
        chunks.len() - 1,
        "all but the last, which waited for more"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cuts_do_not_depend_on_pushes(
        seed: u64,
        len in 0_usize..600_000,
        sizes in prop::collection::vec(1_usize..200_000, 1..20),
        encrypted: bool,
        // Low entropy makes long stretches without a cut.
        mask in prop::sample::select(vec![0xff_u8, 0x01, 0x00]),
    ) {
        let bytes: Bytes = noise(seed, len).into_iter().map(|byte| byte & mask).collect::<Vec<_>>().into();
        let protection = if encrypted { keyed() } else { Protection::Plain };
        let whole = cut(Profile::ContentDefined, &protection, [bytes.clone()]);
        let mut rest = bytes.clone();
        let pieces: Vec<_> = sizes.iter().map(|size| rest.split_to((*size).min(rest.len()))).collect();
        let pieces = pieces.into_iter().chain([rest]);
        prop_assert_eq!(&cut(Profile::ContentDefined, &protection, pieces), &whole);
        prop_assert_eq!(whole.concat(), bytes);
        for (index, chunk) in whole.iter().enumerate() {
            prop_assert!(chunk.len() <= MAX_LEN);
            prop_assert!(chunk.len() >= MIN_LEN || index + 1 == whole.len());
        }
    }
}
