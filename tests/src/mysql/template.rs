//! Initialised data directories: making one takes seconds, a copy takes a tenth of one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::process::Process;
use super::{PASSWORD, Version};
use crate::cache;
use crate::postgres::account::Account;

/// Change it when what is made below changes: the old templates are then left alone.
const GENERATION: u32 = 2;

/// Copies a freshly initialised data directory to `target`, which must not exist.
pub(super) fn copy_to(target: &Path, version: Version, account: Account) -> Result<()> {
    let template = template(version, account)?;
    run(Command::new("cp")
        .args(["-a", "--reflink=auto"])
        .arg(&template)
        .arg(target))
    .with_context(|| format!("copying {}", template.display()))
}

fn template(version: Version, account: Account) -> Result<PathBuf> {
    let templates = cache::directory()?.join("templates");
    fs::create_dir_all(&templates)?;
    let tree = version.tree()?;
    // The folder that the part was unpacked into names the exact build.
    let build = tree
        .parent()
        .and_then(Path::file_name)
        .context("the part has no name")?;
    let template = templates.join(format!(
        "{}-{}-g{GENERATION}",
        build.to_string_lossy(),
        account.tag()
    ));
    if template.exists() {
        return Ok(template);
    }
    let lock = File::create(templates.join(".mysql.lock"))?;
    lock.lock()?;
    if !template.exists() {
        make(&template, version, &tree, account)
            .with_context(|| format!("initialising {}", template.display()))?;
    }
    Ok(template)
}

fn make(template: &Path, version: Version, tree: &Path, account: Account) -> Result<()> {
    let work = template.with_extension("incoming");
    if work.exists() {
        fs::remove_dir_all(&work)?;
    }
    fs::create_dir(&work)?;
    account.own(&work)?;
    let data = work.join("data");
    let mut command = if version.is_mariadb() {
        let mut command = Command::new(tree.join("bin/mariadb-install-db"));
        command.args([
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            "--skip-name-resolve",
            "--force",
        ]);
        command.arg(format!("--basedir={}", tree.display()));
        command
    } else {
        let mut command = Command::new(version.server(tree));
        command.args(version.own_files(tree)).arg("--initialize-insecure");
        command
    };
    command
        .arg(format!("--datadir={}", data.display()))
        .current_dir(&work);
    account.apply(&mut command);
    run(&mut command)?;
    set_password(version, tree, &work, account)?;
    // Renamed last, so that a template of that name is always whole.
    fs::rename(&data, template)?;
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// Gives root its password, and lets it in from everywhere.
fn set_password(version: Version, tree: &Path, work: &Path, account: Account) -> Result<()> {
    let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    let mut sql = format!(
        "ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n\
         CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';\n\
         ALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\n"
    );
    if version.is_mariadb() {
        sql.push_str(
            "DELETE FROM mysql.global_priv WHERE user = '' OR host NOT IN ('localhost', '127.0.0.1', '');\n",
        );
        sql.push_str("FLUSH PRIVILEGES;\n");
    }
    let mut options = version.options(tree, work, 0);
    options.retain(|option| {
        !["--log-bin", "--gtid", "--enforce"]
            .iter()
            .any(|other| option.starts_with(other))
    });
    options.extend(["--skip-networking".to_owned(), "--skip-log-bin".to_owned()]);
    let process =
        Process::start(&version.server(tree), &options, work, account).map_err(anyhow::Error::from)?;
    let socket = format!("--socket={}", work.join("mysqld.sock").display());
    let set = run(
        Command::new(tree.join("bin").join(version.program("mysql"))).args([
            "--no-defaults",
            "--user=root",
            &socket,
            "--execute",
            &sql,
        ]),
    );
    process.stop();
    set?;
    // Each server has an identity of its own.
    let identity = work.join("data/auto.cnf");
    if identity.exists() {
        fs::remove_file(identity)?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if !output.status.success() {
        bail!(
            "{:?} ended with {}: {}{}",
            command.get_program(),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
