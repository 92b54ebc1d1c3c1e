//! Verifying what lies in a storage, level by level, without restoring it.
//!
//! | level | what is looked at | needs |
//! |---|---|---|
//! | [`Level::Presence`] | the manifest's signatures; every pack and list, whether it is there with its size | public keys |
//! | [`Level::Digests`] | the SHA-256 of every stored byte of them | nothing |
//! | [`Level::Contents`] | what a restore reads: every frame opened and decompressed, chunk ids, the digests of streams | keys |
//!
//! A level has the lower ones in it. What must never happen: damage is passed over, or a storage that does not answer is
//! taken for damage. So whatever is not as it should be is a [`Fault`] that names the object, and looking goes on with the
//! next one; whatever keeps us from looking is an error, and nothing is said of what was not seen.
//!
//! Nothing is ever written. Memory is bounded whatever the backup's size: the manifest, [`IN_FLIGHT`] pieces of [`PIECE`] bytes,
//! and what [`crate::read`] needs for a stream. Whoever has seen enough drops the future.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::layout::ObjectKey;

mod copy;
mod object;
#[cfg(test)]
mod tests;

pub use copy::{CopyCheck, verify_copy};
pub use object::{ObjectProblem, check_object};

/// Bytes of an object that are read at a time. With [`IN_FLIGHT`] it bounds what verifying adds to an agent in the middle of
/// a backup, and a pack still takes few requests.
pub const PIECE: u64 = 8 << 20;
/// Objects that are read at the same time.
pub const IN_FLIGHT: usize = 2;
/// The most faults that a report names; they are counted beyond.
pub const MAX_FAULTS: usize = 1000;
/// The most streams that a fault names.
pub const MAX_STREAMS: usize = 50;

/// How closely is looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Level 0: everything is there, with its size, and the manifest is signed.
    Presence,
    /// Level 1: everything has the SHA-256 that is its name.
    Digests,
    /// Level 2: everything opens, and the streams are those that the manifest names. A backup that passes is verified.
    Contents,
}

impl Level {
    /// All of them, the lowest first.
    pub const ALL: [Self; 3] = [Self::Presence, Self::Digests, Self::Contents];

    /// Its number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Presence => 0,
            Self::Digests => 1,
            Self::Contents => 2,
        }
    }

    /// The level with that number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|level| u32::from(level.number()) == number)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {}", self.number())
    }
}

/// An object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which object.
    pub key: ObjectKey,
    /// What is the matter with it.
    pub problem: ObjectProblem,
    /// The streams of the backup that can't be read without it, in words, as far as that is known; at most [`MAX_STREAMS`].
    pub hurts: Vec<String>,
    /// How many streams these are in all.
    pub hurt_streams: u64,
}

impl Fault {
    fn of(key: ObjectKey, problem: ObjectProblem) -> Self {
        Self {
            key,
            problem,
            hurts: Vec::new(),
            hurt_streams: 0,
        }
    }
}

/// What was found of one copy of a backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Packs, lists and manifests that were looked at.
    pub objects: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Whatever is not as it should be: the first [`MAX_FAULTS`].
    pub faults: Vec<Fault>,
    /// How many there are in all.
    pub found: u64,
}

impl Report {
    /// Whether everything is as it should be.
    pub const fn is_good(&self) -> bool {
        self.found == 0
    }

    /// Notes a fault. Of one object the first problem is enough.
    fn note(&mut self, fault: Fault) {
        if self.faults.iter().any(|known| known.key == fault.key) {
            return;
        }
        self.found += 1;
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(fault);
        }
    }
}

/// Whoever wants to know how far a verification is. Called often, from several tasks; must not block.
pub trait Progress: Send + Sync {
    /// A part of it begins, that will read so many bytes: stored ones, but of [`Level::Contents`], where they are counted as
    /// they were before compression.
    fn began(&self, level: Level, bytes: u64);
    /// So many more were read.
    fn read(&self, bytes: u64);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn began(&self, _: Level, _: u64) {}
    fn read(&self, _: u64) {}
}
