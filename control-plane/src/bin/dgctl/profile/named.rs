//! Logins by name, for people who work with several servers: each in a file of its own, so that one server's token never lies
//! beside another's.
//!
//! The login without a name is called `default`, and is the file that was there before there were names. Which one counts where
//! none is named stands in a file of its own beside them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use dataguardian_core::name::ResourceName;

use super::{file_error, remove, write_private};
use crate::error::{Error, Result};

/// The login that has no name of its own.
pub(crate) const DEFAULT: &str = "default";

/// Where logins are kept.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// `$XDG_CONFIG_HOME/dataguardian`, or the same below `~/.config`.
    pub(crate) fn of_user() -> Result<Self> {
        let variable = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let base = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
        base.map(|base| Self(base.join("dataguardian")))
            .ok_or_else(|| Error::usage("there is no place for the login: set HOME or XDG_CONFIG_HOME"))
    }

    /// The file of the login with that name.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf> {
        if name == DEFAULT {
            return Ok(self.0.join("dgctl.toml"));
        }
        // A name becomes the name of a file: nothing but letters, digits and `._-` gets there.
        let name: ResourceName = name
            .parse()
            .map_err(|error| Error::usage(format!("--profile {name}: {error}")))?;
        Ok(self.0.join("profiles").join(format!("{name}.toml")))
    }

    /// The login that counts where none is named.
    pub(crate) fn current(&self) -> Result<String> {
        let path = self.pointer();
        match fs::read_to_string(&path) {
            Ok(name) => Ok(name.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(DEFAULT.to_owned()),
            Err(source) => Err(file_error("reading", &path, source)),
        }
    }

    /// Makes it the one that counts where none is named.
    pub(crate) fn choose(&self, name: &str) -> Result<()> {
        match name {
            DEFAULT => remove(&self.pointer()).map(|_| ()),
            name => write_private(&self.pointer(), format!("{name}\n").as_bytes()),
        }
    }

    /// The names of all that are stored, in order; `default` first.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let folder = self.0.join("profiles");
        let mut names = Vec::new();
        match fs::read_dir(&folder) {
            Ok(entries) => {
                for entry in entries {
                    let path = entry
                        .map_err(|source| file_error("reading", &folder, source))?
                        .path();
                    names.extend(name_of(&path));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(file_error("reading", &folder, source)),
        }
        names.sort();
        if self.file(DEFAULT)?.exists() {
            names.insert(0, DEFAULT.to_owned());
        }
        Ok(names)
    }

    fn pointer(&self) -> PathBuf {
        self.0.join("current-profile")
    }
}

/// The name in `NAME.toml`; what else lies there is none of ours.
fn name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    name.parse::<ResourceName>().ok().map(|name| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_of_its_own_and_never_a_path() {
        let folder = Folder("/home/ada/.config/dataguardian".into());
        let file = |name: &str| folder.file(name).map(|path| path.display().to_string());
        assert_eq!(
            file(DEFAULT).unwrap(),
            "/home/ada/.config/dataguardian/dgctl.toml"
        );
        assert_eq!(
            file("prod").unwrap(),
            "/home/ada/.config/dataguardian/profiles/prod.toml"
        );
        for bad in ["", "../dgctl", "a/b", "Prod"] {
            assert!(matches!(file(bad), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn the_one_that_counts_is_chosen_and_the_default_needs_no_choice() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder(temporary.path().into());
        assert_eq!(folder.current().unwrap(), DEFAULT);
        folder.choose("prod").unwrap();
        assert_eq!(folder.current().unwrap(), "prod");
        folder.choose(DEFAULT).unwrap();
        assert_eq!(folder.current().unwrap(), DEFAULT);
        assert!(folder.names().unwrap().is_empty());
        write_private(&folder.file("prod").unwrap(), b"x").unwrap();
        write_private(&folder.file("lab").unwrap(), b"x").unwrap();
        write_private(&folder.file(DEFAULT).unwrap(), b"x").unwrap();
        assert_eq!(folder.names().unwrap(), ["default", "lab", "prod"]);
    }
}
