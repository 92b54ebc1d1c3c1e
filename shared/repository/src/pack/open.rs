//! Reading packs.

use std::cell::RefCell;
use std::fmt;
use std::io;

use bytes::Bytes;

use super::header::PackHeader;
use super::index::{self, IndexError, IndexPlace};
use super::{FrameNumber, PackedFrame};
use crate::chunk::{ChunkNamer, RawChunk};
use crate::compress::Decompressor;
use crate::format::SALT_LEN;
use crate::id::ChunkId;
use crate::keys::Protection;
use crate::seal::{
    DoesNotOpen, HeadError, KeyError, ObjectCipher, SealError, frame_associated, frame_lengths_in_bounds,
    frame_nonce,
};

/// A pack that can't be read. The text says what the matter is with it, not which pack it is: whoever read it knows.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Its header is not one.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It can't be opened with the keys at hand.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its index is not one.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The cipher could not be set up.
    #[error(transparent)]
    Cipher(#[from] SealError),
    /// It has no such frame.
    #[error("it has no frame {}", .0.0)]
    NoSuchFrame(FrameNumber),
    /// One of its frames is damaged.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// A frame that does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("frame {frame}, chunk {chunk}", frame = .frame.0)]
pub struct FrameError {
    /// Which frame of the pack.
    pub frame: FrameNumber,
    /// The chunk that it should hold.
    pub chunk: ChunkId,
    /// What the matter is.
    #[source]
    pub problem: FrameProblem,
}

/// What may be the matter with a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameProblem {
    /// Lengths that no frame has.
    #[error("its lengths are not in bounds")]
    Lengths,
    /// It is sealed and does not open.
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
    /// It is no zstd frame of that length.
    #[error("it does not decompress")]
    Zstd(#[from] io::Error),
    /// It holds another chunk.
    #[error("it holds another chunk")]
    OtherChunk,
}

/// Opens frames of one pack.
pub struct FrameOpener {
    salt: [u8; SALT_LEN],
    cipher: Option<ObjectCipher>,
    namer: ChunkNamer,
}

impl FrameOpener {
    /// An opener for the pack with that header. Where backups are encrypted, a plain pack is refused: whoever can write to
    /// the storage could have put it there.
    pub fn new(protection: &Protection, header: &PackHeader) -> Result<Self, PackError> {
        let (cipher, namer) = match (protection, header.key()) {
            (Protection::Plain, None) => (None, ChunkNamer::plain()),
            (Protection::Plain, Some(key)) => return Err(KeyError::Missing(key).into()),
            (Protection::Encrypted(_), None) => return Err(KeyError::NotSealed.into()),
            (Protection::Encrypted(keys), Some(key)) => {
                let generation = keys.generation(key).ok_or(KeyError::Missing(key))?;
                let cipher = ObjectCipher::new(&generation.object_key(&header.0.salt, b"pack"))?;
                (Some(cipher), ChunkNamer::of_generation(generation))
            }
        };
        Ok(Self {
            salt: header.0.salt,
            cipher,
            namer,
        })
    }

    /// The chunk in frame number `number`, whose stored bytes are `stored`: opened, decompressed, its length and its name
    /// checked. Allocates no more than the chunk and its frame, both of which are bounded by the format.
    pub fn open(
        &self,
        number: FrameNumber,
        frame: &PackedFrame,
        stored: &[u8],
    ) -> Result<RawChunk, FrameError> {
        self.try_open(number, frame, stored)
            .map_err(|problem| FrameError {
                frame: number,
                chunk: frame.chunk,
                problem,
            })
    }

    fn try_open(
        &self,
        number: FrameNumber,
        frame: &PackedFrame,
        stored: &[u8],
    ) -> Result<RawChunk, FrameProblem> {
        let as_told = stored.len() == frame.stored_len as usize;
        if !as_told || !frame_lengths_in_bounds(frame.stored_len, frame.raw_len) {
            return Err(FrameProblem::Lengths);
        }
        let raw = match &self.cipher {
            None => decompress(stored, frame.raw_len)?,
            Some(cipher) => {
                let associated = frame_associated(&self.salt, number.0, &frame.chunk);
                let opened = cipher.open(frame_nonce(number.0), &associated, stored)?;
                decompress(&opened, frame.raw_len)?
            }
        };
        if self.namer.name(&raw) != frame.chunk {
            return Err(FrameProblem::OtherChunk);
        }
        Ok(RawChunk(raw.into()))
    }
}

impl fmt::Debug for FrameOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FrameOpener")
    }
}

/// Decompresses with the thread's own context: making one costs more than most frames.
fn decompress(frame: &[u8], len: u32) -> io::Result<Vec<u8>> {
    thread_local! {
        static DECOMPRESSOR: RefCell<Option<Decompressor>> = const { RefCell::new(None) };
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new()?),
        };
        decompressor.decompress(frame, len as usize)
    })
}

/// A whole pack in memory, its header and index read and checked.
#[derive(Debug)]
pub struct PackReader {
    bytes: Bytes,
    opener: FrameOpener,
    frames: Vec<PackedFrame>,
}

impl PackReader {
    /// Reads header and index of the pack with these stored bytes.
    pub fn new(protection: &Protection, bytes: Bytes) -> Result<Self, PackError> {
        let header = PackHeader::decode(&bytes)?;
        let opener = FrameOpener::new(protection, &header)?;
        let footer = bytes
            .last_chunk::<{ IndexPlace::FOOTER_LEN }>()
            .ok_or(IndexError::Footer)?;
        let place = IndexPlace::from_footer(footer, bytes.len() as u64)?;
        let start = place.range().start as usize;
        let frames = index::read(&header, opener.cipher.as_ref(), &place, &bytes[start..])?;
        Ok(Self {
            bytes,
            opener,
            frames,
        })
    }

    /// Its frames, by number.
    pub fn frames(&self) -> &[PackedFrame] {
        &self.frames
    }

    /// The chunk in one of its frames.
    pub fn open(&self, number: FrameNumber) -> Result<RawChunk, PackError> {
        let frame = self
            .frames
            .get(number.0 as usize)
            .ok_or(PackError::NoSuchFrame(number))?;
        let start = frame.offset as usize;
        let stored = &self.bytes[start..start + frame.stored_len as usize];
        Ok(self.opener.open(number, frame, stored)?)
    }
}

/// Reads an index that was fetched by itself, from its pack's header and its own bytes.
pub fn read_index(
    protection: &Protection,
    header: &PackHeader,
    place: &IndexPlace,
    bytes: &[u8],
) -> Result<Vec<PackedFrame>, PackError> {
    let opener = FrameOpener::new(protection, header)?;
    Ok(index::read(header, opener.cipher.as_ref(), place, bytes)?)
}
