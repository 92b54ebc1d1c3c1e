//! The numbers that the format is made of. Changing one of them is a new format version.

/// The version of everything this crate writes, and the newest that it reads. It is part of what seals are bound to: once
/// there is a second one, older objects must be opened with the version in their own heads, as the golden repositories will
/// insist.
pub const FORMAT_VERSION: u8 = 1;

/// The largest chunk, in bytes before compression: a reader's buffer for one chunk never grows past this.
pub const MAX_CHUNK_LEN: u32 = 4 << 20;

/// The largest stored frame, in bytes: zstd's bound for [`MAX_CHUNK_LEN`] incompressible bytes, plus header and tag, rounded up.
pub const MAX_FRAME_LEN: u32 = MAX_CHUNK_LEN + (MAX_CHUNK_LEN >> 8) + 1024;

/// The size, in bytes, at which a pack is called full unless told otherwise.
pub const DEFAULT_PACK_LEN: u32 = 16 << 20;

/// The largest target size for packs, in bytes.
pub const MAX_PACK_TARGET: u32 = 256 << 20;

/// The most frames that a pack holds; bounds its index to 2.5 MiB.
pub const MAX_PACK_FRAMES: u32 = 65_536;

/// The largest pack, in bytes: the largest target with one frame over it, and the index.
pub const MAX_PACK_LEN: u64 = MAX_PACK_TARGET as u64 + MAX_FRAME_LEN as u64 + (4 << 20);

/// The most entries that a list holds.
pub const MAX_LIST_ENTRIES: usize = 4096;

/// Up to this many chunk references at the end of a stream stand in the manifest itself instead of in a list of their own:
/// ten thousand small tables would otherwise be ten thousand tiny objects.
pub const MAX_INLINE_TAIL: usize = 4;

/// The length of the salts in packs, lists and manifests, in bytes.
pub const SALT_LEN: usize = 32;

/// The length of an AES-256-GCM tag, in bytes.
pub const TAG_LEN: usize = 16;
