//! How streams are cut into chunks, as far as people and the control plane choose.

use serde::{Deserialize, Serialize};

/// What a job says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunking {
    /// As the last backups suggest.
    #[default]
    Auto,
    /// By content, so that what did not change need not be stored again.
    ContentDefined,
    /// Every 4 MiB, and nothing is looked for.
    Stream,
}

/// Why streams are cut as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkingReason {
    /// The job says so.
    Job,
    /// Nothing speaks against it.
    Usual,
    /// Less than a fifth of the last backups was stored already.
    LittleReuse,
    /// It was cut without looking for long; now and then it is tried again.
    Trial,
}
