//! Files and folders of the installation: where each is, and how each is made once.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Account, Edited, InstallError, Outcome, Step, Way, unit};

/// The configuration that a new host begins with: everything in it is a comment.
const CONFIG: &str = include_str!("../../systemd/agent.toml");
/// Where a program goes that came from no package.
const PROGRAM: &str = "/usr/local/bin/dataguardian-agent";
/// The same from a package.
const PACKAGED_PROGRAM: &str = "/usr/bin/dataguardian-agent";

/// Where everything is, below a root.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

/// Whose a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Ours, and unedited.
    Ours,
    /// Somebody's.
    Edited,
}

impl Layout {
    /// That of a system.
    pub fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// A path of that system, as this process reaches it.
    pub fn at(&self, inside: &Path) -> PathBuf {
        self.root.join(inside.strip_prefix("/").unwrap_or(inside))
    }

    /// The agent's state directory.
    pub fn state_dir(&self) -> PathBuf {
        self.at(Path::new("/var/lib/dataguardian-agent"))
    }

    /// The agent's configuration.
    pub fn config(&self) -> PathBuf {
        self.at(Path::new(crate::config::DEFAULT_PATH))
    }

    /// The unit that an administrator, or we, put there.
    pub fn unit(&self) -> PathBuf {
        self.at(Path::new("/etc/systemd/system/dataguardian-agent.service"))
    }

    fn drop_ins(&self) -> PathBuf {
        self.at(Path::new("/etc/systemd/system/dataguardian-agent.service.d"))
    }

    /// The drop-in of a storage's folder.
    pub(super) fn drop_in(&self, folder: &Path) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = folder.to_string_lossy().chars().map(plain).collect();
        self.drop_ins()
            .join(format!("storage-{}.conf", name.trim_matches('-')))
    }

    /// The unit that a package put there.
    pub(super) fn packaged_unit(&self) -> Option<PathBuf> {
        let folders = ["/usr/lib/systemd/system", "/lib/systemd/system"];
        let units = folders.map(|folder| self.at(&Path::new(folder).join("dataguardian-agent.service")));
        units.into_iter().find(|unit| unit.exists())
    }

    /// All units of ours that are there.
    pub(super) fn units(&self) -> Result<Vec<PathBuf>, InstallError> {
        let mut found: Vec<PathBuf> = Some(self.unit())
            .filter(|unit| unit.exists())
            .into_iter()
            .collect();
        let folder = self.drop_ins();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            Err(source) => {
                return Err(InstallError::File { path: folder, source });
            }
        };
        let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
        found.extend(paths.filter(|path| is_of_a_storage(path)));
        found.sort();
        Ok(found)
    }

    /// The program that the service starts, as that system calls it.
    pub fn program_inside(&self) -> PathBuf {
        let packaged = Path::new(PACKAGED_PROGRAM);
        if self.at(packaged).exists() && !self.at(Path::new(PROGRAM)).exists() {
            return packaged.to_owned();
        }
        PathBuf::from(PROGRAM)
    }

    /// Makes sure that the program is where a service may start it from: the one from a package, or a copy of `running`.
    pub(super) fn install_program(&self, running: &Path, way: Way) -> Result<Step, InstallError> {
        let inside = self.program_inside();
        let place = self.at(&inside);
        let is_it = same_file(running, &place) || inside == Path::new(PACKAGED_PROGRAM);
        if place.exists() && (is_it || same_contents(running, &place).map_err(at(&place))?) {
            return Ok(Step::new(
                Outcome::Present,
                format!("program {}", place.display()),
            ));
        }
        if way == Way::Do {
            let folder = place.parent().unwrap_or(&self.root);
            make_folders(folder).map_err(at(folder))?;
            let beside = place.with_extension("new");
            let copied = fs::copy(running, &beside)
                .and_then(|_| fs::set_permissions(&beside, Permissions::from_mode(0o755)))
                .and_then(|()| fs::rename(&beside, &place));
            copied.map_err(at(&place))?;
        }
        Ok(Step::new(
            Outcome::Done,
            format!("program {}, a copy of {}", place.display(), running.display()),
        ))
    }

    /// Makes a folder for the agent's user, or looks whether the one that is there is that user's.
    pub(super) fn ensure_folder(
        &self,
        path: &Path,
        mode: u32,
        account: &Account,
        way: Way,
    ) -> Result<Step, InstallError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() && account.owns(&found) => {
                return Ok(Step::new(Outcome::Present, format!("folder {}", path.display())));
            }
            Ok(found) => {
                let what = format!(
                    "{} is there and not a folder of the agent's user (uid {}): if it is meant for the agent, run `chown {} {0}`",
                    path.display(),
                    found.uid(),
                    super::USER,
                );
                return Ok(Step::new(Outcome::Left, what));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at(path)(error)),
        }
        if way == Way::Do {
            let above = path.parent().unwrap_or(&self.root);
            make_folders(above).map_err(at(above))?;
            DirBuilder::new().mode(mode).create(path).map_err(at(path))?;
            account.own(path)?;
        }
        let what = format!(
            "folder {}, mode {mode:03o}{}",
            path.display(),
            account.for_people()
        );
        Ok(Step::new(Outcome::Done, what))
    }

    /// Makes the configuration, or leaves the one that is there.
    pub(super) fn ensure_config(&self, storages: &[PathBuf], way: Way) -> Result<Step, InstallError> {
        let path = self.config();
        if path.exists() {
            return Ok(Step::new(
                Outcome::Present,
                format!("configuration {}", path.display()),
            ));
        }
        if way == Way::Do {
            write(&path, &first_config(storages)).map_err(at(&path))?;
        }
        Ok(Step::new(
            Outcome::Done,
            format!("configuration {}", path.display()),
        ))
    }

    /// Writes a unit, unless it is there or somebody edited it.
    pub(super) fn put(
        &self,
        path: &Path,
        text: &str,
        way: Way,
        edited: Edited,
    ) -> Result<Step, InstallError> {
        let shown = path.display();
        let present = match fs::read_to_string(path) {
            Ok(present) => Some(present),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(path)(error)),
        };
        let origin = present.as_deref().map(origin);
        if present.as_deref() == Some(text) {
            return Ok(Step::new(Outcome::Present, format!("unit {shown}")));
        }
        if origin == Some(Origin::Edited) && edited == Edited::Keep {
            let what = format!(
                "unit {shown} was edited and stays as it is: `--print-unit` shows ours, `--force` puts it there"
            );
            return Ok(Step::new(Outcome::Left, what));
        }
        if way == Way::Do {
            write(path, text).map_err(at(path))?;
        }
        let newer = if origin.is_some() {
            ", in place of the one before"
        } else {
            ""
        };
        Ok(Step::new(Outcome::Done, format!("unit {shown}{newer}")))
    }

    /// Removes a unit, unless somebody edited it.
    pub(super) fn take_away(&self, path: &Path, way: Way, edited: Edited) -> Result<Step, InstallError> {
        let text = fs::read_to_string(path).map_err(at(path))?;
        if origin(&text) == Origin::Edited && edited == Edited::Keep {
            let what = format!(
                "unit {} was edited and stays: `--force` removes it",
                path.display()
            );
            return Ok(Step::new(Outcome::Left, what));
        }
        if way == Way::Do {
            fs::remove_file(path).map_err(at(path))?;
        }
        Ok(Step::new(
            Outcome::Done,
            format!("unit {} removed", path.display()),
        ))
    }
}

fn origin(text: &str) -> Origin {
    match unit::is_unedited(text) {
        true => Origin::Ours,
        false => Origin::Edited,
    }
}

fn is_of_a_storage(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| name.starts_with("storage-") && name.ends_with(".conf"))
}

/// The configuration with the folders of storages, if any were named.
fn first_config(storages: &[PathBuf]) -> String {
    if storages.is_empty() {
        return CONFIG.to_owned();
    }
    let quoted: Vec<String> = storages.iter().map(|folder| format!("{folder:?}")).collect();
    CONFIG.replace(
        "# local_roots = [\"/srv/backups\"]",
        &format!("local_roots = [{}]", quoted.join(", ")),
    )
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> InstallError + '_ {
    |source| InstallError::File {
        path: path.to_owned(),
        source,
    }
}

/// Makes folders for everybody to look into, whatever this process's umask is.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    let mut missing: Vec<&Path> = path.ancestors().take_while(|above| !above.exists()).collect();
    while let Some(folder) = missing.pop() {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Writes a file that everybody may read, whole or not at all.
fn write(path: &Path, text: &str) -> io::Result<()> {
    make_folders(path.parent().unwrap_or(Path::new("/")))?;
    let mut beside = OsString::from(path.as_os_str());
    beside.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .open(&beside)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn same_file(one: &Path, other: &Path) -> bool {
    let id = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    id(one).is_some() && id(one) == id(other)
}

fn same_contents(one: &Path, other: &Path) -> io::Result<bool> {
    Ok(fs::metadata(one)?.len() == fs::metadata(other)?.len() && fs::read(one)? == fs::read(other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AgentConfig;

    #[test]
    fn the_first_configuration_is_one() {
        let load = |storages: &[PathBuf]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("agent.toml");
            write(&path, &first_config(storages)).unwrap();
            AgentConfig::load(Some(&path)).unwrap()
        };
        assert_eq!(load(&[]), AgentConfig::default());
        let storages = [PathBuf::from("/srv/a b"), PathBuf::from("/srv/c")];
        assert_eq!(load(&storages).local_roots, storages);
    }

    #[test]
    fn every_line_that_is_shown_commented_out_would_be_taken() {
        let lines = CONFIG.lines().filter_map(|line| line.strip_prefix("# "));
        let settings: Vec<_> = lines
            .filter(|line| line.contains(" = ") || line.starts_with('['))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.toml");
        write(&path, &settings.join("\n")).unwrap();
        let config = AgentConfig::load(Some(&path)).unwrap();
        assert!(
            config.credentials.contains_key("postgres-5432") && !config.local_roots.is_empty(),
            "{config:?}"
        );
    }

    #[test]
    fn each_folder_has_a_drop_in_of_its_own() {
        let layout = Layout::below(Path::new("/r"));
        let name = |folder: &str| layout.drop_in(Path::new(folder));
        let folder = Path::new("/r/etc/systemd/system/dataguardian-agent.service.d");
        assert_eq!(name("/srv/backups"), folder.join("storage-srv-backups.conf"));
        assert!(is_of_a_storage(&name("/srv/backups")));
        assert!(!is_of_a_storage(&folder.join("override.conf")));
    }
}
