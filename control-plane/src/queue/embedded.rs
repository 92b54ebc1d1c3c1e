//! Signals within this process.

use tokio::sync::broadcast;

use super::{Heard, Signal};

/// A listener that is this far behind has missed signals.
const CAPACITY: usize = 4096;

/// Sends signals to all listeners in this process.
#[derive(Debug, Clone)]
pub struct EmbeddedQueue(broadcast::Sender<Heard>);

impl EmbeddedQueue {
    /// A queue that nobody listens to yet.
    #[expect(clippy::new_without_default, reason = "a channel is not a default value")]
    pub fn new() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }

    /// Tells all who listen; nobody listening is fine.
    pub fn signal(&self, signal: Signal) {
        self.0.send(Heard::Signal(signal)).ok();
    }

    /// Tells all who listen that they missed something.
    pub fn missed(&self) {
        self.0.send(Heard::Missed).ok();
    }

    /// Listens from now on.
    pub fn listen(&self) -> EmbeddedListener {
        EmbeddedListener(self.0.subscribe())
    }
}

/// Hears signals.
#[derive(Debug)]
pub struct EmbeddedListener(broadcast::Receiver<Heard>);

impl EmbeddedListener {
    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Heard {
        match self.0.recv().await {
            Ok(heard) => heard,
            Err(broadcast::error::RecvError::Lagged(_)) => Heard::Missed,
            Err(broadcast::error::RecvError::Closed) => Heard::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::ids::ExecutionId;

    #[tokio::test]
    async fn a_listener_that_falls_behind_hears_that_it_missed_something() {
        let queue = EmbeddedQueue::new();
        let mut listener = queue.listen();
        let signal = Signal::ExecutionChanged(ExecutionId::new());
        for _ in 0..=CAPACITY {
            queue.signal(signal);
        }
        assert_eq!(listener.next().await, Heard::Missed);
        assert_eq!(listener.next().await, Heard::Signal(signal));
        drop(queue);
    }
}
