//! The user that the agent runs as.

use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{Gid, Uid, User, geteuid};

use super::files::{at, make_folders};
use super::{InstallError, Outcome, Step, Way};

/// Its name.
pub const USER: &str = "dataguardian-agent";
/// How systemd is told to make it.
const SYSUSERS: &str = include_str!("../../systemd/sysusers.conf");

/// The user, if this process may give files to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    ids: Option<(u32, u32)>,
}

impl Account {
    /// The user of that system; made if it is not there.
    pub(super) fn ensure(root: &Path, way: Way) -> Result<(Self, Step), InstallError> {
        let step = |outcome, what: &str| Step::new(outcome, format!("user {USER}{what}"));
        if !geteuid().is_root() && way == Way::Do {
            let left = step(Outcome::Left, " is not made, and owns nothing: that needs root");
            return Ok((Self { ids: None }, left));
        }
        if let Some(ids) = find(root)? {
            return Ok((Self { ids: Some(ids) }, step(Outcome::Present, "")));
        }
        if way == Way::Tell {
            return Ok((Self { ids: None }, step(Outcome::Done, "")));
        }
        make(root)?;
        let ids = find(root)?.ok_or(InstallError::NoUser)?;
        Ok((Self { ids: Some(ids) }, step(Outcome::Done, "")))
    }

    /// Its ids, of user and group.
    pub fn ids(&self) -> Option<(u32, u32)> {
        self.ids
    }

    /// Whether a file is its own.
    pub(super) fn owns(&self, file: &Metadata) -> bool {
        self.ids.is_none_or(|(user, _)| file.uid() == user)
    }

    /// Gives a file to it; of a link the link itself.
    pub(super) fn own(&self, path: &Path) -> Result<(), InstallError> {
        match self.ids {
            Some((user, group)) => std::os::unix::fs::lchown(path, Some(user), Some(group)).map_err(at(path)),
            None => Ok(()),
        }
    }

    /// Gives a folder to it with all that is in it.
    ///
    /// # Errors
    /// If something in it can't be read or given away.
    pub fn own_all(&self, folder: &Path) -> Result<(), InstallError> {
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let path = entry.map_err(at(folder))?.path();
            if path.is_dir() && !path.is_symlink() {
                self.own_all(&path)?;
            } else {
                self.own(&path)?;
            }
        }
        self.own(folder)
    }

    pub(super) fn for_people(&self) -> String {
        match self.ids {
            Some(_) => format!(", of {USER}"),
            None => String::new(),
        }
    }
}

/// The ids of the user: on this host as its system looks them up, elsewhere from its file.
fn find(root: &Path) -> Result<Option<(u32, u32)>, InstallError> {
    if root == Path::new("/") {
        let found = User::from_name(USER).map_err(|error| at(Path::new("/etc/passwd"))(error.into()))?;
        return Ok(found.map(|user| (Uid::as_raw(user.uid), Gid::as_raw(user.gid))));
    }
    let path = root.join("etc/passwd");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(ids_in(&text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(&path)(error)),
    }
}

/// The ids that a list of users (passwd(5)) has for the user.
fn ids_in(passwd: &str) -> Option<(u32, u32)> {
    let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|fields| fields.first() == Some(&USER))?;
    Some((line.get(2)?.parse().ok()?, line.get(3)?.parse().ok()?))
}

/// Makes the user with `systemd-sysusers`, which needs no systemd that runs, else with `useradd`.
fn make(root: &Path) -> Result<(), InstallError> {
    let lists = root.join("etc");
    make_folders(&lists).map_err(at(&lists))?;
    let mut sysusers = Command::new("systemd-sysusers");
    sysusers.arg(format!("--root={}", root.display())).arg("-");
    match run(&mut sysusers, SYSUSERS) {
        Err(InstallError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
        ended => return ended,
    }
    let mut useradd = Command::new("useradd");
    if root != Path::new("/") {
        useradd.arg("--prefix").arg(root);
    }
    let home = "/var/lib/dataguardian-agent";
    useradd.args(["--system", "--user-group", "--no-create-home", "--home-dir", home]);
    useradd.args(["--shell", "/usr/sbin/nologin", USER]);
    run(&mut useradd, "")
}

fn run(command: &mut Command, input: &str) -> Result<(), InstallError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(at(Path::new(&program)))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .map_err(at(Path::new(&program)))?;
    }
    let output = child.wait_with_output().map_err(at(Path::new(&program)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(InstallError::Program { program, said })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_off_a_list_of_users() {
        let passwd = "root:x:0:0::/root:/bin/sh\ndataguardian-agent:x:997:995::/var/lib/x:/bin/false\n";
        assert_eq!(ids_in(passwd), Some((997, 995)));
        for other in [
            "",
            "root:x:0:0::/:/bin/sh\n",
            "dataguardian-agent:x\n",
            "dataguardian-agent2:x:1:1\n",
        ] {
            assert_eq!(ids_in(other), None, "{other}");
        }
    }
}
