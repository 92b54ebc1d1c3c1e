//! The name that our sessions carry on the server, so that they can be found and ended.

use std::fmt;

/// An `application_name` that belongs to one attempt of one execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionMarker {
    execution: String,
    attempt: u64,
}

impl SessionMarker {
    /// A marker for that attempt. `execution` is cut to 36 characters of letters, digits and `-`: PostgreSQL cuts names at
    /// 63 bytes.
    pub fn new(execution: &str, attempt: u64) -> Self {
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        Self {
            execution: execution.chars().filter(plain).take(36).collect(),
            attempt,
        }
    }

    /// What all attempts of the execution begin with.
    pub fn execution_prefix(&self) -> String {
        format!("dataguardian:{}:", self.execution)
    }
}

impl fmt::Display for SessionMarker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dataguardian:{}:{}", self.execution, self.attempt)
    }
}
