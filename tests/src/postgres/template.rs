//! Initialised data directories: `initdb` takes seconds, a copy takes a tenth of one.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{Connection, PASSWORD, account::Account, connection::without_postgres_variables};
use crate::cache;

/// Change it when the options of `initdb` below change: the old templates are then left alone.
const GENERATION: u32 = 1;

/// Copies a freshly initialised data directory to `target`, which must not exist.
pub(super) fn copy_to(target: &Path, bin_dir: &Path, account: Account) -> Result<()> {
    let template = template(bin_dir, account)?;
    run(Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(&template)
        .arg(target))
    .with_context(|| format!("copying {}", template.display()))
}

/// Copies a running primary's data directory, with what makes the copy its standby.
pub(super) fn copy_of(primary: &Connection, target: &Path, bin_dir: &Path, account: Account) -> Result<()> {
    let mut command = Command::new(bin_dir.join("pg_basebackup"));
    primary.apply(&mut command, "postgres");
    command
        .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf"])
        .arg(format!("--pgdata={}", target.display()));
    account.apply(&mut command);
    run(&mut command).context("copying the primary")
}

/// The template of this build, made if it isn't there. Several tests may ask at once: one makes it, the others wait.
fn template(bin_dir: &Path, account: Account) -> Result<PathBuf> {
    let templates = cache::directory()?.join("templates");
    fs::create_dir_all(&templates)?;
    let template = templates.join(format!("{}-{}-g{GENERATION}", build(bin_dir)?, account.tag()));
    if template.exists() {
        return Ok(template);
    }
    let lock = File::create(templates.join(".lock"))?;
    lock.lock()?;
    if !template.exists() {
        make(&template, bin_dir, account).with_context(|| format!("initialising {}", template.display()))?;
    }
    Ok(template)
}

/// A name for the exact build, such as `postgres-15.18`.
fn build(bin_dir: &Path) -> Result<String> {
    let output = Command::new(bin_dir.join("postgres"))
        .arg("--version")
        .output()
        .with_context(|| format!("running postgres in {}", bin_dir.display()))?;
    let text = String::from_utf8(output.stdout)?;
    match text.split_whitespace().nth(2) {
        Some(version) => Ok(format!("postgres-{version}")),
        None => bail!("postgres --version answered {text:?}"),
    }
}

fn make(template: &Path, bin_dir: &Path, account: Account) -> Result<()> {
    let work = template.with_extension("incoming");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir(&work)?;
    account.own(&work)?;
    let password_file = work.join("password");
    fs::write(&password_file, PASSWORD)?;
    account.own(&password_file)?;

    let mut initdb = Command::new(bin_dir.join("initdb"));
    without_postgres_variables(&mut initdb);
    initdb
        .args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--no-sync",
        ])
        .arg(format!("--pwfile={}", password_file.display()))
        .arg(format!("--pgdata={}", work.join("data").display()))
        .current_dir(&work);
    account.apply(&mut initdb);
    run(&mut initdb)?;
    // Renamed last, so that a template of that name is always whole.
    fs::rename(work.join("data"), template)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!(
            "{:?} ended with {}: {}",
            command.get_program(),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
