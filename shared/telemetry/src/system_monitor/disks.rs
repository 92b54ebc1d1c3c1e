//! The file systems that certain folders are on. Only these are asked: one that hangs and is nothing to us holds nothing up.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use dataguardian_core::performance::MAX_DISKS;
use nix::sys::statvfs::statvfs;

use super::Disk;

/// Each file system once, in the order of the folders. A folder that is not there is passed over.
pub(super) fn of(folders: &[PathBuf]) -> Vec<Disk> {
    let mut seen = HashSet::new();
    let is_new = |folder: &&PathBuf| {
        let device = std::fs::metadata(folder).map(|metadata| metadata.dev());
        device.is_ok_and(|device| seen.insert(device))
    };
    let folders = folders.iter().filter(is_new);
    folders
        .filter_map(|folder| disk(folder))
        .take(MAX_DISKS)
        .collect()
}

fn disk(folder: &Path) -> Option<Disk> {
    let status = statvfs(folder).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(status.fragment_size());
    Some(Disk {
        path: folder.display().to_string(),
        total: bytes(status.blocks()),
        available: bytes(status.blocks_available()),
    })
}
