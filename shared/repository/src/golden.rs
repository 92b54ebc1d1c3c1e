//! Backups as every version of the format has stored them (`tests/golden`). Whatever was written once must be read for ever.

use std::path::PathBuf;

use bytes::Bytes;
use dataguardian_core::ids::{ControlPlaneId, RepositoryId};
use futures::TryStreamExt;
use uuid::Uuid;

use crate::chunker::Profile;
use crate::keys::Protection;
use crate::read::BackupReader;
use crate::storage::{RepositoryDescriptor, Storage};
use crate::testing::{BACKUP, DATASOURCE, Recipe, encrypted, installation_key, trusted};

/// Set it to have missing golden repositories written; none that is there is ever overwritten.
const WRITE: &str = "DATAGUARDIAN_WRITE_GOLDEN";

fn directory(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "golden", name]
        .iter()
        .collect()
}

/// Small, with an empty stream, one with a tail, and one with a list and several packs.
fn contents() -> Vec<Bytes> {
    let rows: String = (0..20_000)
        .map(|n| format!("{n}\tcustomer {}\tactive\n", n % 97))
        .collect();
    vec![
        Bytes::from_static(b"CREATE ROLE shop;\n"),
        Bytes::new(),
        rows.into(),
    ]
}

fn recipe(protection: Protection) -> Recipe {
    Recipe {
        protection,
        profile: Profile::ContentDefined,
        pack_target: 25_000,
        streams: contents(),
    }
}

fn descriptor(protection: &Protection) -> RepositoryDescriptor {
    RepositoryDescriptor {
        format: 1,
        id: RepositoryId::from_uuid(Uuid::from_u128(0x4e90)),
        owner: ControlPlaneId::from_uuid(Uuid::from_u128(0xc0de)),
        chunker: Profile::ContentDefined.as_str().to_owned(),
        keys: match protection {
            Protection::Plain => vec![],
            Protection::Encrypted(_) => vec![installation_key().key_id()],
        },
    }
}

async fn holds(name: &str, protection: Protection) {
    let path = directory(name);
    if !path.exists() && std::env::var_os(WRITE).is_some() {
        let storage = Storage::create_local(&path).unwrap();
        storage
            .open_or_create_repository(&descriptor(&protection))
            .await
            .unwrap();
        for (key, bytes) in recipe(protection.clone()).make().objects {
            storage.put_if_absent(&key, bytes).await.unwrap();
        }
    }
    let storage = Storage::local(&path).unwrap();
    let described = storage.describe_repository().await.unwrap();
    assert_eq!(described, Some(descriptor(&protection)));
    let reader = BackupReader::open(storage, DATASOURCE, BACKUP, protection, &trusted())
        .await
        .unwrap();
    assert_eq!(reader.signatures().len(), 2);
    let mut streams: Vec<Bytes> = Vec::new();
    for index in 0..reader.streams().len() {
        let pieces: Vec<Bytes> = reader.read_stream(index).unwrap().try_collect().await.unwrap();
        streams.push(pieces.concat().into());
    }
    assert_eq!(streams, contents());
}

#[tokio::test]
async fn plain_backups_of_version_1_are_read() {
    holds("v1-plain", Protection::Plain).await;
}

#[tokio::test]
async fn encrypted_backups_of_version_1_are_read() {
    holds("v1-encrypted", encrypted()).await;
}

#[test]
fn the_worked_example_of_the_specification_is_as_printed() {
    let printed = include_str!("../../../docs/repository-format.md").replace(char::is_whitespace, "");
    for (what, value) in example::values() {
        assert!(printed.contains(&value), "{what} is {value}");
    }
}

/// The worked example of docs/repository-format.md.
mod example {
    use crate::chunk::ChunkNamer;
    use crate::compress::CompressedChunk;
    use crate::format::SALT_LEN;
    use crate::id::ChunkId;
    use crate::keys::Protection;
    use crate::list::{ListBuilder, SealedList};
    use crate::pack::{PackBuilder, SealedPack};
    use crate::testing::{DATASOURCE, encrypted, installation_key};

    const RAW: &[u8] = b"hello, backup\n";

    /// A zstd frame with RAW in it: magic number, descriptor (single segment, checksum, content size of one byte), content
    /// size, one raw block that is the last, and the checksum.
    const FRAME: &[u8] = b"\x28\xb5\x2f\xfd\x24\x0e\x71\x00\x00hello, backup\n\xe5\xe5\xcf\x28";

    fn store(protection: &Protection) -> (ChunkId, SealedPack, SealedList) {
        let id = ChunkNamer::new(protection).name(RAW);
        let salt: [u8; SALT_LEN] = std::array::from_fn(|n| 0x40 + n as u8);
        let mut pack = PackBuilder::with_salt(protection, 1 << 20, salt).unwrap();
        let frame = CompressedChunk {
            id,
            raw_len: RAW.len() as u32,
            frame: FRAME.into(),
        };
        let number = pack.push(&frame).unwrap();
        let pack = pack.finish().unwrap();
        let mut list = ListBuilder::new(protection);
        assert_eq!(list.push(pack.chunk_ref(number).unwrap()), Ok(None));
        let list = list.finish().unwrap().unwrap();
        (id, pack, list)
    }

    pub(super) fn values() -> Vec<(&'static str, String)> {
        let installation = installation_key();
        let keys = installation.derive(DATASOURCE);
        let mut values = vec![
            ("the installation key", hex::encode(installation.expose())),
            ("the datasource", DATASOURCE.to_string()),
            ("the data key", hex::encode(&keys.to_bytes().expose()[2..34])),
            ("the id key", hex::encode(&keys.to_bytes().expose()[34..])),
            ("the key id", keys.key_id().to_string()),
        ];
        for protection in [Protection::Plain, encrypted()] {
            let (id, pack, list) = store(&protection);
            values.extend([
                ("the chunk id", id.to_string()),
                ("the pack", hex::encode(&pack.bytes)),
                ("the pack id", pack.id.to_string()),
                ("the list", hex::encode(&list.bytes)),
                ("the list id", list.id.to_string()),
            ]);
        }
        values
    }
}
