//! Whether a part answers, for pages that must not know which part it is.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// Asks a part for a sign of life. Clones ask the same one.
#[derive(Clone)]
pub struct Probe(Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>);

/// A part that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Probe {
    /// Asks by this.
    pub fn new<F>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(ask())))
    }

    /// Whether the part answers now.
    pub async fn answers(&self) -> bool {
        tokio::time::timeout(PATIENCE, (self.0)()).await.unwrap_or(false)
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Probe")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_does_not_answer() {
        assert!(Probe::new(|| async { true }).answers().await);
        assert!(!Probe::new(|| async { false }).answers().await);
        assert!(!Probe::new(std::future::pending).answers().await);
    }
}
