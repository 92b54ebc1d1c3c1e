//! Between rows and records: numbers, times, words, structures. Reading names the table in its errors.

use std::str::FromStr;

use chrono::{DateTime, SubsecRound as _, Utc};
use sea_orm::JsonValue;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// A time as both back ends keep it: to the microsecond.
pub(super) fn time(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// A number of 64 bits, for a signed column.
pub(super) fn number(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::OutOfRange("a number is greater than 2^63"))
}

/// A number of 32 bits, for a signed column.
pub(super) fn small(value: u32) -> Result<i32, StoreError> {
    i32::try_from(value).map_err(|_| StoreError::OutOfRange("a number is greater than 2^31"))
}

/// A position in a list.
pub(super) fn position(index: usize) -> Result<i32, StoreError> {
    i32::try_from(index).map_err(|_| StoreError::OutOfRange("a list is too long"))
}

/// A structure, for a JSON column.
pub(super) fn json(value: &impl Serialize) -> Result<JsonValue, StoreError> {
    serde_json::to_value(value).map_err(|_| StoreError::OutOfRange("a structure is not JSON"))
}

/// An enum that serialises as one word.
pub(super) fn word(value: &impl Serialize) -> Result<String, StoreError> {
    match json(value)? {
        JsonValue::String(word) => Ok(word),
        _ => Err(StoreError::OutOfRange("a word is expected")),
    }
}

/// Reads the values of one table's rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct From(pub(super) &'static str);

impl From {
    /// A text with a grammar.
    pub(super) fn parse<T>(self, text: &str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        text.parse()
            .map_err(|error| StoreError::unreadable(self.0, error))
    }

    /// An enum that serialises as one word.
    pub(super) fn word<T: DeserializeOwned>(self, text: String) -> Result<T, StoreError> {
        self.json(JsonValue::String(text))
    }

    /// A structure.
    pub(super) fn json<T: DeserializeOwned>(self, value: JsonValue) -> Result<T, StoreError> {
        serde_json::from_value(value).map_err(|error| StoreError::unreadable(self.0, error))
    }

    /// A number that is not negative.
    pub(super) fn number(self, value: i64) -> Result<u64, StoreError> {
        u64::try_from(value).map_err(|error| StoreError::unreadable(self.0, error))
    }

    /// A small number that is not negative.
    pub(super) fn small(self, value: i32) -> Result<u32, StoreError> {
        u32::try_from(value).map_err(|error| StoreError::unreadable(self.0, error))
    }

    /// Exactly 32 bytes.
    pub(super) fn key(self, bytes: &[u8]) -> Result<[u8; 32], StoreError> {
        bytes
            .try_into()
            .map_err(|_| StoreError::unreadable(self.0, "a key or digest does not have 32 bytes"))
    }

    /// A failure in two columns.
    pub(super) fn failure(
        self,
        kind: Option<String>,
        message: Option<String>,
    ) -> Result<Option<dataguardian_core::failure::Failure>, StoreError> {
        let Some(kind) = kind else { return Ok(None) };
        Ok(Some(dataguardian_core::failure::Failure::new(
            self.parse(&kind)?,
            message.unwrap_or_default(),
        )))
    }
}
