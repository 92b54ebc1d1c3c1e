//! A schema archive between the program that writes it and those that read it.

use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::Failure;
use tempfile::SpooledTempFile;

use super::failure;

/// Up to here it stays in memory; a longer one goes into a private file without a name.
const IN_MEMORY: usize = 16 << 20;

/// Bytes that were written once and are read several times. Holds schema only, never rows.
#[derive(Debug)]
pub(super) struct Spool(SpooledTempFile);

impl Spool {
    /// An empty one; `directory` is used only if it gets long.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self(tempfile::spooled_tempfile_in(IN_MEMORY, directory))
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0
            .write_all(bytes)
            .map_err(|error| failure::local("keeping the schema archive", &error))
    }

    /// To the beginning, for the next reader.
    pub(super) fn rewind(&mut self) -> Result<(), Failure> {
        self.0
            .rewind()
            .map_err(|error| failure::local("reading the schema archive", &error))
    }

    /// The next piece, none at the end.
    pub(super) fn read(&mut self, limit: usize) -> Result<Option<Bytes>, Failure> {
        let mut piece = BytesMut::zeroed(limit);
        let read = self
            .0
            .read(&mut piece)
            .map_err(|error| failure::local("reading the schema archive", &error))?;
        piece.truncate(read);
        Ok((read > 0).then(|| piece.freeze()))
    }
}
