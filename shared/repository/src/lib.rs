//! The on-storage format of DataGuardian repositories: chunks, packs, lists, manifests.
//!
//! `docs/repository-format.md` is the specification and this crate follows it to the byte. What is written here must be
//! readable for as long as anybody keeps a backup, so the rules are few:
//!
//! * Everything is immutable and named by what it holds; what was read is checked against its name before it is used.
//! * Writing goes packs, lists, manifest; reading goes the other way and needs nothing else.
//! * All that comes out of a storage is hostile until it is checked: no parser here panics, none allocates more than the
//!   limits in [`mod@format`] allow.
//!
//! The way of the data, one type per stage: [`chunk::RawChunk`] → [`compress::CompressedChunk`] → [`pack::SealedPack`] and
//! [`list::SealedList`] → [`manifest::Manifest`]. Everything but [`storage`] and [`read`] is plain computation.

pub mod chunk;
pub mod chunker;
pub mod compress;
pub mod digest;
mod failure;
pub mod format;
mod hkdf;
pub mod id;
pub mod keys;
pub mod kit;
pub mod layout;
pub mod list;
pub mod manifest;
pub mod pack;
pub mod presence;
pub mod read;
pub mod removal;
pub mod rescue;
pub mod seal;
pub mod storage;
pub mod unnamed;
pub mod verify;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod testing;
