//! A schema between the program that writes it and whoever reads it.

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
pub(in crate::engines) struct Spool(SpooledTempFile);

impl Spool {
    /// An empty one; `directory` is used only if it gets long.
    pub(in crate::engines) fn new(directory: PathBuf) -> Self {
        Self(tempfile::spooled_tempfile_in(IN_MEMORY, directory))
    }

    pub(in crate::engines) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0
            .write_all(bytes)
            .map_err(|error| failure::local("keeping a schema", &error))
    }

    /// To the beginning, for the next reader.
    pub(in crate::engines) fn rewind(&mut self) -> Result<(), Failure> {
        self.0
            .rewind()
            .map_err(|error| failure::local("reading a schema", &error))
    }

    /// The next piece, none at the end.
    pub(in crate::engines) fn read(&mut self, limit: usize) -> Result<Option<Bytes>, Failure> {
        let mut piece = BytesMut::zeroed(limit);
        let read = self
            .0
            .read(&mut piece)
            .map_err(|error| failure::local("reading a schema", &error))?;
        piece.truncate(read);
        Ok((read > 0).then(|| piece.freeze()))
    }
}
