//! Servers that are none: dumps of a few kilobytes that can be told again, and everything that goes wrong with a dump.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use dataguardian_agent::engines::StreamSink;
use dataguardian_agent::engines::clients::{Client, ClientSearch};
use dataguardian_agent::engines::discover::DiscoveredDatabase;
use dataguardian_agent::engines::dump::{DumpReport, DumpRequest};
use dataguardian_agent::engines::engine::DatabaseEngine;
use dataguardian_agent::engines::marker::SessionMarker;
use dataguardian_agent::engines::probe::{Probe, ProbeRequest};
use dataguardian_agent::engines::progress::{Progress, Stage};
use dataguardian_agent::engines::restore::{RestoreReport, RestoreRequest};
use dataguardian_core::database::DatabaseDescription;
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::size::ByteSize;
use dataguardian_core::stream::{ObjectName, StreamEnd, StreamHeader, StreamRole};
use dataguardian_core::target::ConnectionTarget;
use futures::TryStreamExt as _;
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use tokio_util::sync::CancellationToken;

/// What the engines of all agents did.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) dumps: AtomicU64,
    pub(crate) slow: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) hung: AtomicU64,
    pub(crate) restores: AtomicU64,
}

/// One agent's server.
#[derive(Debug)]
pub(crate) struct FakeEngine {
    random: Mutex<StdRng>,
    tally: Arc<Tally>,
}

/// What becomes of a dump.
enum Fate {
    Quick,
    Slow(Duration),
    Fails(FailureKind),
    /// Until it is cancelled, but no longer than this.
    Hangs(Duration),
}

impl FakeEngine {
    pub(crate) fn new(random: StdRng, tally: Arc<Tally>) -> Self {
        Self {
            random: Mutex::new(random),
            tally,
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.random.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fate(&self) -> Fate {
        self.draw(|random| match random.random_range(0..100) {
            0..60 => Fate::Quick,
            60..80 => Fate::Slow(Duration::from_millis(random.random_range(200..5_000))),
            80..88 => Fate::Fails(FailureKind::DatabaseConnectionLost),
            88..94 => Fate::Fails(FailureKind::DatabaseAuthentication),
            _ => Fate::Hangs(Duration::from_secs(20)),
        })
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn stopped() -> Failure {
    Failure::new(FailureKind::Superseded, "stopped")
}

/// A stream's contents, all of which follows from its first eight bytes.
fn contents(seed: u64) -> Bytes {
    let mut random = StdRng::seed_from_u64(seed);
    let mut bytes = vec![0; random.random_range(1_000..40_000)];
    random.fill_bytes(&mut bytes);
    Bytes::from([&seed.to_be_bytes()[..], &bytes].concat())
}

#[async_trait]
impl DatabaseEngine for FakeEngine {
    async fn probe(&self, _: &ProbeRequest) -> Result<Probe, Failure> {
        Ok(Probe {
            server_version: "15.0".to_owned(),
            version_num: 150_000,
            system_identifier: None,
            in_recovery: false,
            superuser: true,
            latency: Duration::from_millis(1),
            databases: vec!["shop".to_owned()],
            problems: Vec::new(),
            unfit: Vec::new(),
            hindrance: None,
            warnings: Vec::new(),
            client: None,
        })
    }

    async fn discover(&self, _: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
        Ok(Vec::new())
    }

    async fn waits(&self, _: &ConnectionTarget, _: &SessionMarker) -> Vec<String> {
        Vec::new()
    }

    async fn clients(&self, _: &ClientSearch) -> Vec<(Engine, Client)> {
        Vec::new()
    }

    async fn dump(
        &self,
        _: DumpRequest,
        sink: Arc<dyn StreamSink>,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<DumpReport, Failure> {
        count(&self.tally.dumps);
        progress.stage(Stage::Probing);
        let wait = match self.fate() {
            Fate::Quick => None,
            Fate::Slow(time) => {
                count(&self.tally.slow);
                Some(time)
            }
            Fate::Hangs(time) => {
                count(&self.tally.hung);
                Some(time)
            }
            Fate::Fails(kind) => {
                count(&self.tally.failures);
                return Err(Failure::new(kind, "the simulated server had enough"));
            }
        };
        for number in 0..self.draw(|random| random.random_range(1..5)) {
            let header = StreamHeader {
                role: StreamRole::TableData,
                database: Some("shop".to_owned()),
                object: Some(ObjectName {
                    schema: "public".to_owned(),
                    name: format!("table{number}"),
                }),
            };
            let mut stream = sink.open(header).await?;
            stream
                .write(contents(self.draw(|random| random.random())))
                .await?;
            if let Some(wait) = wait.filter(|_| number == 0)
                && cancel
                    .run_until_cancelled(tokio::time::sleep(wait))
                    .await
                    .is_none()
            {
                return Err(stopped());
            }
            stream.finish(StreamEnd { rows: Some(1) }).await?;
        }
        Ok(DumpReport {
            server_version: "15.0".to_owned(),
            version_num: 150_000,
            system_identifier: None,
            positions: Vec::new(),
            tools: Vec::new(),
            databases: vec![DatabaseDescription {
                name: "shop".to_owned(),
                ..DatabaseDescription::default()
            }],
            failed: Vec::new(),
            warnings: Vec::new(),
            largest_row: ByteSize::bytes(0),
            shared_snapshot: None,
        })
    }

    /// Reads everything, and looks whether it is what was dumped.
    async fn restore(
        &self,
        request: RestoreRequest,
        cancel: CancellationToken,
        _: Arc<dyn Progress>,
    ) -> Result<RestoreReport, Failure> {
        count(&self.tally.restores);
        for index in 0..request.source.streams().len() {
            let reading = async { request.source.read(index).await?.try_collect::<Vec<_>>().await };
            let read = cancel
                .run_until_cancelled(reading)
                .await
                .ok_or_else(stopped)??
                .concat();
            let seed = read.first_chunk().copied().map(u64::from_be_bytes);
            if seed.map(contents).as_deref() != Some(&read[..]) {
                return Err(Failure::new(
                    FailureKind::RestoreMismatch,
                    "it is not what was dumped",
                ));
            }
        }
        Ok(RestoreReport {
            planned: false,
            server_version: "15.0".to_owned(),
            databases: Vec::new(),
            tables: Vec::new(),
            tools: Vec::new(),
            warnings: Vec::new(),
        })
    }
}
