use chrono::DateTime;
use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::engine::Engine;
use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId};
use dataguardian_core::stream::{ObjectName, StreamHeader, StreamRole};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::id::{ChunkId, Digest, ListId, PackId};
use crate::keys::{InstallationKey, Protection};
use crate::list::ChunkRef;
use crate::pack::FrameNumber;
use crate::seal::KeyError;

const SECRET_TABLE: &str = "patients";

fn encrypted(seed: u8) -> Protection {
    let datasource = DatasourceId::from_uuid(Uuid::from_u128(1));
    Protection::encrypted(
        InstallationKey::from_bytes(&[seed; 32])
            .unwrap()
            .derive(datasource),
    )
}

fn stream(n: u32) -> Stream {
    let id = [n as u8; 32];
    let chunk = ChunkRef {
        id: ChunkId::from_bytes(id),
        pack: PackId::from_bytes([1; 32]),
        frame: FrameNumber(n),
        offset: 64 + n,
        stored_len: 10,
        raw_len: 20,
    };
    Stream {
        header: StreamHeader {
            role: StreamRole::TableData,
            database: Some("shop".to_owned()),
            object: Some(ObjectName {
                schema: "public".to_owned(),
                name: format!("{SECRET_TABLE}_{n}"),
            }),
        },
        bytes: 1000,
        rows: Some(u64::from(n)),
        digest: Digest::from_bytes(id),
        lists: vec![ListRef {
            id: ListId::from_bytes([2; 32]),
            first_chunk: ChunkId::from_bytes(id),
            chunks: 7,
            bytes: 980,
        }],
        tail: vec![chunk],
    }
}

fn payload(protection: &Protection, streams: u32) -> Payload {
    let encryption = protection.key_id().map(|key| Encryption {
        cipher: "AES-256-GCM".to_owned(),
        keys: vec![key],
    });
    Payload {
        outline: Outline {
            format: 1,
            product: "0.1.0".to_owned(),
            datasource: DatasourceId::from_uuid(Uuid::from_u128(1)),
            backup: BackupId::from_uuid(Uuid::from_u128(2)),
            execution: ExecutionId::from_uuid(Uuid::from_u128(3)),
            job: None,
            engine: Engine::Postgres,
            started_at: DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap(),
            finished_at: DateTime::from_timestamp(1_800_000_060, 0).unwrap(),
            encryption,
            packs: vec![(PackId::from_bytes([1; 32]), 4711).into()],
            lists: vec![(ListId::from_bytes([2; 32]), 815).into()],
        },
        contents: Contents {
            server_version: "PostgreSQL 18.1".to_owned(),
            system_identifier: Some("7312345678901234567".to_owned()),
            snapshot: Some(SnapshotPosition::Lsn {
                lsn: "16/B374D848".to_owned(),
            }),
            snapshots: vec![DatabaseSnapshot {
                database: "shop".to_owned(),
                taken_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
                position: SnapshotPosition::Lsn {
                    lsn: "16/B374D900".to_owned(),
                },
            }],
            tools: vec![ToolUse {
                name: "pg_dump".to_owned(),
                version: "18.1".to_owned(),
                arguments: vec!["--schema-only".to_owned()],
            }],
            databases: vec![DatabaseDescription {
                name: "shop".to_owned(),
                ..DatabaseDescription::default()
            }],
            streams: (0..streams).map(stream).collect(),
            warnings: vec![Warning {
                database: None,
                message: "\"quoted\" and multi-byte: ä €".to_owned(),
            }],
            missing: vec![MissingDatabase {
                name: "crm".to_owned(),
                reason: "DATABASE_MISSING".to_owned(),
                message: "it was dropped meanwhile".to_owned(),
            }],
            figures: Some(Figures {
                base: Some(BackupId::from_uuid(Uuid::from_u128(0xba5e))),
                stored: 1_000,
                reused: 2_000,
            }),
            referenced: vec![900],
        },
    }
}

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32]).unwrap()
}

fn manifest(protection: &Protection) -> Manifest {
    let payload = payload(protection, 3).encode(protection).unwrap();
    let signatures = vec![
        key(1).sign(Signer::Agent, &payload),
        key(2).sign(Signer::ControlPlane, &payload),
    ];
    Manifest::new(payload, signatures).unwrap()
}

#[test]
fn manifests_give_back_what_was_put_in() {
    for protection in [Protection::Plain, encrypted(7)] {
        let stored = manifest(&protection).encode().unwrap();
        let read = Manifest::decode(&stored).unwrap();
        let trusted = [key(1).verifying_key(), key(2).verifying_key()];
        let signers: Vec<_> = read
            .verify(&trusted)
            .unwrap()
            .iter()
            .map(|good| good.signer)
            .collect();
        assert_eq!(signers, [Signer::Agent, Signer::ControlPlane]);
        assert_eq!(
            Payload::decode(read.payload(), &protection).unwrap(),
            payload(&protection, 3)
        );
        assert_eq!(
            Outline::decode(read.payload()).unwrap(),
            payload(&protection, 3).outline
        );
    }
}

#[test]
fn the_stored_json_is_as_the_specification_has_it() {
    let manifest = manifest(&Protection::Plain);
    insta::assert_snapshot!("payload", String::from_utf8(manifest.payload().to_vec()).unwrap());
    let mut short = manifest;
    short.payload = "{\"format\":1}".to_owned();
    insta::assert_snapshot!("manifest", String::from_utf8(short.encode().unwrap()).unwrap());
}

#[test]
fn names_are_sealed_and_sizes_stay_clear() {
    let stored = String::from_utf8(manifest(&encrypted(7)).encode().unwrap()).unwrap();
    assert!(stored.contains(&PackId::from_bytes([1; 32]).to_string()) && stored.contains("4711"));
    for secret in [SECRET_TABLE, "shop", "schema-only", "7312345678901234567", "rows"] {
        assert!(!stored.contains(secret), "{secret}");
    }
}

#[test]
fn another_key_is_named() {
    let payload = manifest(&encrypted(7)).payload().to_vec();
    for other in [Protection::Plain, encrypted(8)] {
        let error = Payload::decode(&payload, &other).unwrap_err();
        assert!(
            matches!(error, PayloadError::Key(KeyError::Missing(key)) if Some(key) == encrypted(7).key_id())
        );
    }
    let plain = manifest(&Protection::Plain).payload().to_vec();
    let error = Payload::decode(&plain, &encrypted(7)).unwrap_err();
    assert!(matches!(error, PayloadError::Key(KeyError::NotSealed)));
}

#[test]
fn only_trusted_signatures_count() {
    let manifest = manifest(&Protection::Plain);
    assert!(
        matches!(manifest.verify(&[]), Err(Untrusted::NoTrustedSignature { signers }) if signers.len() == 2)
    );
    assert!(manifest.verify(&[key(3).verifying_key()]).is_err());
    assert_eq!(
        manifest
            .verify(&[key(2).verifying_key(), key(3).verifying_key()])
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_signature_holds_for_its_payload_and_its_role_only() {
    let good = manifest(&Protection::Plain);
    let trusted = [key(1).verifying_key()];
    let changed = String::from_utf8(good.payload().to_vec())
        .unwrap()
        .replace("4711", "4712");
    let changed = Manifest::new(changed.into_bytes(), good.signatures.clone()).unwrap();
    assert!(matches!(
        changed.verify(&trusted),
        Err(Untrusted::BadSignature {
            signer: Signer::Agent,
            ..
        })
    ));
    let mut promoted = good;
    promoted.signatures[0].signer = Signer::ControlPlane;
    assert!(promoted.verify(&trusted).is_err());
}

#[test]
fn a_payload_that_contradicts_itself_is_refused() {
    let good = payload(&Protection::Plain, 1);
    let mut dangling = good.clone();
    dangling.outline.lists.clear();
    assert!(matches!(
        dangling.encode(&Protection::Plain),
        Err(PayloadError::Dangling(_))
    ));
    let mut twice = good.clone();
    twice.outline.packs.push(twice.outline.packs[0]);
    assert!(matches!(
        twice.encode(&Protection::Plain),
        Err(PayloadError::Twice(_))
    ));
    assert!(matches!(
        good.encode(&encrypted(7)),
        Err(PayloadError::Encryption)
    ));
    let newer = br#"{"format": 9}"#;
    assert!(matches!(
        Payload::decode(newer, &Protection::Plain),
        Err(PayloadError::NewerVersion(9))
    ));
}

#[test]
fn ten_thousand_tables_fit_into_a_manifest() {
    let protection = encrypted(7);
    let encoded = payload(&protection, 10_000).encode(&protection).unwrap();
    assert!(encoded.len() < 4 << 20, "{}", encoded.len());
    assert_eq!(
        Payload::decode(&encoded, &protection)
            .unwrap()
            .contents
            .streams
            .len(),
        10_000
    );
}

proptest! {
    #[test]
    fn a_changed_manifest_is_refused_or_says_the_same(seal: bool, position: prop::sample::Index, bit in 0_u32..8) {
        let protection = if seal { encrypted(7) } else { Protection::Plain };
        let mut stored = manifest(&protection).encode().unwrap();
        let at = position.index(stored.len());
        stored[at] ^= 1 << bit;
        let trusted = [key(1).verifying_key(), key(2).verifying_key()];
        if let Ok(read) = Manifest::decode(&stored) && read.verify(&trusted).is_ok() {
            prop_assert_eq!(Payload::decode(read.payload(), &protection).unwrap(), payload(&protection, 3));
        }
    }

    #[test]
    fn mangled_payloads_never_panic(
        seal: bool,
        cut: prop::sample::Index,
        splices in prop::collection::vec((any::<prop::sample::Index>(), any::<Vec<u8>>()), 0..4),
    ) {
        let protection = if seal { encrypted(7) } else { Protection::Plain };
        let good = manifest(&protection).payload().to_vec();
        let mut bytes = good[..cut.index(good.len() + 1)].to_vec();
        for (at, with) in splices {
            let at = at.index(bytes.len() + 1);
            let end = (at + with.len()).min(bytes.len());
            bytes.splice(at..end, with);
        }
        drop((Manifest::decode(&bytes), Outline::decode(&bytes), Payload::decode(&bytes, &protection)));
    }
}
