//! Waits on conditions. The one place of the harness that sleeps: between two looks.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long anything may take before the test fails: long enough for crash recovery on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// Looks at a condition until it holds, blocking the thread. `what` completes "waited in vain for".
///
/// # Errors
/// If it does not hold within [`PATIENCE`], and with the condition's own error.
pub fn until(what: &str, condition: impl FnMut() -> Result<bool>) -> Result<()> {
    until_within(PATIENCE, what, condition)
}

/// As [`until`], for what may take longer.
///
/// # Errors
/// As [`until`].
pub fn until_within(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !condition()? {
        give_up_after(deadline, what)?;
        #[expect(clippy::disallowed_methods, reason = "this is how a condition is waited for")]
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// As [`until`] for a condition that is a future, without blocking the thread.
///
/// # Errors
/// As [`until`].
pub async fn until_async<Look>(what: &str, mut condition: impl FnMut() -> Look) -> Result<()>
where
    Look: Future<Output = Result<bool>>,
{
    let deadline = Instant::now() + PATIENCE;
    while !condition().await? {
        give_up_after(deadline, what)?;
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

fn give_up_after(deadline: Instant, what: &str) -> Result<()> {
    if Instant::now() > deadline {
        bail!("waited in vain for {what}");
    }
    Ok(())
}
