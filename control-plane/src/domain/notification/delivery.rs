//! Deliveries: a notification on its way through one channel.
//!
//! A delivery is claimed by one conditional UPDATE before it is sent, and closed by another one that names the attempt. Whoever
//! was killed in between has claimed it for a while only; then it is tried again. So it arrives at least once, and in normal
//! operation once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::backoff::Backoff;
use dataguardian_core::ids::{NotificationChannelId, NotificationDeliveryId, NotificationId};
use rand::Rng;
use serde::{Deserialize, Serialize};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is being tried.
    Pending,
    /// It has arrived.
    Delivered,
    /// It was given up.
    Failed,
}

/// What happens to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryEvent {
    /// The channel took it.
    Taken,
    /// The channel did not, and there is time for another attempt.
    Refused,
    /// There is none.
    GivenUp,
}

/// A notification on its way through one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: NotificationDeliveryId,
    /// What is delivered.
    pub notification: NotificationId,
    /// Where.
    pub channel: NotificationChannelId,
    /// Where it stands.
    pub state: DeliveryState,
    /// Attempts that have begun. It names the attempt: what an earlier one reports counts no more.
    pub attempts: u32,
    /// When it is tried again.
    pub next_attempt_at: DateTime<Utc>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    pub failure: Option<String>,
}

/// At which step a message was held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The host's name leads nowhere, or to where nothing is sent.
    Dns,
    /// Nobody takes connections there.
    Connect,
    /// No connection that can be trusted.
    Tls,
    /// The user or password is not taken.
    Authentication,
    /// The server does not take it.
    Refused,
    /// The server does not answer in time.
    Timeout,
    /// The server answers what it should not.
    Protocol,
    /// The channel's own settings.
    Settings,
}

/// Why a message was not taken. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", .stage.as_str())]
pub struct Fault {
    /// At which step.
    pub stage: Stage,
    /// What went wrong; of a refusal the beginning of what the server said.
    pub problem: String,
    /// When the server wants to be asked again.
    pub retry_after: Option<Duration>,
    /// Whether the server says that the same will not be taken later either. It is tried all the same, less often: a person may
    /// mend the channel.
    pub lasting: bool,
}

impl Fault {
    /// The secrets of the channel can't be read.
    pub fn unusable() -> Self {
        Self {
            stage: Stage::Settings,
            problem: "what is secret of this channel can't be read: give it its secrets again".to_owned(),
            retry_after: None,
            lasting: true,
        }
    }
}

impl Stage {
    /// As a word, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Connect => "CONNECT",
            Self::Tls => "TLS",
            Self::Authentication => "AUTHENTICATION",
            Self::Refused => "REFUSED",
            Self::Timeout => "TIMEOUT",
            Self::Protocol => "PROTOCOL",
            Self::Settings => "SETTINGS",
        }
    }

    /// What to do about it.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Dns => "Look at the host's name, and whether this machine's resolver knows it.",
            Self::Connect => {
                "Look whether the server runs, and whether a firewall lets this machine through to its port."
            }
            Self::Tls => {
                "Look at the server's certificate: its name, its end, and who signed it. An authority of your own is given as ca_pem."
            }
            Self::Authentication => "Look at user name and password, or at the Authorization header.",
            Self::Refused => {
                "Look at what the server says: at the URL, the addresses, and the body's template."
            }
            Self::Timeout => {
                "Look whether the server answers others, and whether a firewall swallows what is sent."
            }
            Self::Protocol => {
                "Look whether that port speaks what the channel expects: another TLS mode, another port."
            }
            Self::Settings => "Change the channel with dgctl notification channel update.",
        }
    }
}

impl Fault {
    /// At that step, with that problem.
    pub fn new(stage: Stage, problem: impl Into<String>) -> Self {
        Self {
            stage,
            problem: problem.into(),
            retry_after: None,
            lasting: matches!(stage, Stage::Authentication | Stage::Settings),
        }
    }

    /// The same, and it will not be taken later either.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self {
            lasting: true,
            ..self
        }
    }
}

impl DeliveryState {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// Where it stands after an event; none if that can't happen to it.
    pub const fn apply(self, event: DeliveryEvent) -> Option<Self> {
        match (self, event) {
            (Self::Pending, DeliveryEvent::Taken) => Some(Self::Delivered),
            (Self::Pending, DeliveryEvent::Refused) => Some(Self::Pending),
            (Self::Pending, DeliveryEvent::GivenUp) => Some(Self::Failed),
            (Self::Delivered | Self::Failed, _) => None,
        }
    }
}

/// Between two attempts where a moment may help.
const SOON: Backoff = Backoff {
    first: Duration::from_secs(5),
    ceiling: Duration::from_secs(15 * 60),
};
/// Between two attempts where a person has to mend something first.
const SELDOM: Backoff = Backoff {
    first: Duration::from_secs(60),
    ceiling: Duration::from_secs(60 * 60),
};
/// A server's wish to be asked again later is heeded up to this.
const LONGEST_WISH: Duration = Duration::from_secs(60 * 60);

/// When an attempt follows on one that failed; none if it is given up. `attempts` counts the one that failed.
pub fn next_attempt(
    delivery: &Delivery,
    fault: &Fault,
    give_up_after: TimeDelta,
    now: DateTime<Utc>,
    random: &mut impl Rng,
) -> Option<DateTime<Utc>> {
    let backoff = if fault.lasting { SELDOM } else { SOON };
    let repeats = delivery.attempts.saturating_sub(1);
    // At least half of the bound: a server in trouble is left alone for a while.
    let bound = backoff.bound(repeats);
    let delay = bound / 2 + backoff.delay(repeats, random) / 2;
    let wish = fault.retry_after.unwrap_or_default().min(LONGEST_WISH);
    let at = now + TimeDelta::from_std(delay.max(wish)).unwrap_or(TimeDelta::MAX);
    (at - delivery.created_at <= give_up_after).then_some(at)
}

/// How long a claim holds: longer than an attempt can take.
pub fn claim_life(timeout: Duration) -> TimeDelta {
    TimeDelta::from_std(timeout * 2).unwrap_or(TimeDelta::hours(1)) + TimeDelta::seconds(5)
}
