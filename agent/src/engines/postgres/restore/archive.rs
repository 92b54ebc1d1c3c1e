//! The schema archive at restore time: a private file, and `pg_restore` on it.
//!
//! The archive is the one thing of a backup that touches the disk: `pg_restore` builds indexes in parallel only from a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dataguardian_core::database::ToolUse;
use dataguardian_core::failure::{Failure, FailureKind};
use futures::TryStreamExt as _;
use tokio::fs::OpenOptions;
use tokio::io::AsyncWriteExt as _;

use super::passes::Passes;
use super::plan::Plan;
use crate::engines::StreamSource;
use crate::engines::clients::Client;
use crate::engines::postgres::clients;
use crate::engines::postgres::failure;
use crate::engines::postgres::run::Run;
use crate::engines::postgres::schema::{Preamble, next_piece};

/// Up to here an archive is read into memory, to choose from it.
const LONGEST_CHOSEN_FROM: u64 = 256 << 20;

/// An archive on disk and the programs that can read it.
#[derive(Debug)]
pub(super) struct Archive {
    file: PathBuf,
    client: Client,
    /// The target's major version.
    server_major: u32,
    /// The numbers of the only entries that are restored; all if none.
    chosen: Option<BTreeSet<i64>>,
    /// The numbers of entries that must not be restored, whatever is chosen.
    left_out: BTreeSet<i64>,
}

/// How `pg_restore` is to run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Manner {
    pub(super) no_owner: bool,
    pub(super) no_tablespaces: bool,
    pub(super) jobs: usize,
}

impl Manner {
    fn arguments(self, section: &str) -> Vec<String> {
        let mut arguments = vec![format!("--section={section}"), "--no-password".to_owned()];
        if self.no_owner {
            arguments.extend(["--no-owner", "--no-acl"].map(str::to_owned));
        }
        if self.no_tablespaces {
            arguments.push("--no-tablespaces".to_owned());
        }
        arguments
    }
}

impl Archive {
    /// Fetches a plan's archive and finds programs that can read it: those of the target's version first, then newer ones.
    pub(super) async fn fetch(
        run: &Run,
        source: &dyn StreamSource,
        plan: &Plan,
        available: &[Client],
        target_version_num: u32,
    ) -> Result<Self, Failure> {
        let file = run
            .private_directory("archives")?
            .join(format!("{}.dump", plan.archive));
        write(&file, source, plan.archive).await?;
        let (first, _) = clients::choose(available, target_version_num)?;
        let newer = available.iter().rev().filter(|client| client.major > first.major);
        for client in std::iter::once(&first).chain(newer) {
            if can_read(run, client, &file).await? {
                return Ok(Self {
                    file,
                    client: client.clone(),
                    server_major: target_version_num / 10_000,
                    chosen: None,
                    left_out: plan
                        .description
                        .left_out
                        .archive_entries
                        .iter()
                        .copied()
                        .collect(),
                });
            }
        }
        Err(Failure::new(
            FailureKind::ClientTooOld,
            format!(
                "pg_restore {} can't read the schema archive, and no newer one was found on the agent's host: install the \
                 client programs that the backup was made with",
                first.version
            ),
        ))
    }

    /// The archive as it is. Without rows in it, it is as small as the schema.
    pub(super) async fn read(&self) -> Result<Vec<u8>, Failure> {
        let length = tokio::fs::metadata(&self.file).await.map(|file| file.len());
        if length.is_ok_and(|length| length > LONGEST_CHOSEN_FROM) {
            let message = "the schema is too large for parts of it to be chosen: restore the whole database";
            return Err(Failure::new(FailureKind::TargetUnfit, message));
        }
        let read = tokio::fs::read(&self.file).await;
        read.map_err(|error| failure::local("reading the schema archive", &error))
    }

    /// Has nothing but these entries restored.
    pub(super) fn choose(&mut self, entries: BTreeSet<i64>) {
        self.chosen = Some(entries);
    }

    /// Runs one section into the database. Stops at the first error.
    pub(super) async fn restore(
        &self,
        run: &Run,
        section: &str,
        database: &str,
        manner: Manner,
    ) -> Result<ToolUse, Failure> {
        let mut arguments = manner.arguments(section);
        let mut chosen = Vec::new();
        if self.chosen.is_some() || !self.left_out.is_empty() {
            let list = self.list(run, section).await?;
            if list.is_empty() {
                return Ok(self.used(arguments));
            }
            chosen.push(format!("--use-list={}", self.keep_list(&list, section).await?));
        }
        if self.client.major >= 17 && self.server_major < 17 {
            // It would begin with a setting that the server does not know.
            arguments.push("--file=-".to_owned());
            self.through_psql(run, database, &[&*arguments, &chosen].concat())
                .await?;
        } else {
            arguments.push("--exit-on-error".to_owned());
            arguments.push(format!("--dbname={}", connection_string(database)));
            if manner.jobs > 1 {
                self.in_passes(run, section, database, &arguments, manner.jobs)
                    .await?;
                arguments.push(format!("--jobs={}", manner.jobs));
            } else {
                self.directly(run, database, &[&*arguments, &chosen].concat())
                    .await?;
            }
        }
        Ok(self.used(arguments))
    }

    fn used(&self, arguments: Vec<String>) -> ToolUse {
        ToolUse {
            name: "pg_restore".to_owned(),
            version: self.client.version.clone(),
            arguments,
        }
    }

    /// Writes a list for `--use-list`.
    async fn keep_list(&self, list: &str, name: &str) -> Result<String, Failure> {
        let path = self.file.with_extension(name);
        let kept = tokio::fs::write(&path, list).await;
        kept.map_err(|error| failure::local("keeping the archive's list", &error))?;
        Ok(path.display().to_string())
    }

    /// One section as a script in the encoding of the archive, if there is anything in it.
    pub(super) async fn script(
        &self,
        run: &Run,
        section: &str,
        manner: Manner,
    ) -> Result<Option<(Vec<u8>, ToolUse)>, Failure> {
        let list = self.list(run, section).await?;
        if list.is_empty() {
            return Ok(None);
        }
        let mut arguments = manner.arguments(section);
        arguments.push("--file=-".to_owned());
        let mut command = run.command(&self.client.program("pg_restore"), "");
        command
            .args(&arguments)
            .arg(format!("--use-list={}", self.keep_list(&list, section).await?))
            .arg(&self.file);
        Ok(Some((output(run, command).await?, self.used(arguments))))
    }

    async fn directly(&self, run: &Run, database: &str, arguments: &[String]) -> Result<(), Failure> {
        let mut command = run.command(&self.client.program("pg_restore"), database);
        command.args(arguments).arg(&self.file);
        run.spawn(command)?.succeed().await.map(|_| ())
    }

    /// With several connections, in the order that [`Passes`] explains.
    async fn in_passes(
        &self,
        run: &Run,
        section: &str,
        database: &str,
        arguments: &[String],
        jobs: usize,
    ) -> Result<(), Failure> {
        let Passes {
            build,
            attach,
            refer,
            events,
        } = Passes::split(&self.list(run, section).await?);
        for (name, pass, jobs) in [
            ("build", build, jobs),
            ("attach", attach, 1),
            ("refer", refer, jobs),
            ("events", events, 1),
        ] {
            if pass.is_empty() {
                continue;
            }
            let list = self.keep_list(&pass, &format!("{section}.{name}")).await?;
            let own = [format!("--jobs={jobs}"), format!("--use-list={list}")];
            self.directly(run, database, &[arguments, &own].concat()).await?;
        }
        Ok(())
    }

    /// The chosen entries of a section, as `pg_restore` lists them.
    async fn list(&self, run: &Run, section: &str) -> Result<String, Failure> {
        let mut command = run.command(&self.client.program("pg_restore"), "");
        command
            .arg("--list")
            .arg(format!("--section={section}"))
            .arg(&self.file);
        let list = output(run, command).await?;
        let list = String::from_utf8_lossy(&list);
        let number = |line: &str| line.split_once(';').and_then(|(id, _)| id.parse::<i64>().ok());
        let is_wanted = |line: &&str| match (&self.chosen, number(line)) {
            (_, Some(id)) if self.left_out.contains(&id) => false,
            (None, _) => true,
            (Some(chosen), Some(id)) => chosen.contains(&id),
            (Some(_), None) => false,
        };
        let mut lines: Vec<&str> = list.lines().filter(is_wanted).collect();
        // `pg_restore` takes an entry that is in no section to be in that of the one before, and those that are not in its list
        // come before all that are.
        let in_none = |line: &&str| {
            ["; 0 0 ACL ", "; 0 0 COMMENT "]
                .iter()
                .any(|kind| line.contains(kind))
        };
        let leading = lines.iter().take_while(|line| in_none(line)).count();
        lines.rotate_left(leading);
        Ok(lines.into_iter().flat_map(|line| [line, "\n"]).collect())
    }

    async fn through_psql(&self, run: &Run, database: &str, arguments: &[String]) -> Result<(), Failure> {
        let mut command = run.command(&self.client.program("pg_restore"), database);
        command.args(arguments).arg(&self.file);
        let mut writer = run.spawn(command)?;
        let mut command = run.command(&self.client.program("psql"), database);
        command.args([
            "--no-psqlrc",
            "--quiet",
            "--no-password",
            "--output=/dev/null",
            "--set=ON_ERROR_STOP=1",
        ]);
        let mut reader = run.spawn(command)?;
        let (mut script, mut stdin) = (writer.stdout()?, reader.stdin()?);
        let mut preamble = Preamble::new(self.client.major, self.server_major);
        while let Some(piece) = next_piece(&mut script).await? {
            let Some(piece) = preamble.pass(piece) else {
                continue;
            };
            if stdin.write_all(&piece).await.is_err() {
                // It has stopped at an error, and will say at which.
                break;
            }
        }
        if let Some(rest) = preamble.end() {
            // As above.
            stdin.write_all(&rest).await.unwrap_or_default();
        }
        drop(stdin);
        reader.succeed().await?;
        writer.succeed().await.map(|_| ())
    }
}

/// What a program writes, if it ends well.
async fn output(run: &Run, command: tokio::process::Command) -> Result<Vec<u8>, Failure> {
    let mut process = run.spawn(command)?;
    let mut pieces = process.stdout()?;
    let mut written = Vec::new();
    while let Some(piece) = next_piece(&mut pieces).await? {
        written.extend_from_slice(&piece);
    }
    process.succeed().await?;
    Ok(written)
}

async fn write(path: &Path, source: &dyn StreamSource, stream: usize) -> Result<(), Failure> {
    let at = |error: std::io::Error| failure::local("keeping the schema archive", &error);
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .await
        .map_err(at)?;
    let mut pieces = source.read(stream).await?;
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece).await.map_err(at)?;
    }
    file.flush().await.map_err(at)
}

async fn can_read(run: &Run, client: &Client, file: &Path) -> Result<bool, Failure> {
    let mut command = run.command(&client.program("pg_restore"), "");
    command.arg("--list").arg(file);
    let mut process = run.spawn(command)?;
    let mut list = process.stdout()?;
    while next_piece(&mut list).await?.is_some() {}
    match process.succeed().await {
        Ok(_) => Ok(true),
        Err(failure) if failure.kind == FailureKind::ClientFailed => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// A name that is only a name, whatever is in it (<https://www.postgresql.org/docs/current/libpq-connect.html>).
fn connection_string(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}
