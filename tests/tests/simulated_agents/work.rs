//! What people do: they run jobs and restores, wait, and now and then cancel.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dataguardian_proto::v1::ExecutionState;
use rand::Rng as _;
use rand::rngs::StdRng;
use tokio_util::sync::CancellationToken;

use crate::site::Site;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) refused: u64,
    /// From the request to the end, of what completed.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcomes {
    /// The latency that this share of the completed stayed below, from 0 to 1.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list of thousands"
        )]
        let place = (sorted.len().saturating_sub(1) as f64 * share) as usize;
        sorted.get(place).copied().unwrap_or_default()
    }
}

/// Keeps one agent's job busy until told to stop. While the control plane is away, requests fail: that is its good right.
pub(crate) async fn keep_busy(
    site: Site,
    job: String,
    mut random: StdRng,
    outcomes: Arc<Mutex<Outcomes>>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let pause = Duration::from_millis(random.random_range(0..4_000));
        if stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return;
        }
        let restores = random.random_bool(0.15);
        let cancels = random.random_bool(0.1);
        let asked = Instant::now();
        let started = if restores {
            site.restore(&job).await
        } else {
            site.run_job(&job).await
        };
        let Ok(execution) = started else {
            with(&outcomes, |outcomes| outcomes.refused += 1);
            continue;
        };
        if cancels {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..1_500))).await;
            // It may be over, or nobody be there to hear it.
            site.cancel(&execution.id).await.ok();
        }
        let waiting = wait(&site, &execution.id, &mut random);
        let Some(state) = stop.run_until_cancelled(waiting).await else {
            return;
        };
        with(&outcomes, |outcomes| match state {
            ExecutionState::Completed => {
                outcomes.completed += 1;
                outcomes.latencies.push(asked.elapsed());
            }
            ExecutionState::Cancelled => outcomes.cancelled += 1,
            _ => outcomes.failed += 1,
        });
    }
}

fn with(outcomes: &Mutex<Outcomes>, change: impl FnOnce(&mut Outcomes)) {
    change(&mut outcomes.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Asks until it has ended.
async fn wait(site: &Site, id: &str, random: &mut StdRng) -> ExecutionState {
    loop {
        if let Ok(execution) = site.execution(id).await {
            let state = execution.state();
            use ExecutionState as S;
            if matches!(state, S::Completed | S::Failed | S::Cancelled | S::Skipped) {
                return state;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(100..400))).await;
    }
}
