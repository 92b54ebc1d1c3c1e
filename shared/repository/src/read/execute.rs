//! Who does the CPU work of reading.

use std::fmt;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::BoxFuture;

use super::ReadError;

/// A piece of CPU work, some milliseconds long.
type Work = Box<dyn FnOnce() + Send>;

/// Where CPU work is done, off the async runtime.
#[derive(Clone)]
pub struct Executor(Arc<dyn Fn(Work) -> BoxFuture<'static, ()> + Send + Sync>);

impl Executor {
    /// Work is handed to `submit`, which must not block and has it run some time later on another thread.
    pub fn new(submit: impl Fn(Box<dyn FnOnce() + Send>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |work| {
            submit(work);
            std::future::ready(()).boxed()
        }))
    }

    /// Work is done by the future that `run` makes of it, off the async runtime. Dropping that may drop the work.
    pub fn awaiting<F>(run: impl Fn(Box<dyn FnOnce() + Send>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self(Arc::new(move |work| run(work).boxed()))
    }

    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ReadError> {
        let (sender, receiver) = oneshot::channel();
        let done = (self.0)(Box::new(move || {
            // Nobody waits any more when the stream was dropped; the result is dropped with it.
            drop(sender.send(work()));
        }));
        done.await;
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
