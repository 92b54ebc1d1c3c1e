//! Placing backups: how several storages of a job are used.

use serde::{Deserialize, Serialize};

/// How a job uses its storages, in their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The first storage that works.
    #[default]
    Fallback,
    /// Every storage.
    Replicate,
}

/// The largest number of storages a job may name.
pub const MAX_STORAGES_PER_JOB: usize = 8;
