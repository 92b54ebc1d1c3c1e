//! For this crate's own tests: whole backups, made from values, with whatever salts a test wants.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::DateTime;
use dataguardian_core::engine::Engine;
use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId};
use dataguardian_core::stream::{StreamHeader, StreamRole};
use object_store::memory::InMemory;
use uuid::Uuid;

use crate::chunk::RawChunk;
use crate::chunker::{Chunker, Profile};
use crate::compress::{Compressor, Level};
use crate::digest::StreamDigest;
use crate::keys::{InstallationKey, Protection};
use crate::layout::ObjectKey;
use crate::list::{ListBuilder, SealedList, Tail};
use crate::manifest::{
    Contents, Encryption, ListRef, Manifest, Outline, Payload, Signer, SigningKey, Stream, VerifyingKey,
};
use crate::pack::{FrameNumber, PackBuilder, SealedPack};
use crate::storage::Storage;

pub(crate) const DATASOURCE: DatasourceId = DatasourceId::from_uuid(Uuid::from_u128(0xda7a));
pub(crate) const BACKUP: BackupId = BackupId::from_uuid(Uuid::from_u128(0xbac0));

/// 00 01 02 … 1f.
pub(crate) fn installation_key() -> InstallationKey {
    InstallationKey::from_bytes(&std::array::from_fn::<u8, 32, _>(|n| n as u8)).unwrap()
}

pub(crate) fn encrypted() -> Protection {
    Protection::encrypted(installation_key().derive(DATASOURCE))
}

pub(crate) fn agent_key() -> SigningKey {
    SigningKey::from_bytes(&[0xa9; 32]).unwrap()
}

pub(crate) fn control_plane_key() -> SigningKey {
    SigningKey::from_bytes(&[0xc9; 32]).unwrap()
}

pub(crate) fn trusted() -> Vec<VerifyingKey> {
    vec![agent_key().verifying_key(), control_plane_key().verifying_key()]
}

/// How a test's backup is made.
pub(crate) struct Recipe {
    pub(crate) protection: Protection,
    pub(crate) profile: Profile,
    pub(crate) pack_target: u32,
    pub(crate) streams: Vec<Bytes>,
}

/// All objects of a backup, the manifest last.
pub(crate) struct TestBackup {
    pub(crate) payload: Payload,
    pub(crate) objects: Vec<(ObjectKey, Bytes)>,
}

impl Recipe {
    /// Makes the backup. Salts count up, which is right for tests only.
    pub(crate) fn make(&self) -> TestBackup {
        let mut salts = (1_u8..).map(|n| [n; 32]);
        let mut packs: Vec<SealedPack> = Vec::new();
        let mut builder: Option<PackBuilder> = None;
        let mut compressor = Compressor::new(Level::default(), &self.protection).unwrap();
        // Which pack and frame each chunk of each stream is in.
        let mut places: Vec<Vec<(usize, FrameNumber)>> = Vec::new();
        for stream in &self.streams {
            let mut chunks = Vec::new();
            let mut chunker = Chunker::new(self.profile, &self.protection);
            chunker.push(stream.clone(), &mut |chunk| chunks.push(chunk));
            chunker.finish(&mut |chunk| chunks.push(chunk));
            let mut place = |chunk: &RawChunk| {
                let chunk = compressor.compress(chunk).unwrap();
                let current = builder.get_or_insert_with(|| {
                    let salt = salts.next().unwrap();
                    PackBuilder::with_salt(&self.protection, self.pack_target, salt).unwrap()
                });
                let place = (packs.len(), current.push(&chunk).unwrap());
                if current.is_full() {
                    packs.push(builder.take().unwrap().finish().unwrap());
                }
                place
            };
            places.push(chunks.iter().map(&mut place).collect());
        }
        packs.extend(builder.map(|builder| builder.finish().unwrap()));
        self.commit(&packs, &places)
    }

    fn commit(&self, packs: &[SealedPack], places: &[Vec<(usize, FrameNumber)>]) -> TestBackup {
        let mut lists: HashMap<_, SealedList> = HashMap::new();
        let mut streams = Vec::new();
        for places in places {
            let (mut digest, mut bytes, mut refs) = (StreamDigest::new(), 0, Vec::new());
            let mut builder = ListBuilder::new(&self.protection);
            let mut keep = |list: SealedList| {
                refs.push(ListRef::from(&list));
                lists.insert(list.id, list);
            };
            for (pack, frame) in places {
                let chunk = packs[*pack].chunk_ref(*frame).unwrap();
                digest.push(&chunk.id);
                bytes += u64::from(chunk.raw_len);
                builder.push(chunk).unwrap().into_iter().for_each(&mut keep);
            }
            let tail = match builder.finish_tail().unwrap() {
                Tail::Empty => vec![],
                Tail::Inline(chunks) => chunks,
                Tail::List(list) => {
                    keep(list);
                    vec![]
                }
            };
            streams.push(Stream {
                header: StreamHeader {
                    role: StreamRole::Globals,
                    database: None,
                    object: None,
                },
                bytes,
                rows: None,
                digest: digest.finish(),
                lists: refs,
                tail,
            });
        }
        let mut lists: Vec<_> = lists.into_values().collect();
        lists.sort_by_key(|list| list.id);
        self.sign(packs, &lists, streams)
    }

    fn sign(&self, packs: &[SealedPack], lists: &[SealedList], streams: Vec<Stream>) -> TestBackup {
        let payload = Payload {
            outline: self.outline(packs, lists),
            contents: Contents {
                server_version: "PostgreSQL 18.1".to_owned(),
                streams,
                ..Contents::default()
            },
        };
        let packs = packs
            .iter()
            .map(|pack| (ObjectKey::Pack(DATASOURCE, pack.id), pack.bytes.clone()));
        let lists = lists
            .iter()
            .map(|list| (ObjectKey::List(DATASOURCE, list.id), list.bytes.clone()));
        let manifest = (
            ObjectKey::Manifest(DATASOURCE, BACKUP),
            manifest(&payload, &self.protection),
        );
        TestBackup {
            payload,
            objects: packs.chain(lists).chain([manifest]).collect(),
        }
    }

    fn outline(&self, packs: &[SealedPack], lists: &[SealedList]) -> Outline {
        Outline {
            format: 1,
            product: "0.1.0".to_owned(),
            datasource: DATASOURCE,
            backup: BACKUP,
            execution: ExecutionId::from_uuid(Uuid::from_u128(0xe8ec)),
            job: None,
            engine: Engine::Postgres,
            started_at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            finished_at: DateTime::from_timestamp(1_800_000_060, 0).unwrap(),
            encryption: self.protection.key_id().map(|key| Encryption {
                cipher: "AES-256-GCM".to_owned(),
                keys: vec![key],
            }),
            packs: packs
                .iter()
                .map(|pack| (pack.id, pack.bytes.len() as u64).into())
                .collect(),
            lists: lists
                .iter()
                .map(|list| (list.id, list.bytes.len() as u64).into())
                .collect(),
        }
    }
}

/// The manifest of that payload, signed by both.
pub(crate) fn manifest(payload: &Payload, protection: &Protection) -> Bytes {
    let payload = payload.encode_with_salt(protection, [0xfe; 32]).unwrap();
    let signatures = vec![
        agent_key().sign(Signer::Agent, &payload),
        control_plane_key().sign(Signer::ControlPlane, &payload),
    ];
    Manifest::new(payload, signatures)
        .unwrap()
        .encode()
        .unwrap()
        .into()
}

/// A storage in memory with these objects.
pub(crate) async fn stored(objects: &[(ObjectKey, Bytes)]) -> Storage {
    let storage = Storage::over(
        Arc::new(InMemory::new()),
        object_store::path::Path::from("prefix"),
    );
    for (key, bytes) in objects {
        storage.put_if_absent(key, bytes.clone()).await.unwrap();
    }
    storage
}
