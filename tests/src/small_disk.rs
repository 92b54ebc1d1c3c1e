//! A file system of a few MiB that can be filled and made read-only. Only root can mount one.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

/// A small file system on a folder, gone with the value.
#[derive(Debug)]
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Mounts one of that size, such as `24m`.
    ///
    /// # Errors
    /// If it can't be mounted: only root can.
    pub fn mount(at: &Path, size: &str) -> Result<Self> {
        mount(
            &["-t", "tmpfs", "-o", &format!("size={size},mode=700"), "tmpfs"],
            at,
        )?;
        Ok(Self { at: at.to_owned() })
    }

    /// Fills it to the last byte.
    ///
    /// # Errors
    /// If it can't be written to at all.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = File::create(self.ballast())?;
        for block in [1 << 20, 4 << 10, 1] {
            while ballast.write_all(&vec![0; block]).is_ok() {}
        }
        Ok(())
    }

    /// Takes away what filled it.
    ///
    /// # Errors
    /// If it was not filled.
    pub fn relieve(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast())?)
    }

    /// Refuses all writing from now on, or takes it again.
    ///
    /// # Errors
    /// If somebody writes just now.
    pub fn set_access(&self, access: Access) -> Result<()> {
        let option = match access {
            Access::ReadOnly => "remount,ro",
            Access::ReadWrite => "remount,rw",
        };
        mount(&["-o", option], &self.at)
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }
}

/// What may be done to a file system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Reading only.
    ReadOnly,
    /// Everything.
    ReadWrite,
}

fn mount(words: &[&str], at: &Path) -> Result<()> {
    let status = Command::new("mount").args(words).arg(at).status()?;
    ensure!(status.success(), "mounting a small file system needs root");
    Ok(())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        match Command::new("umount").arg("-l").arg(&self.at).status() {
            Ok(status) if status.success() => {}
            other => eprintln!("the small file system could not be unmounted: {other:?}"),
        }
    }
}
