//! A stored login: server, authority and token, in a file that only its owner can read.

pub(crate) mod named;

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use dataguardian_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// A login that later commands use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// With scheme and port.
    pub(crate) server: String,
    /// Whose token it is; for people.
    pub(crate) username: String,
    /// The authority of the server's certificate; none for the system's own.
    pub(crate) ca_pem: Option<String>,
    /// The API token.
    pub(crate) token: Secret,
}

/// The file's layout. It has no `Debug`, since it holds the token as it is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    server: String,
    username: String,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ca_pem: Option<String>,
}

impl Profile {
    /// The stored login, if there is one.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>> {
        let content = |problem: String| Error::Content {
            path: path.to_owned(),
            problem,
        };
        let mode = match fs::metadata(path) {
            Ok(metadata) => metadata.mode(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(file_error("reading", path, source)),
        };
        if mode & 0o077 != 0 {
            return Err(content(format!(
                "others can read or write it (mode {:04o}); after `chmod 600` it will be used, but sign in again to be safe",
                mode & 0o7777
            )));
        }
        let text = fs::read_to_string(path).map_err(|source| file_error("reading", path, source))?;
        let text = Zeroizing::new(text);
        // The parser's own message would quote the line that it stumbles over, which may be the token.
        let layout: Layout = toml::from_str(&text)
            .map_err(|_| content("is not a stored login; remove it and sign in again".into()))?;
        Ok(Some(Self {
            server: layout.server,
            username: layout.username,
            ca_pem: layout.ca_pem,
            token: Secret::new(layout.token),
        }))
    }

    /// Stores it in place of what was there: whole or not at all.
    pub(crate) fn store(&self, path: &Path) -> Result<()> {
        let layout = Layout {
            server: self.server.clone(),
            username: self.username.clone(),
            token: self.token.expose().to_owned(),
            ca_pem: self.ca_pem.clone(),
        };
        let text = toml::to_string(&layout).map_err(|error| Error::Content {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
        write_private(path, Zeroizing::new(text).as_bytes())
    }
}

/// Removes the stored login; whether there was one.
pub(crate) fn remove(path: &Path) -> Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(file_error("removing", path, source)),
    }
}

/// Writes a file that only its owner can read, in place of what was there: whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut incoming = path.as_os_str().to_owned();
        incoming.push(format!(".{}.new", std::process::id()));
        let incoming = PathBuf::from(incoming);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&incoming)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        written
            .and_then(|()| fs::rename(&incoming, path))
            .inspect_err(|_| {
                fs::remove_file(&incoming).ok();
            })
    };
    write().map_err(|source| file_error("writing", path, source))
}

fn file_error(action: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn profile() -> Profile {
        Profile {
            server: "https://dg.example:8443".into(),
            username: "ada".into(),
            ca_pem: Some("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".into()),
            token: Secret::new("dg_1_secret"),
        }
    }

    #[test]
    fn a_login_is_stored_for_its_owner_alone_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/dgctl.toml");
        profile().store(&path).unwrap();
        profile().store(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(Profile::load(&path).unwrap(), Some(profile()));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_login_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dgctl.toml");
        profile().store(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Profile::load(&path), Err(Error::Content { .. })));
    }

    #[test]
    fn no_login_is_no_error_and_a_damaged_one_does_not_show_its_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dgctl.toml");
        assert_eq!(Profile::load(&path).unwrap(), None);
        assert!(!remove(&path).unwrap());
        write_private(&path, b"token = dg_1_secret").unwrap();
        let text = Profile::load(&path).unwrap_err().text();
        assert!(!text.contains("secret"), "{text}");
        assert!(remove(&path).unwrap());
    }
}
