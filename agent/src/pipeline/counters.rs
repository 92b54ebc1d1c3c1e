//! How far a backup or restore is, counted without locks.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Counts that every stage adds to and the session reads.
#[derive(Debug, Default)]
pub struct Counters {
    raw_bytes: AtomicU64,
    stored_bytes: AtomicU64,
    reused_bytes: AtomicU64,
    rows: AtomicU64,
    streams_done: AtomicU32,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Read from, or brought into, the database.
    pub raw_bytes: u64,
    /// Put into, or read from, storages; each byte once, however many storages there are.
    pub stored_bytes: u64,
    /// Read from the database and not stored, since they are stored already.
    pub reused_bytes: u64,
    /// Rows of finished streams.
    pub rows: u64,
    /// Streams that are finished.
    pub streams_done: u32,
}

impl Counters {
    /// Everything begins anew, as on another storage.
    pub fn begin_anew(&self) {
        for count in [
            &self.raw_bytes,
            &self.stored_bytes,
            &self.reused_bytes,
            &self.rows,
        ] {
            count.store(0, Ordering::Relaxed);
        }
        self.streams_done.store(0, Ordering::Relaxed);
    }

    /// More bytes came from, or went to, the database.
    pub fn add_raw(&self, bytes: u64) {
        self.raw_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// More bytes went to, or came from, storages.
    pub fn add_stored(&self, bytes: u64) {
        self.stored_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// More bytes from the database are stored already.
    pub fn add_reused(&self, bytes: u64) {
        self.reused_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A stream is finished.
    pub fn add_stream(&self, rows: Option<u64>) {
        self.rows.fetch_add(rows.unwrap_or(0), Ordering::Relaxed);
        self.streams_done.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts now.
    pub fn counts(&self) -> Counts {
        Counts {
            raw_bytes: self.raw_bytes.load(Ordering::Relaxed),
            stored_bytes: self.stored_bytes.load(Ordering::Relaxed),
            reused_bytes: self.reused_bytes.load(Ordering::Relaxed),
            rows: self.rows.load(Ordering::Relaxed),
            streams_done: self.streams_done.load(Ordering::Relaxed),
        }
    }
}
