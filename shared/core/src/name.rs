//! Names that people give to agents, datasources, storages and jobs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A name that works in a command, a URL, a label and a file name: 1 to 63 characters, lower-case letters, digits,
/// `.`, `_` and `-`, beginning and ending with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(String);

/// The longest name, in characters.
pub const MAX_NAME_LENGTH: usize = 63;

/// A text that can't be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// No text at all.
    #[error("must not be empty")]
    Empty,
    /// Longer than [`MAX_NAME_LENGTH`].
    #[error("is {0} bytes long; at most {MAX_NAME_LENGTH} are allowed")]
    TooLong(usize),
    /// A character outside the alphabet, or a first or last one that is neither letter nor digit.
    #[error(
        "has characters that are not allowed: use lower-case letters, digits, '.', '_' and '-', and begin and end with a letter or digit"
    )]
    Characters,
}

impl ResourceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = text.as_bytes();
        let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else {
            return Err(InvalidName::Empty);
        };
        if bytes.len() > MAX_NAME_LENGTH {
            return Err(InvalidName::TooLong(bytes.len()));
        }
        let inner = bytes.iter().all(|&b| plain(b) || matches!(b, b'.' | b'_' | b'-'));
        if !(inner && plain(*first) && plain(*last)) {
            return Err(InvalidName::Characters);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ResourceName {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ResourceName> for String {
    fn from(name: ResourceName) -> Self {
        name.0
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_names() {
        for good in ["a", "db1", "prod-main.eu_2", &"x".repeat(63)] {
            assert!(good.parse::<ResourceName>().is_ok(), "{good}");
        }
        for bad in ["-a", "a-", "A", "a b", "a/b", "..", "ä", "a\n"] {
            assert_eq!(bad.parse::<ResourceName>(), Err(InvalidName::Characters), "{bad}");
        }
        assert_eq!("".parse::<ResourceName>(), Err(InvalidName::Empty));
        assert_eq!(
            "x".repeat(1 << 20).parse::<ResourceName>(),
            Err(InvalidName::TooLong(1 << 20))
        );
    }
}
