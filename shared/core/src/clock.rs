//! Time, behind a seam: the only place of the workspace that reads the wall clock.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

/// Whoever needs the time of day is handed one of these.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now, in UTC.
    fn now(&self) -> DateTime<Utc>;

    /// The time since some moment of this process. Unlike [`Self::now`] it never jumps, whoever sets the machine's clock.
    fn uptime(&self) -> TimeDelta;
}

/// A clock that can be shared.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl SystemClock {
    /// The machine's clock, to be shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self)
    }
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the seam through which all others read the wall clock"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn uptime(&self) -> TimeDelta {
        static FIRST_ASKED: LazyLock<Instant> = LazyLock::new(Instant::now);
        TimeDelta::from_std(FIRST_ASKED.elapsed()).unwrap_or(TimeDelta::MAX)
    }
}

/// A clock that stands still until it is moved: for tests.
#[derive(Debug)]
pub struct ManualClock {
    now: AtomicI64,
    uptime: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn at(start: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self {
            now: AtomicI64::new(start.timestamp_micros()),
            uptime: AtomicI64::new(0),
        })
    }

    /// Lets time pass.
    pub fn advance(&self, by: TimeDelta) {
        self.set(by);
        self.uptime.fetch_add(micros(by), Ordering::SeqCst);
    }

    /// Sets the clock forward, or back if `by` is negative, in a moment.
    pub fn set(&self, by: TimeDelta) {
        self.now.fetch_add(micros(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.now.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn uptime(&self) -> TimeDelta {
        TimeDelta::microseconds(self.uptime.load(Ordering::SeqCst))
    }
}

fn micros(time: TimeDelta) -> i64 {
    time.num_microseconds().unwrap_or(0)
}
