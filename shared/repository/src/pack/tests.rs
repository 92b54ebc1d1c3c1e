use std::io::Read;

use dataguardian_core::ids::DatasourceId;
use proptest::prelude::*;

use super::*;
use crate::chunk::RawChunk;
use crate::compress::{CompressedChunk, Compressor, Level};
use crate::keys::{InstallationKey, Protection};
use crate::seal::{KeyError, SealError};

fn keys(seed: u8) -> crate::keys::DatasourceKeys {
    let datasource = DatasourceId::from_uuid(uuid::Uuid::from_u128(1));
    InstallationKey::from_bytes(&[seed; 32])
        .unwrap()
        .derive(datasource)
}

fn encrypted() -> Protection {
    Protection::encrypted(keys(7))
}

fn contents() -> Vec<Bytes> {
    let long = "a line that repeats itself\n".repeat(3000);
    vec![
        Bytes::from_static(b"one"),
        Bytes::from(long),
        Bytes::from_static(&[0; 1]),
    ]
}

fn pack(protection: &Protection, contents: &[Bytes]) -> SealedPack {
    let mut compressor = Compressor::new(Level::default(), protection).unwrap();
    let mut builder = PackBuilder::new(protection).unwrap();
    for (index, raw) in contents.iter().enumerate() {
        let number = builder
            .push(&compressor.compress(&RawChunk(raw.clone())).unwrap())
            .unwrap();
        assert_eq!(number, FrameNumber(index as u32));
    }
    builder.finish().unwrap()
}

fn unpack(protection: &Protection, bytes: Bytes) -> Result<Vec<Bytes>, PackError> {
    let reader = PackReader::new(protection, bytes)?;
    let numbers = 0..reader.frames().len() as u32;
    numbers
        .map(|number| Ok(reader.open(FrameNumber(number))?.0))
        .collect()
}

#[test]
fn packs_give_back_what_was_put_in() {
    for protection in [Protection::Plain, encrypted()] {
        let pack = pack(&protection, &contents());
        assert_eq!(pack.id, PackId::of(&pack.bytes));
        assert_eq!(
            pack.raw_bytes,
            contents().iter().map(|raw| raw.len() as u64).sum::<u64>()
        );
        let reader = PackReader::new(&protection, pack.bytes.clone()).unwrap();
        assert_eq!(reader.frames(), pack.frames);
        assert_eq!(unpack(&protection, pack.bytes).unwrap(), contents());
    }
}

#[test]
fn an_empty_pack_is_one_too() {
    for protection in [Protection::Plain, encrypted()] {
        assert_eq!(
            unpack(&protection, pack(&protection, &[]).bytes).unwrap(),
            [] as [Bytes; 0]
        );
    }
}

#[test]
fn plain_packs_joined_are_a_legal_zst_file() {
    let (one, two) = (
        pack(&Protection::Plain, &contents()),
        pack(&Protection::Plain, &contents()),
    );
    let joined = [one.bytes, two.bytes].concat();
    let mut output = Vec::new();
    zstd::stream::read::Decoder::new(joined.as_slice())
        .unwrap()
        .read_to_end(&mut output)
        .unwrap();
    assert_eq!(output, [contents(), contents()].concat().concat());
}

#[test]
fn the_same_contents_never_make_the_same_name() {
    let pack = || pack(&Protection::Plain, &contents()).id;
    assert_ne!(pack(), pack());
}

#[test]
fn a_pack_of_another_key_is_refused_by_name() {
    let sealed = pack(&encrypted(), &contents());
    let key = keys(7).key_id();
    for other in [Protection::Plain, Protection::encrypted(keys(8))] {
        let error = unpack(&other, sealed.bytes.clone()).unwrap_err();
        assert!(matches!(error, PackError::Key(KeyError::Missing(missing)) if missing == key));
    }
    let rotated = Protection::encrypted(keys(8).with_older(&keys(7)));
    assert_eq!(unpack(&rotated, sealed.bytes).unwrap(), contents());
}

#[test]
fn a_plain_pack_does_not_pass_for_an_encrypted_one() {
    let forged = pack(&Protection::Plain, &contents());
    let error = unpack(&encrypted(), forged.bytes).unwrap_err();
    assert!(matches!(error, PackError::Key(KeyError::NotSealed)));
}

#[test]
fn a_frame_opens_only_in_its_own_place() {
    let same = vec![Bytes::from_static(b"the same chunk twice"); 2];
    let sealed = pack(&encrypted(), &same);
    let opener = FrameOpener::new(&encrypted(), &PackHeader::decode(&sealed.bytes).unwrap()).unwrap();
    let [first, second] = sealed.frames[..] else {
        panic!()
    };
    let stored = &sealed.bytes[first.offset as usize..second.offset as usize];
    assert!(opener.open(FrameNumber(0), &first, stored).is_ok());
    let error = opener.open(FrameNumber(1), &first, stored).unwrap_err();
    assert!(matches!(error.problem, FrameProblem::DoesNotOpen(_)));
}

#[test]
fn a_full_pack_takes_no_more() {
    let mut builder = PackBuilder::with_target(&Protection::Plain, 100).unwrap();
    let chunk = CompressedChunk {
        id: ChunkId::from_bytes([0; 32]),
        raw_len: 40,
        frame: Bytes::from_static(&[0; 40]),
    };
    assert!(!builder.is_full());
    builder.push(&chunk).unwrap();
    assert!(builder.is_full());
    assert_eq!(builder.push(&chunk), Err(SealError::PackFull));
}

proptest! {
    #[test]
    fn a_changed_pack_is_refused_or_gives_the_same(
        encrypted_pack: bool,
        position: prop::sample::Index,
        bit in 0_u32..8,
    ) {
        let protection = if encrypted_pack { encrypted() } else { Protection::Plain };
        let mut bytes = pack(&protection, &contents()).bytes.to_vec();
        let at = position.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(raw) = unpack(&protection, bytes.into()) {
            prop_assert_eq!(raw, contents());
        }
    }

    #[test]
    fn mangled_packs_never_panic(
        encrypted_pack: bool,
        cut: prop::sample::Index,
        splices in prop::collection::vec((any::<prop::sample::Index>(), any::<Vec<u8>>()), 0..4),
        ending: bool,
    ) {
        let protection = if encrypted_pack { encrypted() } else { Protection::Plain };
        let good = pack(&protection, &contents()).bytes;
        let mut bytes = good[..cut.index(good.len() + 1)].to_vec();
        for (at, with) in splices {
            let at = at.index(bytes.len() + 1);
            let end = (at + with.len()).min(bytes.len());
            bytes.splice(at..end, with);
        }
        if ending {
            bytes.extend_from_slice(&good[good.len() - IndexPlace::FOOTER_LEN..]);
        }
        if let Ok(raw) = unpack(&protection, bytes.into()) {
            prop_assert_eq!(raw, contents());
        }
    }

    #[test]
    fn any_footer_is_judged_without_panic(footer: [u8; 8], pack_len: u64, length in 0_u64..1 << 20) {
        let footer = [footer.as_slice(), b"DGINDEX1"].concat();
        for pack_len in [pack_len, length] {
            if let Ok(place) = IndexPlace::from_footer(&footer, pack_len) {
                prop_assert!(place.range().start >= PackHeader::LEN as u64);
            }
        }
    }
}
