//! The directory in which the control plane keeps what it writes. Nobody else may look into it: it is made with mode 0700,
//! its files with 0600, whatever the umask.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// An existing data directory.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

/// The data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It can't be made, entered or written to.
    #[error("the data directory {0} can't be used")]
    Io(PathBuf, #[source] io::Error),
    /// It is not there.
    #[error("there is no data directory {0}: name that of your control plane with --data-dir")]
    Missing(PathBuf),
    /// Others may write to it.
    #[error(
        "the data directory {path} has mode {mode:o}: others must not be able to write to it (chmod 0700)"
    )]
    Open {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

impl DataDir {
    /// systemd's state directory, else the user's, else a folder where the program was started.
    pub fn default_path() -> PathBuf {
        let from = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        from("STATE_DIRECTORY")
            .or_else(|| from("XDG_STATE_HOME").map(|path| path.join("dataguardian")))
            .or_else(|| from("HOME").map(|path| path.join(".local/state/dataguardian")))
            .unwrap_or_else(|| PathBuf::from("dataguardian-data"))
    }

    /// Opens the directory; makes it if it is not there.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let io = |error| DataDirError::Io(path.to_owned(), error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(io)?;
        Self::open_existing(path)
    }

    /// Opens a directory that must be there already.
    pub fn open_existing(path: &Path) -> Result<Self, DataDirError> {
        let io = |error| DataDirError::Io(path.to_owned(), error);
        let path = match path.canonicalize() {
            Ok(path) => path,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::Missing(path.to_owned()));
            }
            Err(error) => return Err(io(error)),
        };
        let io = |error| DataDirError::Io(path.clone(), error);
        let mode = path.metadata().map_err(io)?.mode() & 0o7777;
        if mode & 0o022 != 0 {
            return Err(DataDirError::Open { path, mode });
        }
        Ok(Self(path))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file in one step: a reader sees the old contents or the new, never a part.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<PathBuf, DataDirError> {
        let path = self.join(name);
        let part = self.join(&format!("{name}.{}.part", std::process::id()));
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&part)?;
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.write_all(contents)?;
            file.sync_all()?;
            std::fs::rename(&part, &path)
        };
        write().map_err(|error| DataDirError::Io(path.clone(), error))?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().mode() & 0o777
    }

    #[test]
    fn nobody_else_can_look_into_it() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(&parent.path().join("a/b")).unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        let file = dir.write("ca.pem", b"first, and longer").unwrap();
        dir.write("ca.pem", b"second").unwrap();
        assert_eq!(mode(&file), 0o600);
        assert_eq!(std::fs::read(&file).unwrap(), b"second");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_that_must_be_there_is_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let missing = parent.path().join("mistyped");
        assert!(matches!(
            DataDir::open_existing(&missing),
            Err(DataDirError::Missing(_))
        ));
        assert!(!missing.exists());
    }

    #[test]
    fn a_directory_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(
            DataDir::open(dir.path()),
            Err(DataDirError::Open { mode: 0o777, .. })
        ));
    }
}
