//! Where a path of a local storage really leads, and which storages lie in each other's way.
//!
//! A path is judged, compared and used as it is once its symbolic links are followed; what was judged is what is used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dataguardian_core::failure::{Failure, FailureKind};

/// Another storage on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Neighbour {
    pub(crate) name: String,
    /// Where it is said to lie, links not followed.
    pub(crate) path: PathBuf,
}

/// The path with its links followed. Of a path that does not exist yet, so far as it exists.
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, Failure> {
    let mut there = path;
    let mut missing = Vec::new();
    loop {
        match there.canonicalize() {
            Ok(found) => return Ok(missing.iter().rev().fold(found, |path, name| path.join(name))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let kind = match error.kind() {
                    io::ErrorKind::PermissionDenied => FailureKind::StorageDenied,
                    _ => FailureKind::StorageUnreachable,
                };
                return Err(Failure::new(
                    kind,
                    format!("the path {}: {error}", there.display()),
                ));
            }
        }
        if fs::symlink_metadata(there).is_ok() {
            let message = format!(
                "{} is a link that leads nowhere: is its disk mounted?",
                there.display()
            );
            return Err(Failure::new(FailureKind::StorageUnreachable, message));
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            let message = format!("the path {} leads nowhere", path.display());
            return Err(Failure::new(FailureKind::StorageUnreachable, message));
        };
        missing.push(name);
        there = parent;
    }
}

/// Whether a new storage at `path`, resolved, keeps apart from those that are there: copies in one place are lost together.
pub(crate) fn keep_apart(path: &Path, neighbours: &[Neighbour]) -> Result<(), Failure> {
    for other in neighbours {
        let place = match resolve(&other.path) {
            Ok(place) => place,
            // One that can't be seen now is known again by its repository's id.
            Err(error) => {
                tracing::warn!(storage.name = other.name, %error, "a storage can't be compared with a new one");
                continue;
            }
        };
        let how = match (path.starts_with(&place), place.starts_with(path)) {
            (true, true) => "is at that place already",
            (true, false) => "lies around that place",
            (false, true) => "lies within that place",
            (false, false) => continue,
        };
        let message = format!(
            "storage {} in {} {how}, which is {}",
            other.name,
            other.path.display(),
            path.display()
        );
        return Err(Failure::new(FailureKind::PlaceTaken, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn storages_that_share_a_place_are_seen_through_links() {
        let folder = tempfile::tempdir().unwrap();
        let vault = folder.path().join("disk/vault");
        fs::create_dir_all(&vault).unwrap();
        symlink(&vault, folder.path().join("link")).unwrap();
        symlink(folder.path().join("disk"), folder.path().join("mount")).unwrap();
        for known in ["disk/vault", "link", "mount/vault"] {
            let neighbour = Neighbour {
                name: "vault".to_owned(),
                path: folder.path().join(known),
            };
            let judge = |path: &str| {
                let path = resolve(&folder.path().join(path)).unwrap();
                keep_apart(&path, std::slice::from_ref(&neighbour))
            };
            for path in [
                "disk/vault",
                "link",
                "mount/vault",
                "link/sub/folder",
                "mount",
                "disk",
            ] {
                let refused = judge(path).unwrap_err();
                assert_eq!(refused.kind, FailureKind::PlaceTaken, "{path}: {refused}");
                assert!(refused.message.contains("storage vault"), "{path}: {refused}");
            }
            for path in ["disk/vault2", "mount/other", "new/vault"] {
                judge(path).unwrap();
            }
        }
    }

    #[test]
    fn a_storage_out_of_sight_does_not_stop_another() {
        let folder = tempfile::tempdir().unwrap();
        symlink(folder.path().join("not mounted"), folder.path().join("link")).unwrap();
        let neighbour = Neighbour {
            name: "away".to_owned(),
            path: folder.path().join("link"),
        };
        keep_apart(folder.path(), &[neighbour]).unwrap();
    }
}
