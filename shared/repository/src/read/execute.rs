//! Who does the CPU work of reading.

use std::fmt;
use std::sync::Arc;

use futures::channel::oneshot;

use super::ReadError;

/// A piece of CPU work, some milliseconds long.
type Work = Box<dyn FnOnce() + Send>;

/// Where CPU work is done, off the async runtime.
#[derive(Clone)]
pub struct Executor(Arc<dyn Fn(Work) + Send + Sync>);

impl Executor {
    /// Work is handed to `submit`, which must not block and has it run some time later on another thread.
    pub fn new(submit: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(submit))
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let (sender, receiver) = oneshot::channel();
        (self.0)(Box::new(move || {
            // Nobody waits any more when the stream was dropped; the result is dropped with it.
            drop(sender.send(work()));
        }));
        receiver.await.map_err(|_| ReadError::GivenUp)
    }
}

impl Default for Executor {
    /// Tokio's blocking threads. Needs a tokio runtime around whoever reads.
    fn default() -> Self {
        Self::new(|work| drop(tokio::task::spawn_blocking(work)))
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Executor(…)")
    }
}
