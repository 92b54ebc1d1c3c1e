//! How the agent stops: it takes no more work at once, lets what runs come to its end for a while, and then stops that too.
//!
//! What was stopped is not lost: the attempt's report says that the agent was stopped, the execution is tried again, and the next
//! attempt refers to what this one stored.

use std::io;
use std::time::Duration;

use dataguardian_agent::runner::Runner;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long results may take to be delivered when the agent stops. What is not taken then stays in the journal.
const PATIENCE: Duration = Duration::from_secs(20);

/// SIGTERM and SIGINT, from the time on at which it was made.
#[derive(Debug)]
pub(crate) struct StopRequests {
    terminate: Signal,
    interrupt: Signal,
}

impl StopRequests {
    /// Signals do not end the process any more from here on.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Comes back with the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Brings the runner to its end after the first request: attempts that run have `grace` to end by themselves. A second request
/// stops them at once.
pub(crate) async fn stop(runner: &Runner, requests: &mut StopRequests, grace: Duration) {
    runner.take_no_more();
    let running = runner.running();
    if running > 0 && !grace.is_zero() {
        tracing::info!(
            attempts = running,
            grace.seconds = grace.as_secs(),
            "agent takes no more work and stops when its attempts have ended, or at the end of stop_grace_seconds; a second \
             signal stops them now"
        );
        tokio::select! {
            () = runner.idle() => {}
            () = tokio::time::sleep(grace) => tracing::warn!("the grace is over: attempts are stopped"),
            () = requests.next() => tracing::warn!("asked again: attempts are stopped"),
        }
    }
    tracing::info!("agent stops");
    runner.shut_down(PATIENCE).await;
}
