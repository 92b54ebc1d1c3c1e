use std::sync::atomic::{AtomicU32, Ordering};

use dataguardian_core::clock::SystemClock;

use super::*;

/// Fails first, then panics, then pauses, then works.
struct Moody(Arc<AtomicU32>);

impl Reconcile for Moody {
    const NAME: &'static str = "moody";
    type Report = u32;

    async fn pass(&self) -> Result<Pass<u32>, Error> {
        match self.0.fetch_add(1, Ordering::SeqCst) {
            0 => Err(Error::Internal("not yet".into())),
            1 => panic!("not yet either"),
            2 => Ok(Pass::Paused {
                reason: "not in the mood",
            }),
            n => Ok(Pass::Done(n)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_outlives_its_failures_and_says_how_it_is() {
    let stop = CancellationToken::new();
    let reconcilers = Reconcilers::new(SystemClock::shared(), stop.clone());
    let wake = Wake::default();
    reconcilers.start(Moody(Arc::default()), &wake, Duration::from_secs(3600));
    let (mut states, mut reasons) = (Vec::new(), Vec::new());
    for passes in 1..=4 {
        while reconcilers.report()[0].passes < passes {
            tokio::task::yield_now().await;
        }
        let report = reconcilers.report().remove(0);
        states.push(report.state);
        reasons.push(report.reason);
        wake.wake();
    }
    use LoopState::{Error, Paused, Running};
    assert_eq!(states, [Error, Error, Paused, Running]);
    assert_eq!(reasons, [None, None, Some("not in the mood"), None]);
    stop.cancel();
    reconcilers.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_nobody_wakes_goes_on_all_the_same() {
    let stop = CancellationToken::new();
    let reconcilers = Reconcilers::new(SystemClock::shared(), stop.clone());
    let passes = Arc::new(AtomicU32::new(3));
    reconcilers.start(
        Moody(Arc::clone(&passes)),
        &Wake::default(),
        Duration::from_secs(10),
    );
    tokio::time::sleep(Duration::from_secs(95)).await;
    assert_eq!(passes.load(Ordering::SeqCst), 3 + 10);
    stop.cancel();
    reconcilers.ended().await;
}

#[tokio::test]
async fn the_ticker_wakes_a_loop() {
    let stop = CancellationToken::new();
    let reconcilers = Reconcilers::new(SystemClock::shared(), stop.clone());
    let (wake, passes) = (Wake::default(), Arc::new(AtomicU32::new(3)));
    reconcilers.start(Moody(Arc::clone(&passes)), &wake, Duration::from_secs(3600));
    let ticker = Ticker::new().await.unwrap();
    ticker.every(Duration::from_secs(1), &wake).await.unwrap();
    ticker.start().await.unwrap();
    let woken = async {
        while passes.load(Ordering::SeqCst) < 5 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), woken)
        .await
        .expect("the ticker wakes the loop twice");
    ticker.stop().await;
    stop.cancel();
    reconcilers.ended().await;
}
