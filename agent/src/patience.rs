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
    let watched = watch(limit, awaited);
    async move { watched.await.output }
}

/// As [`timeout`], and begun again if it failed and this process stood still meanwhile: whoever was to answer may have had no
/// more patience with us, which says nothing of him. Each beginning has all the time.
pub(crate) async fn timeout_afresh<T, E, F>(
    limit: Duration,
    begin: impl Fn() -> F,
) -> Result<Result<T, E>, Elapsed>
where
    F: Future<Output = Result<T, E>>,
{
    loop {
        let watched = watch(limit, begin()).await;
        let failed = !matches!(watched.output, Ok(Ok(_)));
        if !(failed && watched.stood_still) {
            return watched.output;
        }
    }
}

/// What came of waiting.
struct Watched<T> {
    output: Result<T, Elapsed>,
    /// Whether there was a time in which this process did not run.
    stood_still: bool,
}

fn watch<F: Future>(limit: Duration, awaited: F) -> impl Future<Output = Watched<F::Output>> {
    // On the heap, so that whoever waits grows by a pointer and not by what is waited for.
    let mut awaited = Box::pin(awaited);
    let look = LOOK.min(limit / 4);
    let (mut left, mut stood_still) = (limit, false);
    async move {
        loop {
            let began = Instant::now();
            let output = tokio::select! {
                biased;
                output = awaited.as_mut() => Some(output),
                () = tokio::time::sleep(look.min(left)) => None,
            };
            let waited = began.elapsed();
            stood_still |= waited >= look * 2;
            left = left.saturating_sub(waited.min(look * 2));
            let output = match output {
                Some(output) => Ok(output),
                None if left.is_zero() => Err(Elapsed),
                None => continue,
            };
            return Watched { output, stood_still };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

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

    /// Fails the first time, after a while in which the process may have stood still.
    async fn second_time(begun: &Cell<u32>, stood_still: Duration) -> Result<&'static str, &'static str> {
        begun.set(begun.get() + 1);
        if begun.get() > 1 {
            return Ok("there");
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        tokio::time::advance(stood_still).await;
        Err("gone")
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_while_nothing_ran_is_begun_again() {
        let begun = Cell::new(0);
        let begin = || second_time(&begun, Duration::from_secs(120));
        assert_eq!(timeout_afresh(LIMIT, begin).await, Ok(Ok("there")));
        assert_eq!(begun.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_by_itself_has_failed() {
        let begun = Cell::new(0);
        let begin = || second_time(&begun, Duration::ZERO);
        assert_eq!(timeout_afresh(LIMIT, begin).await, Ok(Err("gone")));
        assert_eq!(begun.get(), 1);
    }
}
