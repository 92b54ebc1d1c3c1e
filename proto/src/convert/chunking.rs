//! How streams are cut.

use dataguardian_core::chunking::{Chunking, ChunkingReason};

use crate::v1;

impl From<Chunking> for v1::Chunking {
    fn from(chunking: Chunking) -> Self {
        match chunking {
            Chunking::Auto => Self::Auto,
            Chunking::ContentDefined => Self::ContentDefined,
            Chunking::Stream => Self::Stream,
        }
    }
}

/// Unspecified is the default, `auto`.
impl From<v1::Chunking> for Chunking {
    fn from(chunking: v1::Chunking) -> Self {
        match chunking {
            v1::Chunking::Unspecified | v1::Chunking::Auto => Self::Auto,
            v1::Chunking::ContentDefined => Self::ContentDefined,
            v1::Chunking::Stream => Self::Stream,
        }
    }
}

impl From<ChunkingReason> for v1::ChunkingReason {
    fn from(reason: ChunkingReason) -> Self {
        match reason {
            ChunkingReason::Job => Self::Job,
            ChunkingReason::Usual => Self::Usual,
            ChunkingReason::LittleReuse => Self::LittleReuse,
            ChunkingReason::Trial => Self::Trial,
        }
    }
}
