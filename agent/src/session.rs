//! The session with the control plane: one stream at a time, begun again whenever it ends, with full jitter in between.
//!
//! Attempts do not depend on it. A session that breaks costs the control plane some heartbeats and nothing else.

use std::time::{Duration, Instant};

use dataguardian_core::clock::SharedClock;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::agent::v1::{self, session_request};
use dataguardian_proto::convert;
use dataguardian_proto::status::ApiError;
use rand::Rng as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Streaming;

use crate::control_plane::{RETRY, Replacements, apart};
use crate::host_info::HostInfo;
use crate::patience;
use crate::questions;
use crate::renewal::RenewalCall;
use crate::runner::Runner;

mod performance;
mod protocol;

use performance::Telling;
use protocol::{Action, PROTOCOL, Protocol, ProtocolError};

/// Messages that may wait to be sent.
const OUTGOING: usize = 64;
/// How often the clock is looked at, and progress told.
const TICK: Duration = Duration::from_secs(1);
/// A session that lasted this long was a good one: the next wait begins small again.
const GOOD_SESSION: Duration = Duration::from_secs(60);

/// The reason with which a certificate is refused that has ended.
const EXPIRED: &str = "CERTIFICATE_EXPIRED";
/// The reason with which an agent is turned away while another one with its identity is connected.
const SHARED: &str = "IDENTITY_SHARED";

/// Keeps sessions going until it is told to stop.
#[derive(Debug)]
pub struct Sessions {
    runner: Runner,
    host_info: HostInfo,
    clock: SharedClock,
    renewal: RenewalCall,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionEnd {
    #[error("the control plane closed the session")]
    Closed,
    #[error("the control plane asks to come back in {} s", .0.as_secs())]
    ComeBack(Duration),
    #[error("{0}")]
    Refused(ApiError),
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    #[error("the agent has a new certificate")]
    Renewed,
    #[error("the agent stops")]
    Stopped,
}

impl Sessions {
    /// Sessions for this runner.
    pub fn new(runner: Runner, host_info: HostInfo, clock: SharedClock, renewal: RenewalCall) -> Self {
        Self {
            runner,
            host_info,
            clock,
            renewal,
        }
    }

    /// Runs sessions, one after the other.
    pub async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let mut replacements = self.runner.host().control_plane.replacements();
            let end = self.session(&mut replacements, &stop).await;
            if began.elapsed() >= GOOD_SESSION {
                failures = 0;
            }
            let delay = match end {
                SessionEnd::Stopped => return,
                SessionEnd::Renewed => {
                    tracing::info!("session ended: it goes on with the new certificate");
                    continue;
                }
                SessionEnd::ComeBack(after) => after.mul_f64(rand::rng().random_range(0.5..=1.0)),
                SessionEnd::Refused(ApiError {
                    retry_after: Some(after),
                    ..
                }) => apart(after),
                SessionEnd::Closed | SessionEnd::Refused(_) | SessionEnd::Protocol(_) => {
                    failures += 1;
                    RETRY.delay(failures - 1, &mut rand::rng())
                }
            };
            self.tell(&end, delay);
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = replacements.next() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// What only a person can mend is an error; a certificate that has ended is not, yet.
    fn tell(&self, end: &SessionEnd, delay: Duration) {
        let after = delay.as_millis();
        match end {
            SessionEnd::Refused(error) if error.reason == EXPIRED => {
                self.renewal.now();
                tracing::warn!(reason = %end, retry.after_ms = after, "session ended");
            }
            SessionEnd::Refused(error)
                if error.code == ErrorCode::Unauthenticated || error.reason == SHARED =>
            {
                tracing::error!(reason = %end, code = error.reason, retry.after_ms = after, "this agent is refused");
            }
            _ => tracing::warn!(reason = %end, retry.after_ms = after, "session ended"),
        }
    }

    async fn session(&self, replacements: &mut Replacements, stop: &CancellationToken) -> SessionEnd {
        let (outgoing, queue) = mpsc::channel(OUTGOING);
        let hello = session_request::Message::Hello(self.hello().await);
        let hello = v1::SessionRequest { message: Some(hello) };
        if outgoing.send(hello).await.is_err() {
            return SessionEnd::Closed;
        }
        let mut client = self.runner.host().control_plane.client();
        let opening = client.session(ReceiverStream::new(queue));
        let opened = tokio::select! {
            opened = patience::timeout(Duration::from_secs(20), opening) => opened,
            () = stop.cancelled() => return SessionEnd::Stopped,
        };
        match opened {
            Ok(Ok(incoming)) => {
                let mut session = Session {
                    runner: &self.runner,
                    clock: &self.clock,
                    renewal: &self.renewal,
                    protocol: Protocol::begin(Instant::now()),
                    outgoing,
                    answering: TaskTracker::new(),
                    telling: Telling::default(),
                    end: None,
                };
                tokio::select! {
                    end = session.serve(incoming.into_inner(), stop) => end,
                    () = replacements.next() => SessionEnd::Renewed,
                }
            }
            Ok(Err(status)) => SessionEnd::Refused(ApiError::from(&status)),
            Err(_) => SessionEnd::Protocol(ProtocolError::NoWelcome),
        }
    }

    async fn hello(&self) -> v1::Hello {
        let info = &self.host_info;
        v1::Hello {
            boot_id: info.boot_id.clone(),
            version: info.version.clone(),
            protocol_min: *PROTOCOL.start(),
            protocol_max: *PROTOCOL.end(),
            hostname: info.hostname.clone(),
            operating_system: info.operating_system.clone(),
            clients: info.clients(self.runner.host()).await,
            in_flight: self.runner.in_flight(),
            free_slots: self.runner.free_slots(),
            now: Some(convert::timestamp(self.clock.now())),
            slots: self.runner.host().config.slots,
        }
    }
}

/// One open session.
struct Session<'a> {
    runner: &'a Runner,
    clock: &'a SharedClock,
    renewal: &'a RenewalCall,
    protocol: Protocol,
    outgoing: mpsc::Sender<v1::SessionRequest>,
    answering: TaskTracker,
    telling: Telling,
    end: Option<SessionEnd>,
}

impl Session<'_> {
    async fn serve(
        &mut self,
        mut incoming: Streaming<v1::SessionResponse>,
        stop: &CancellationToken,
    ) -> SessionEnd {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let actions = tokio::select! {
                message = incoming.message() => match message {
                    Ok(Some(message)) => {
                        let was_open = self.protocol.is_open();
                        let actions = self.protocol.receive(Instant::now(), message);
                        if !was_open && self.protocol.is_open() {
                            tracing::info!("session open");
                        }
                        actions
                    }
                    Ok(None) => return SessionEnd::Closed,
                    Err(status) => return SessionEnd::Refused(ApiError::from(&status)),
                },
                () = self.runner.slot_freed() => {
                    self.protocol.beat_now();
                    self.protocol.tick(Instant::now(), self.runner.free_slots())
                }
                _ = tick.tick() => {
                    self.tell_progress();
                    self.protocol.tick(Instant::now(), self.runner.free_slots())
                }
                () = stop.cancelled() => return SessionEnd::Stopped,
            };
            match actions {
                Ok(actions) => actions.into_iter().for_each(|action| self.act(action)),
                Err(error) => return error.into(),
            }
            if let Some(end) = self.end.take() {
                return end;
            }
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send(message) => {
                let beats = matches!(message, session_request::Message::Heartbeat(_));
                self.send(self.dated(message));
                if beats {
                    self.tell_performance();
                }
            }
            Action::RenewWithin(within) => self.renewal.within(within),
            Action::Consider(offer) => self.consider(*offer),
            Action::Cancel(fence) => self.runner.cancel(&fence),
            Action::Abandon(fence) => self.runner.abandon(&fence),
            Action::Forget(fence) => self.runner.forget(&fence),
            Action::ComeBack(after) => self.end = Some(SessionEnd::ComeBack(after)),
            Action::Answer(question) => {
                let (runner, outgoing) = (self.runner.clone(), self.outgoing.clone());
                self.answering.spawn(async move {
                    let answer = questions::answer(runner.host(), *question).await;
                    let message = Some(session_request::Message::Answer(answer));
                    if outgoing.send(v1::SessionRequest { message }).await.is_err() {
                        tracing::debug!("the session ended before an answer was found");
                    }
                });
            }
        }
    }

    /// A heartbeat tells what the agent's clock shows, so that people see how far it is off.
    fn dated(&self, message: session_request::Message) -> session_request::Message {
        match message {
            session_request::Message::Heartbeat(heartbeat) => {
                session_request::Message::Heartbeat(v1::Heartbeat {
                    now: Some(convert::timestamp(self.clock.now())),
                    ..heartbeat
                })
            }
            other => other,
        }
    }

    fn consider(&mut self, offer: v1::Assignment) {
        let fence = offer.fence.clone();
        match self.runner.consider(offer) {
            Ok(fence) => self.send(session_request::Message::Accept(v1::Accept {
                fence: Some(fence.into()),
            })),
            Err(reason) => {
                tracing::warn!(reason, "an offer was declined");
                self.send(session_request::Message::Decline(v1::Decline { fence, reason }));
            }
        }
    }

    fn tell_progress(&mut self) {
        if self.protocol.is_open() {
            for progress in self.runner.progress() {
                self.send(session_request::Message::Progress(progress));
            }
        }
    }

    fn tell_performance(&mut self) {
        let host = self.runner.host();
        let news = self.telling.news(&host.monitor, &host.cpu);
        self.send(session_request::Message::Performance(news));
    }

    /// A queue that is full means that nothing gets through: heartbeats will end the session.
    fn send(&mut self, message: session_request::Message) {
        match self.outgoing.try_send(v1::SessionRequest {
            message: Some(message),
        }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::debug!("a message of the session was left out")
            }
            Err(mpsc::error::TrySendError::Closed(_)) => self.end = Some(SessionEnd::Closed),
        }
    }
}
