//! The texts of units. Pure: what goes in comes out as text.
//!
//! A file that we write ends in a line with the checksum of what is above it. One whose checksum fits was edited by nobody, and
//! a newer version replaces it; any other one is somebody's own.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

/// The unit as it is shipped, for a program in `/usr/bin`.
const SHIPPED: &str = include_str!("../../systemd/dataguardian-agent.service");
/// Where the shipped unit has its program.
const SHIPPED_PROGRAM: &str = "ExecStart=/usr/bin/dataguardian-agent ";
/// What the last line of a file of ours begins with.
const SEAL: &str = "# Written by `dataguardian-agent install`, which replaces it unless it was edited: ";

/// A folder that can't be named in a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a storage's folder must be an absolute path of plain characters without quotes, backslashes and `..`, not {}", .0.display())]
pub struct UnitError(pub PathBuf);

/// The service's unit, for a program at that path.
pub(super) fn service(program: &Path) -> String {
    let program = format!("ExecStart={} ", program.display());
    sealed(&SHIPPED.replace(SHIPPED_PROGRAM, &program))
}

/// What lets the service write to a storage's folder.
pub(super) fn drop_in(folder: &Path) -> Result<String, UnitError> {
    let folder = quoted(folder)?;
    Ok(sealed(&format!(
        "# A folder of a local storage; `-` in front: the agent starts without it too.\n[Service]\nReadWritePaths=\"-{folder}\"\n"
    )))
}

/// A path as units write it (systemd.syntax(7), and `%` for specifiers in systemd.unit(5)).
fn quoted(path: &Path) -> Result<String, UnitError> {
    let bad = || UnitError(path.to_owned());
    let text = path.to_str().ok_or_else(bad)?;
    let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\'' | '\\');
    let straight = !text.split('/').any(|part| part == "..");
    if !text.starts_with('/') || text == "/" || !text.chars().all(plain) || !straight {
        return Err(bad());
    }
    Ok(text.replace('%', "%%"))
}

/// The text with its checksum below.
pub(super) fn sealed(text: &str) -> String {
    format!("{text}{SEAL}{}\n", checksum(text))
}

/// Whether a file is as we wrote it, whatever version of ours that was.
pub(super) fn is_unedited(text: &str) -> bool {
    let Some(at) = text.rfind(SEAL) else {
        return false;
    };
    let (above, seal) = text.split_at(at);
    seal.strip_prefix(SEAL).map(str::trim_end) == Some(&checksum(above))
}

fn checksum(text: &str) -> String {
    hex::encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_starts_the_program_that_was_installed() {
        for program in ["/usr/bin/dataguardian-agent", "/usr/local/bin/dataguardian-agent"] {
            let unit = service(Path::new(program));
            let starts: Vec<_> = unit
                .lines()
                .filter(|line| line.starts_with("ExecStart="))
                .collect();
            let expected = format!("ExecStart={program} run --state-dir /var/lib/dataguardian-agent");
            assert_eq!(starts, [expected]);
        }
    }

    #[test]
    fn what_was_edited_is_told_from_what_we_wrote() {
        let unit = service(Path::new("/usr/bin/dataguardian-agent"));
        assert!(is_unedited(&unit));
        assert!(is_unedited(&sealed("an older version\n")));
        assert!(!is_unedited(&unit.replace("RestartSec=2", "RestartSec=20")));
        assert!(!is_unedited(&format!("{unit}Environment=X=1\n")));
        for foreign in ["", "[Service]\n", SHIPPED] {
            assert!(!is_unedited(foreign), "{foreign}");
        }
    }

    #[test]
    fn folders_are_quoted_or_refused() {
        let text = drop_in(Path::new("/srv/my backups/100%")).unwrap();
        assert!(
            text.contains("\nReadWritePaths=\"-/srv/my backups/100%%\"\n"),
            "{text}"
        );
        for bad in ["srv", "/", "/srv/../etc", "/a\"b", "/a\nb", "/a\\b", ""] {
            assert!(drop_in(Path::new(bad)).is_err(), "{bad}");
        }
    }
}
