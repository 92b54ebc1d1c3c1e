//! The tasks that send scripts to whoever downloads them: none outlives the agent.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one agent.
#[derive(Debug, Default)]
pub struct Sending {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sending {
    /// Sends until it is done, or the agent stops.
    pub(crate) fn spawn(&self, sending: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if stop.run_until_cancelled(sending).await.is_none() {
                tracing::warn!("a download ended early: the agent stops");
            }
        });
    }

    /// Breaks off what is under way, and waits for it.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
