//! The whole line against real repositories: what goes in comes out, and what fails leaves nothing that looks whole.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, ControlPlaneId, ExecutionId, RepositoryId, StorageId};
use dataguardian_core::stream::{ObjectName, StreamRole};
use dataguardian_repository::format::FORMAT_VERSION;
use dataguardian_repository::keys::InstallationKey;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::{Manifest, Signer, SigningKey};
use dataguardian_repository::read::BackupReader;
use dataguardian_repository::storage::{Listing, RepositoryDescriptor, Storage};
use futures::TryStreamExt as _;

use super::*;
use crate::engines::StreamSink as _;

struct Fixture {
    _folder: tempfile::TempDir,
    destinations: Vec<Destination>,
    settings: PipelineSettings,
    cpu: CpuPool,
    signing: SigningKey,
}

async fn destination(path: &Path, name: &str) -> Destination {
    let storage = Storage::create_local(path).unwrap();
    let wanted = RepositoryDescriptor {
        format: FORMAT_VERSION,
        id: RepositoryId::new(),
        owner: ControlPlaneId::new(),
        chunker: Profile::ContentDefined.as_str().to_owned(),
        keys: Vec::new(),
    };
    storage.open_or_create_repository(&wanted).await.unwrap();
    Destination {
        id: StorageId::new(),
        name: name.to_owned(),
        storage,
    }
}

async fn fixture(encrypted: bool, storages: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let datasource = DatasourceId::new();
    let protection = match encrypted {
        true => Protection::encrypted(InstallationKey::generate().unwrap().derive(datasource)),
        false => Protection::Plain,
    };
    let mut destinations = Vec::new();
    for number in 0..storages {
        let name = format!("s{number}");
        destinations.push(destination(&folder.path().join(&name), &name).await);
    }
    let settings = PipelineSettings {
        datasource,
        protection,
        profile: Profile::ContentDefined,
        level: Level::default(),
        packs_in_flight: 2,
        storage_patience: std::time::Duration::from_secs(60),
    };
    let signing = SigningKey::generate().unwrap();
    Fixture {
        _folder: folder,
        destinations,
        settings,
        cpu: CpuPool::new(2),
        signing,
    }
}

fn table(number: usize) -> StreamHeader {
    StreamHeader {
        role: StreamRole::TableData,
        database: Some("shop".to_owned()),
        object: Some(ObjectName {
            schema: "public".to_owned(),
            name: format!("t{number}"),
        }),
    }
}

/// Half random (splitmix64), half repeating, so that it is compressed to about a half.
fn contents(seed: u64, len: usize) -> Bytes {
    let mut state = seed;
    let mut bytes = vec![0; len];
    for block in bytes.chunks_mut(16) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let half = block.len() / 2;
        block[..half].copy_from_slice(&mixed.to_le_bytes()[..half]);
    }
    Bytes::from(bytes)
}

async fn write(sink: &ChunkingSink, header: StreamHeader, bytes: Bytes, piece: usize) -> Result<(), Failure> {
    let mut writer = sink.open(header).await?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let next = rest.split_to(piece.min(rest.len()));
        writer.write(next).await?;
    }
    writer.finish(StreamEnd { rows: Some(7) }).await
}

impl Fixture {
    fn start(&self) -> (Pipeline, mpsc::Receiver<StoredPack>, CancellationToken) {
        self.start_with(Reuse::none())
    }

    fn start_with(&self, reuse: Reuse) -> (Pipeline, mpsc::Receiver<StoredPack>, CancellationToken) {
        let (stored, told) = mpsc::channel(1000);
        let broken = CancellationToken::new();
        let destinations = self.destinations.clone();
        let pipeline = Pipeline::start(
            &self.settings,
            reuse,
            destinations,
            &self.cpu,
            Arc::default(),
            stored,
            broken.clone(),
        );
        (pipeline, told, broken)
    }

    /// Makes and stores the manifest, and opens the backup from that storage.
    async fn commit(&self, written: &Written, destination: &Destination) -> BackupReader {
        let backup = BackupId::new();
        let now = chrono::DateTime::UNIX_EPOCH;
        let particulars = commit::Particulars {
            backup,
            datasource: self.settings.datasource,
            execution: ExecutionId::new(),
            job: None,
            engine: dataguardian_core::engine::Engine::Postgres,
            started_at: now,
            finished_at: now,
            server_version: "18.1".to_owned(),
            system_identifier: None,
            snapshot: None,
            snapshots: Vec::new(),
            tools: Vec::new(),
            databases: Vec::new(),
            warnings: Vec::new(),
            missing: Vec::new(),
        };
        let payload = commit::payload(particulars, written, &self.settings.protection);
        let (complete, incomplete) = commit::check_presence(written.complete.clone(), &payload.outline).await;
        assert_eq!((complete.len(), incomplete.len()), (written.complete.len(), 0));
        let encoded = payload.encode(&self.settings.protection).unwrap();
        let signatures = vec![self.signing.sign(Signer::Agent, &encoded)];
        let manifest = Manifest::new(encoded, signatures).unwrap().encode().unwrap();
        let key = ObjectKey::Manifest(self.settings.datasource, backup);
        destination
            .storage
            .put_if_absent(&key, manifest.into())
            .await
            .unwrap();
        let (datasource, protection) = (self.settings.datasource, self.settings.protection.clone());
        let trusted = [self.signing.verifying_key()];
        BackupReader::open(
            destination.storage.clone(),
            datasource,
            backup,
            protection,
            &trusted,
        )
        .await
        .unwrap()
    }
}

async fn read(reader: &BackupReader, index: usize) -> Bytes {
    let pieces: Vec<Bytes> = reader.read_stream(index).unwrap().try_collect().await.unwrap();
    pieces.concat().into()
}

async fn round_trip(encrypted: bool) {
    let fixture = fixture(encrypted, 2).await;
    let (pipeline, mut told, _) = fixture.start();
    let sizes = [0, 1, 5_000, 3 << 20, 40 << 20, 200_000];
    let sink = pipeline.sink();
    // Opened in this order, written side by side.
    let all = sizes.iter().enumerate().map(|(number, &len)| {
        write(
            &sink,
            table(number),
            contents(number as u64, len),
            [17_000, 3 << 20][number % 2],
        )
    });
    futures::future::try_join_all(all).await.unwrap();
    drop(sink);
    let written = pipeline.finish().await.unwrap();
    assert_eq!(written.complete.len(), 2);
    assert_eq!(
        written
            .streams
            .iter()
            .map(|stream| stream.header.clone())
            .collect::<Vec<_>>()
            .len(),
        sizes.len()
    );
    let mut told_packs = 0;
    while told.recv().await.is_some() {
        told_packs += 1;
    }
    assert_eq!(
        told_packs,
        written.packs.len() * 2,
        "every pack of every storage is told"
    );
    for destination in &fixture.destinations {
        let reader = fixture.commit(&written, destination).await;
        for (index, stream) in reader.streams().iter().enumerate() {
            let name = &stream.header.object.as_ref().unwrap().name;
            let number: usize = name[1..].parse().unwrap();
            assert_eq!(stream.rows, Some(7));
            assert!(
                read(&reader, index).await == contents(number as u64, sizes[number]),
                "stream {name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_streams_come_back_from_every_storage() {
    round_trip(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_streams_come_back_from_every_storage() {
    round_trip(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_fails_falls_out_and_the_other_goes_on() {
    let fixture = fixture(true, 2).await;
    // A file where the datasource's folder should be: every write below it fails.
    let blocked = fixture.destinations[0].storage.to_string();
    std::fs::write(
        Path::new(&blocked).join(fixture.settings.datasource.to_string()),
        "in the way",
    )
    .unwrap();
    let (pipeline, _told, broken) = fixture.start();
    write(&pipeline.sink(), table(0), contents(1, 60 << 20), 1 << 16)
        .await
        .unwrap();
    let written = pipeline.finish().await.unwrap();
    assert!(!broken.is_cancelled());
    assert_eq!(written.failed.len(), 1);
    assert_eq!(written.failed[0].0.id, fixture.destinations[0].id);
    let reader = fixture.commit(&written, &fixture.destinations[1]).await;
    assert!(read(&reader, 0).await == contents(1, 60 << 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_every_storage_fails_writers_learn_why() {
    let fixture = fixture(true, 1).await;
    let blocked = fixture.destinations[0].storage.to_string();
    std::fs::write(
        Path::new(&blocked).join(fixture.settings.datasource.to_string()),
        "in the way",
    )
    .unwrap();
    let (pipeline, _told, broken) = fixture.start();
    let sink = pipeline.sink();
    let mut writer = sink.open(table(0)).await.unwrap();
    let piece = contents(1, 4 << 20);
    let failure = loop {
        if let Err(failure) = writer.write(piece.clone()).await {
            break failure;
        }
    };
    assert!(failure.message.contains("storage s0"), "{failure}");
    assert!(broken.is_cancelled());
    assert_eq!(pipeline.abandon().await, Some(failure));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_stream_spoils_the_backup() {
    let fixture = fixture(true, 1).await;
    let (pipeline, _told, _) = fixture.start();
    let sink = pipeline.sink();
    write(&sink, table(0), contents(1, 100_000), 1 << 16)
        .await
        .unwrap();
    let mut writer = sink.open(table(1)).await.unwrap();
    writer.write(contents(2, 100_000)).await.unwrap();
    drop(writer);
    drop(sink);
    let failure = pipeline.finish().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Internal);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_pipeline_leaves_no_manifest_and_ends() {
    let fixture = fixture(false, 1).await;
    let (pipeline, _told, _) = fixture.start();
    let sink = pipeline.sink();
    let mut writer = sink.open(table(0)).await.unwrap();
    writer.write(contents(2, 40 << 20)).await.unwrap();
    assert_eq!(pipeline.abandon().await, None);
    let refused = writer.write(contents(2, 40 << 20)).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Superseded);
    let manifests = Listing::Manifests(fixture.settings.datasource);
    let listed: Vec<_> = fixture.destinations[0]
        .storage
        .list(manifests)
        .try_collect()
        .await
        .unwrap();
    assert_eq!(listed, []);
}

mod reuse;
