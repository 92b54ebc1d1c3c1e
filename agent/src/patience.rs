//! Time-outs that are fair to whoever stood still.
//!
//! A host sleeps, a virtual machine is paused, a process is stopped: when it goes on, every deadline is long over though the
//! other side may have answered at once. So only time in which this process ran counts here, and whoever was waited for has
//! the rest of its time.

use std::time::Duration;

use tokio::time::Instant;

/// Time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time ran out")]
pub(crate) struct Elapsed;

/// The longest time between two looks at the clock. A wait that took much longer was no wait.
const LOOK: Duration = Duration::from_secs(1);

/// Waits for `awaited`, for so long at most while this process runs.
pub(crate) fn timeout<F: Future>(
    limit: Duration,
    awaited: F,
) -> impl Future<Output = Result<F::Output, Elapsed>> {
    // On the heap, so that whoever waits grows by a pointer and not by what is waited for.
    let mut awaited = Box::pin(awaited);
    let look = LOOK.min(limit / 4);
    let mut left = limit;
    async move {
        loop {
            let began = Instant::now();
            tokio::select! {
                biased;
                output = awaited.as_mut() => return Ok(output),
                () = tokio::time::sleep(look.min(left)) => {}
            }
            left = left.saturating_sub(began.elapsed().min(look * 2));
            if left.is_zero() {
                return Err(Elapsed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_not_waited_for() {
        let began = Instant::now();
        let waited = timeout(LIMIT, std::future::pending::<()>()).await;
        assert_eq!(waited, Err(Elapsed));
        assert!(began.elapsed() >= LIMIT && began.elapsed() < LIMIT * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_taken() {
        let late = tokio::time::sleep(LIMIT - Duration::from_millis(10));
        assert_eq!(timeout(LIMIT, late).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nothing_ran_does_not_count() {
        let answer = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            // The whole process stands still, and the answer needs some more after it.
            tokio::time::advance(Duration::from_secs(3600)).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        };
        assert_eq!(timeout(LIMIT, answer).await, Ok(()));
    }
}
