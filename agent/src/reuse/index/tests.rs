use std::collections::{BTreeMap, BTreeSet};

use dataguardian_core::stream::StreamRole;
use dataguardian_repository::pack::FrameNumber;
use proptest::prelude::*;

use super::*;

fn header(database: &str) -> StreamHeader {
    StreamHeader {
        role: StreamRole::TableData,
        database: Some(database.to_owned()),
        object: None,
    }
}

/// Chunk number `n` of everything: its id looks like a digest.
fn chunk(n: u64) -> ChunkRef {
    let mut id = [0; 32];
    for (place, part) in id.chunks_mut(8).enumerate() {
        let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9 + 2 * place as u64);
        part.copy_from_slice(&(mixed ^ (mixed >> 29)).to_be_bytes());
    }
    let mut pack = [0; 32];
    pack[..8].copy_from_slice(&(n / 250).to_be_bytes());
    ChunkRef {
        id: ChunkId::from_bytes(id),
        pack: PackId::from_bytes(pack),
        frame: FrameNumber((n % 250) as u32),
        offset: 64,
        stored_len: 1000,
        raw_len: 65_536,
    }
}

/// One stream of segments with so many chunks each, numbered from `first` on.
fn add(index: &mut Index, origin: Origin, lens: &[u32], first: u64) -> BTreeMap<Segment, Vec<u64>> {
    let mut segments = BTreeMap::new();
    let mut previous = None;
    let mut next = first;
    for &len in lens {
        let numbers: Vec<_> = (next..next + u64::from(len)).collect();
        next += u64::from(len);
        let segment = index.add(origin, len, previous);
        index.hook(&chunk(numbers[0]).id, segment);
        previous = Some(segment);
        segments.insert(segment, numbers);
    }
    segments
}

/// Loads whatever is asked for, until the answer stands.
fn find(
    index: &mut Index,
    stream: usize,
    id: &ChunkId,
    load: &mut impl FnMut(Segment) -> Option<Vec<ChunkRef>>,
) -> Option<ChunkRef> {
    for _ in 0..5 {
        let found = index.find(stream, id);
        let wanted = index.take_wanted();
        let asked = match found {
            Found::Here(_) | Found::Nowhere => None,
            Found::AfterLoading(segment) => Some(segment),
        };
        for segment in asked.into_iter().chain(wanted) {
            if index.begin_loading(segment) {
                match load(segment) {
                    Some(chunks) => index.loaded(segment, chunks),
                    None => index.lost(segment),
                }
            }
        }
        match found {
            Found::Here(chunk) => return Some(chunk),
            Found::Nowhere => return None,
            Found::AfterLoading(_) => {}
        }
    }
    None
}

/// A base of one TB: what is found in it, and that it never takes more memory than it may.
#[test]
fn a_terabyte_is_walked_through_within_the_budget() {
    const LISTS: u32 = 16_384;
    const CHUNKS: u32 = 1024;
    let budget = 8 << 20;
    let mut index = Index::new(budget);
    let mut previous = None;
    for list in 0..LISTS {
        let segment = index.add(Origin::Base, CHUNKS, previous);
        index.hook(&chunk(u64::from(list * CHUNKS)).id, segment);
        previous = Some(segment);
    }
    index.begins(header("shop"), 0);
    index.open(0, &header("shop"));
    let mut loads = 0_u32;
    let mut load = |segment: Segment| {
        loads += 1;
        let first = u64::from(segment * CHUNKS);
        Some((first..first + u64::from(CHUNKS)).map(chunk).collect())
    };
    for list in 0..LISTS {
        for place in (0..CHUNKS).step_by(101) {
            let wanted = chunk(u64::from(list * CHUNKS + place));
            assert_eq!(find(&mut index, 0, &wanted.id, &mut load), Some(wanted));
        }
    }
    assert_eq!(loads, LISTS, "each list is read once");
    assert!(index.peak() <= budget, "{} of {budget} bytes", index.peak());
}

#[test]
fn after_a_stretch_of_new_rows_the_old_ones_are_found_again() {
    let mut index = Index::new(1 << 20);
    let segments = add(&mut index, Origin::Base, &[10; 30], 0);
    index.begins(header("shop"), 0);
    index.open(7, &header("shop"));
    let mut load = |segment: Segment| Some(segments[&segment].iter().copied().map(chunk).collect());
    let mut look = |n: u64| find(&mut index, 7, &chunk(n).id, &mut load).is_some();
    assert!(look(0) && look(3) && !look(100_000) && look(5), "within a list");
    assert!(!look(100_001) && look(14) && look(29), "in the lists after it");
    // From here on rows were deleted: the next list is known by its first chunk.
    assert!(!look(203) && look(210) && look(215) && look(225));
}

#[test]
fn what_is_lost_or_must_not_be_used_is_as_if_it_had_never_been() {
    let mut index = Index::new(1 << 20);
    let segments = add(&mut index, Origin::Base, &[250, 250, 250], 0);
    index.begins(header("shop"), 0);
    index.open(0, &header("shop"));
    index.avoid([chunk(0).pack]);
    let mut asked = Vec::new();
    let mut load = |segment: Segment| {
        asked.push(segment);
        (segment != 1).then(|| segments[&segment].iter().copied().map(chunk).collect())
    };
    let mut look = |n: u64| find(&mut index, 0, &chunk(n).id, &mut load).is_some();
    assert!(!look(0) && !look(1), "in a pack to be avoided");
    assert!(
        !look(250) && !look(251) && !look(250),
        "in a list that can't be read"
    );
    assert!(look(500) && look(501));
    asked.sort_unstable();
    assert_eq!(asked, [0, 1, 2], "each was read once");
}

#[test]
fn what_an_attempt_left_is_found_by_a_stream_of_any_name() {
    let mut index = Index::new(1 << 20);
    let segments = add(&mut index, Origin::Left, &[40; 5], 0);
    index.open(0, &header("shop"));
    index.open(1, &header("crm"));
    let mut load = |segment: Segment| Some(segments[&segment].iter().copied().map(chunk).collect());
    for n in 0..100 {
        assert!(find(&mut index, 0, &chunk(n).id, &mut load).is_some(), "{n}");
    }
    // A stream that opens now begins where the other one is.
    index.open(2, &header("hr"));
    for n in 101..200 {
        assert!(find(&mut index, 2, &chunk(n).id, &mut load).is_some(), "{n}");
    }
}

proptest! {
    /// Whatever is asked in whatever order, with whatever budget and losses: an answer is right, and the budget holds.
    #[test]
    fn an_answer_is_right_and_the_budget_holds(
        lens in prop::collection::vec(1_u32..60, 1..12),
        left in prop::collection::vec(1_u32..60, 0..6),
        budget in 0_usize..60_000,
        avoided in prop::collection::btree_set(0_u64..4, 0..3),
        lost in prop::collection::btree_set(0_u32..18, 0..4),
        asked in prop::collection::vec((0_usize..3, 0_u64..1500), 1..200),
    ) {
        let mut index = Index::new(budget);
        let mut segments = add(&mut index, Origin::Base, &lens, 0);
        segments.extend(add(&mut index, Origin::Left, &left, 800));
        let known: BTreeSet<u64> = segments.values().flatten().copied().collect();
        index.begins(header("shop"), 0);
        index.avoid(avoided.iter().map(|pack| chunk(pack * 250).pack));
        for stream in 0..3 {
            index.open(stream, &header(["shop", "crm", "hr"][stream]));
        }
        let mut load = |segment: Segment| {
            let chunks = segments[&segment].iter().copied().map(chunk).collect();
            (!lost.contains(&segment)).then_some(chunks)
        };
        for (stream, n) in asked {
            if let Some(found) = find(&mut index, stream, &chunk(n).id, &mut load) {
                prop_assert_eq!(found, chunk(n));
                prop_assert!(known.contains(&n) && !avoided.contains(&(n / 250)));
            }
        }
        prop_assert!(index.peak() <= budget);
    }

    /// With enough memory and nothing lost, a stream that is the same as before is found whole.
    #[test]
    fn what_did_not_change_is_found_whole(lens in prop::collection::vec(1_u32..60, 1..12)) {
        let mut index = Index::new(1 << 20);
        let segments = add(&mut index, Origin::Base, &lens, 0);
        index.begins(header("shop"), 0);
        index.open(0, &header("shop"));
        let mut load = |segment: Segment| Some(segments[&segment].iter().copied().map(chunk).collect());
        for n in segments.values().flatten() {
            prop_assert_eq!(find(&mut index, 0, &chunk(*n).id, &mut load), Some(chunk(*n)));
        }
    }
}
