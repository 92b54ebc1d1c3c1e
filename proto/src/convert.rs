//! Conversions between the wire and the vocabulary, with named errors.
//!
//! From the wire it is always `TryFrom`: what comes out is checked. To the wire it is `From`.

use std::time::Duration;

use chrono::{DateTime, Utc};

mod assignment;
mod chunking;
pub mod database;
mod execution;
mod failure;
mod performance;

pub use assignment::{InvalidFence, fence};
pub use performance::node_performance;

/// A field of a message that can't be what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {description}")]
pub struct InvalidField {
    /// The field's name in the proto.
    pub field: &'static str,
    /// What is wrong with it.
    pub description: String,
}

impl InvalidField {
    /// That field, and what is wrong with it.
    pub fn new(field: &'static str, description: impl Into<String>) -> Self {
        Self {
            field,
            description: description.into(),
        }
    }
}

/// A point in time, for the wire.
pub fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}

/// A point in time, from the wire; none if it is outside the calendar.
pub fn time(timestamp: &prost_types::Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

/// A length of time, for the wire.
pub fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

/// A length of time, from the wire; an error names the field if it is negative.
pub fn length(field: &'static str, duration: &prost_types::Duration) -> Result<Duration, InvalidField> {
    let negative = || InvalidField::new(field, "must not be negative");
    let seconds = u64::try_from(duration.seconds).map_err(|_| negative())?;
    let nanos = u32::try_from(duration.nanos).map_err(|_| negative())?;
    if nanos >= 1_000_000_000 {
        return Err(InvalidField::new(field, "has more than 999999999 nanoseconds"));
    }
    Ok(Duration::new(seconds, nanos))
}
