//! The agent's state directory: the only place on the host where the agent keeps anything.
//!
//! ```text
//! lock            held by the running agent
//! keys.json       private keys, made before the agent enrolls
//! identity.json   certificate and whom to trust, after it has
//! pending.json    the key of a certificate that is being asked for
//! journal/        one file per attempt that runs or whose result is not taken yet
//! work/           private, short-lived files of running attempts
//! ```
//! Everything is readable by the agent's own user alone, and every write survives a power cut: the new contents are on the
//! disk before they take the old ones' name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

/// The state directory, opened.
#[derive(Debug, Clone)]
pub struct StateDir {
    root: PathBuf,
}

/// The state directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder can't be made, read or written.
    #[error("the state directory's {} can't be used", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than the agent's user may look into it.
    #[error("the state directory {} is open to other users (mode {mode:03o}): run `chmod 700` on it", path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another agent runs on it.
    #[error("another agent is running on the state directory {}", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
}

/// Holds the state directory for this process until it is dropped.
#[derive(Debug)]
pub struct StateLock(#[expect(dead_code, reason = "held, never read")] Flock<File>);

impl StateDir {
    /// Opens the directory, making what is missing.
    pub fn open(root: &Path) -> Result<Self, StateError> {
        let state = Self {
            root: root.to_owned(),
        };
        for folder in [state.root.clone(), state.journal(), state.work()] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.map_err(|source| StateError::Io { path: folder, source })?;
        }
        let metadata = fs::metadata(root).map_err(|source| StateError::Io {
            path: root.to_owned(),
            source,
        })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(StateError::Open {
                path: root.to_owned(),
                mode,
            });
        }
        Ok(state)
    }

    /// Takes the lock that only one running agent can have.
    pub fn lock(&self) -> Result<StateLock, StateError> {
        let path = self.root.join("lock");
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(|source| StateError::Io { path, source })?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map(StateLock)
            .map_err(|_| StateError::Locked {
                path: self.root.clone(),
            })
    }

    /// The folder of the journal.
    pub fn journal(&self) -> PathBuf {
        self.root.join("journal")
    }

    /// The folder for private, short-lived files.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// Removes what an earlier process left in the work folder.
    pub fn clear_work(&self) -> Result<(), StateError> {
        let work = self.work();
        let error = |source| StateError::Io {
            path: work.clone(),
            source,
        };
        for entry in fs::read_dir(&work).map_err(error)? {
            let path = entry.map_err(error)?.path();
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(|source| StateError::Io { path, source })?;
        }
        Ok(())
    }

    /// The contents of a file; none if there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        read(&self.root.join(name))
    }

    /// Replaces a file's contents, durably and at once.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), StateError> {
        write(&self.root.join(name), contents)
    }

    /// Removes a file durably; one that is gone already is fine.
    pub fn remove(&self, name: &str) -> Result<(), StateError> {
        remove(&self.root.join(name))
    }
}

/// The contents of a file; none if there is no such file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    let mut contents = Vec::new();
    match File::open(path).and_then(|mut file| file.read_to_end(&mut contents)) {
        Ok(_) => Ok(Some(contents)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::Io {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Replaces a file's contents: written beside, synced, renamed over, and the folder synced.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), StateError> {
    replace(path, contents).map_err(|source| StateError::Io {
        path: path.to_owned(),
        source,
    })
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(contents)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    sync_folder(path)
}

/// Removes a file durably; one that is gone already is fine.
pub fn remove(path: &Path) -> Result<(), StateError> {
    let removed = match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder(path),
    };
    removed.map_err(|source| StateError::Io {
        path: path.to_owned(),
        source,
    })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_agent_runs_on_a_state_directory() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        let held = state.lock().unwrap();
        assert!(matches!(state.lock(), Err(StateError::Locked { .. })));
        drop(held);
        assert!(state.lock().is_ok());
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            StateDir::open(folder.path()),
            Err(StateError::Open { mode: 0o755, .. })
        ));
    }

    #[test]
    fn files_are_private_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        assert_eq!(state.read("keys.json").unwrap(), None);
        state.write("keys.json", b"secret").unwrap();
        assert_eq!(state.read("keys.json").unwrap().as_deref(), Some(&b"secret"[..]));
        let mode = fs::metadata(folder.path().join("state/keys.json"))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o600);
    }
}
