use dataguardian_core::ids::DatasourceId;
use proptest::prelude::*;

use super::*;
use crate::format::MAX_LIST_ENTRIES;
use crate::keys::{InstallationKey, Protection};

fn encrypted(seed: u8) -> Protection {
    let datasource = DatasourceId::from_uuid(uuid::Uuid::from_u128(1));
    Protection::encrypted(
        InstallationKey::from_bytes(&[seed; 32])
            .unwrap()
            .derive(datasource),
    )
}

/// A reference whose id ends no list.
fn reference(n: u32) -> ChunkRef {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_le_bytes());
    id[31] = 1;
    ChunkRef {
        id: ChunkId::from_bytes(id),
        pack: PackId::from_bytes([(n / 250) as u8; 32]),
        frame: FrameNumber(n % 250),
        offset: 64 + 1000 * (n % 250),
        stored_len: 1000,
        raw_len: 4000 + n,
    }
}

fn ending(n: u32) -> ChunkRef {
    let mut id = *reference(n).id.as_bytes();
    (id[30], id[31]) = (0b1111_1100, 0);
    ChunkRef {
        id: ChunkId::from_bytes(id),
        ..reference(n)
    }
}

fn lists(protection: &Protection, references: &[ChunkRef]) -> Vec<SealedList> {
    let mut builder = ListBuilder::new(protection);
    let mut lists: Vec<_> = references
        .iter()
        .filter_map(|chunk| builder.push(*chunk).unwrap())
        .collect();
    lists.extend(builder.finish().unwrap());
    lists
}

#[test]
fn lists_give_back_what_was_put_in() {
    let references: Vec<_> = (0..1000).map(reference).collect();
    for protection in [Protection::Plain, encrypted(7)] {
        let [list] = &lists(&protection, &references)[..] else {
            panic!()
        };
        assert_eq!(decode(&protection, &list.bytes).unwrap(), references);
        assert_eq!(list.id, ListId::of(&list.bytes));
        assert_eq!((list.entries, list.first_chunk), (1000, references[0].id));
        assert_eq!(
            list.raw_bytes,
            references
                .iter()
                .map(|chunk| u64::from(chunk.raw_len))
                .sum::<u64>()
        );
        assert_eq!(list.packs, [0, 1, 2, 3].map(|n| PackId::from_bytes([n; 32])));
    }
}

#[test]
fn a_list_ends_where_its_last_chunk_says_so() {
    let references: Vec<_> = (0..10)
        .map(|n| if n == 5 { ending(n) } else { reference(n) })
        .collect();
    let entries: Vec<_> = lists(&Protection::Plain, &references)
        .iter()
        .map(|list| list.entries)
        .collect();
    assert_eq!(entries, [6, 4]);
}

#[test]
fn a_list_has_no_more_than_its_most_entries() {
    let references: Vec<_> = (0..5000).map(reference).collect();
    let entries: Vec<_> = lists(&Protection::Plain, &references)
        .iter()
        .map(|list| list.entries)
        .collect();
    assert_eq!(entries, [MAX_LIST_ENTRIES as u32, 5000 - MAX_LIST_ENTRIES as u32]);
}

#[test]
fn streams_that_agree_after_a_cut_share_their_lists() {
    let common: Vec<_> = (100..200).map(reference).collect();
    let one = [vec![reference(1), ending(2)], common.clone()].concat();
    let two = [vec![reference(3), reference(4), ending(5)], common].concat();
    for protection in [Protection::Plain, encrypted(7)] {
        let (one, two) = (lists(&protection, &one), lists(&protection, &two));
        assert_ne!(one[0], two[0]);
        assert_eq!(one[1], two[1]);
    }
    assert_ne!(lists(&encrypted(7), &one)[1].id, lists(&encrypted(8), &one)[1].id);
}

#[test]
fn short_tails_stay_in_the_manifest() {
    let tail = |count: u32| {
        let mut builder = ListBuilder::new(&encrypted(7));
        (0..count).for_each(|n| assert_eq!(builder.push(reference(n)), Ok(None)));
        builder.finish_tail().unwrap()
    };
    assert_eq!(tail(0), Tail::Empty);
    assert_eq!(tail(2), Tail::Inline(vec![reference(0), reference(1)]));
    assert!(matches!(tail(5), Tail::List(list) if list.entries == 5));
}

#[test]
fn an_empty_stream_has_no_list() {
    assert_eq!(lists(&Protection::Plain, &[]), []);
}

proptest! {
    #[test]
    fn mangled_lists_never_panic(
        seal: bool,
        cut: prop::sample::Index,
        splices in prop::collection::vec((any::<prop::sample::Index>(), any::<Vec<u8>>()), 0..4),
    ) {
        let protection = if seal { encrypted(7) } else { Protection::Plain };
        let references: Vec<_> = (0..20).map(reference).collect();
        let good = lists(&protection, &references).remove(0).bytes;
        let mut bytes = good[..cut.index(good.len() + 1)].to_vec();
        for (at, with) in splices {
            let at = at.index(bytes.len() + 1);
            let end = (at + with.len()).min(bytes.len());
            bytes.splice(at..end, with);
        }
        if let Ok(decoded) = decode(&protection, &bytes) {
            prop_assert!(decoded.iter().all(decode::in_bounds));
            prop_assert!(!seal || decoded == references);
        }
    }
}
