//! Signals between the replicas of one control plane, through Redis by publish and subscribe. The only place with fred.
//!
//! Nothing is kept in Redis: what waits is in the metadata database, so a Redis that is emptied, restarted or replaced loses
//! no work and doubles none. What gets lost on the way is made up for: whoever is connected anew looks at everything, and
//! tells the others to do the same, since they did not hear what happened here meanwhile.
//!
//! One task owns the one connection (RESP3, so subscriptions come by it too): it publishes, listens and probes. fred does
//! not reconnect by itself here. Left to itself it never does after a start without Redis (`fail_fast`), takes a frozen
//! server for a connected one, and sends commands again that timed out; so a connection that is in doubt is dropped with all
//! that waits in it, and a new one is made at the pace that the gate says.

mod line;
mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use dataguardian_core::ids::ControlPlaneId;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Signal;
use super::embedded::EmbeddedQueue;
use super::gate::{Gate, Outage, Probe, Turn};
use super::wire::{self, Message};
use crate::domain::worker::Worker;
use line::{Arrived, Line};

pub use settings::{RedisSettings, RedisSettingsError};

/// Signals that may wait for the connection. What is more is told as "look anew".
const OUTBOX: usize = 1024;
/// Messages that may be on their way at the same time.
const ON_THEIR_WAY: usize = 64;

/// Hands signals to the connection.
#[derive(Debug, Clone)]
pub(super) struct RedisQueue {
    outbox: mpsc::Sender<Signal>,
    lost: Arc<AtomicBool>,
    gate: Gate,
}

/// Keeps the connection, as long as it runs.
#[derive(Debug)]
pub struct RedisLink {
    settings: RedisSettings,
    channels: Channels,
    sender: Uuid,
    local: EmbeddedQueue,
    outbox: mpsc::Receiver<Signal>,
    lost: Arc<AtomicBool>,
    gate: Gate,
    line: Option<Line>,
}

/// The channels of one control plane: each worker's wake-ups, and everything else.
#[derive(Debug, Clone)]
struct Channels {
    backup: String,
    restore: String,
    news: String,
}

/// Both ends of the shared queue.
pub(super) fn queue(
    settings: RedisSettings,
    control_plane: ControlPlaneId,
    local: EmbeddedQueue,
    gate: Gate,
) -> (RedisQueue, RedisLink) {
    let (sender, outbox) = mpsc::channel(OUTBOX);
    let lost = Arc::new(AtomicBool::new(false));
    let queue = RedisQueue {
        outbox: sender,
        lost: Arc::clone(&lost),
        gate: gate.clone(),
    };
    let link = RedisLink {
        settings,
        channels: Channels::of(control_plane),
        sender: Uuid::new_v4(),
        local,
        outbox,
        lost,
        gate,
        line: None,
    };
    (queue, link)
}

impl RedisQueue {
    /// Tells the other replicas, as soon as may be. Never waits: what finds no room is told as "look anew" later on.
    pub(super) fn signal(&self, signal: Signal) {
        if self.outbox.try_send(signal).is_err() {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl RedisLink {
    /// Connects for the first time, or finds that it can't; in 1.5 s at most.
    pub async fn try_once(&mut self) {
        self.line = self.open().await;
    }

    /// Keeps connected until told to stop.
    pub async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(Box::pin(self.keep_connected())).await;
    }

    async fn keep_connected(&mut self) {
        loop {
            let line = match self.line.take() {
                Some(line) => Some(line),
                None => self.open().await,
            };
            if let Some(line) = line {
                self.serve(line).await;
            }
            let pace = self.gate.status().state.pace();
            tokio::time::sleep(pace.pause).await;
        }
    }

    /// A new connection, listening. Whatever was to be told before has no taker; that it was, has.
    async fn open(&mut self) -> Option<Line> {
        let patience = self.gate.status().state.pace().patience;
        let opening = Line::open(&self.settings, self.channels.all(), patience);
        let opened = timeout(patience, opening).await;
        match opened.unwrap_or(Err(Outage::Silent)) {
            Ok(line) => {
                self.note(Probe::Answered);
                while self.outbox.try_recv().is_ok() {}
                self.lost.store(true, Ordering::Relaxed);
                self.local.missed();
                Some(line)
            }
            Err(outage) => {
                self.note(Probe::Lost(outage));
                None
            }
        }
    }

    /// Publishes, listens and probes until the connection is given up.
    async fn serve(&mut self, mut line: Line) {
        let mut probe_at = Instant::now() + self.gate.status().state.pace().pause;
        let mut on_their_way = FuturesUnordered::new();
        loop {
            if self.lost.swap(false, Ordering::Relaxed) {
                on_their_way.push(self.publish(&line, Message::LookAnew));
            }
            tokio::select! {
                arrived = line.next() => match arrived {
                    Arrived::Payload(payload) => self.hear(&payload),
                    Arrived::Lagged => self.local.missed(),
                    Arrived::End(outage) => {
                        self.note(Probe::Lost(outage));
                        return;
                    }
                },
                () = sleep_until(probe_at) => match self.probe(&mut line).await {
                    Some(pause) => probe_at = Instant::now() + pause,
                    None => return,
                },
                Some(signal) = self.outbox.recv(), if on_their_way.len() < ON_THEIR_WAY => {
                    on_their_way.push(self.publish(&line, Message::Signal(signal)));
                }
                Some(delivered) = on_their_way.next() => {
                    if !delivered {
                        self.lost.store(true, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Asks for a sign of life; says when to ask again, or that this connection is no good any more.
    async fn probe(&self, line: &mut Line) -> Option<Duration> {
        let patience = self.gate.status().state.pace().patience;
        let answer = timeout(patience, line.ping()).await;
        let usable = match answer {
            Ok(Ok(())) => {
                self.note(Probe::Answered);
                true
            }
            Ok(Err(outage)) => {
                self.note(Probe::Lost(outage));
                false
            }
            Err(_) => {
                self.note(Probe::Lost(Outage::Silent));
                self.gate.is_online()
            }
        };
        usable.then(|| self.gate.status().state.pace().pause)
    }

    /// What another replica tells is told to all who listen here.
    fn hear(&self, payload: &[u8]) {
        match wire::decode(payload) {
            Ok((sender, _)) if sender == self.sender => {}
            Ok((_, Message::Signal(signal))) => self.local.signal(signal),
            Ok((_, Message::LookAnew)) | Err(wire::Unreadable) => self.local.missed(),
        }
    }

    fn publish(&self, line: &Line, message: Message) -> impl Future<Output = bool> + Send + use<> {
        line.publish(
            self.channels.of_message(message),
            wire::encode(self.sender, message),
        )
    }

    fn note(&self, probe: Probe) {
        let Some(edge) = self.gate.note(probe) else {
            return;
        };
        match edge.turn {
            Turn::Online => {
                tracing::info!("the queue is online again: backups and restores are handed out");
            }
            Turn::Offline(outage) => tracing::error!(
                reason = outage.reason(),
                "the queue is offline, {}: no backup or restore begins until it is back; what runs goes on",
                outage.as_str()
            ),
        }
        // Whoever hands out or queues work looks at the gate again.
        self.local.missed();
    }
}

impl Channels {
    fn of(control_plane: ControlPlaneId) -> Self {
        let channel = |name: &str| format!("dataguardian:{control_plane}:{name}");
        Self {
            backup: channel(Worker::Backup.as_str()),
            restore: channel(Worker::Restore.as_str()),
            news: channel("news"),
        }
    }

    fn all(&self) -> Vec<String> {
        vec![self.backup.clone(), self.restore.clone(), self.news.clone()]
    }

    fn of_message(&self, message: Message) -> String {
        let channel = match message {
            Message::Signal(Signal::WorkQueued(_, Worker::Backup)) => &self.backup,
            Message::Signal(Signal::WorkQueued(_, Worker::Restore)) => &self.restore,
            Message::Signal(
                Signal::ExecutionChanged(_)
                | Signal::LogsAppended(_)
                | Signal::CancelRequested(..)
                | Signal::AgentRevoked(_)
                | Signal::AgentRebuilt(_)
                | Signal::BackupDeleted
                | Signal::SchedulesChanged
                | Signal::RetentionDue
                | Signal::Asked(_)
                | Signal::Answered(_)
                | Signal::AuthoritiesChanged,
            )
            | Message::LookAnew => &self.news,
        };
        channel.clone()
    }
}
