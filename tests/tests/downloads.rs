//! `dgctl backup download`: the same bytes as without us, into a pipe or a file, and what happens when one of those between
//! goes away.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use dataguardian_core::secret::Secret;
use dataguardian_repository::kit::{Opener, RecoveryKit};
use dataguardian_tests::cache;
use dataguardian_tests::compare::{Aspect, Comparison, Database};
use dataguardian_tests::memory::peak_kib;
use dataguardian_tests::mysql::{self, MySql};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::{Awkward, load_bulk};
use dataguardian_tests::system::{System, binary, files};
use dataguardian_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LATEST: [&str; 5] = ["backup", "download", "latest", "--datasource", "main"];
const PASSPHRASE: &str = "correct horse battery staple";
/// What a download may take in each of the programs, in KiB.
const MOST_KIB: u64 = 28 << 10;
/// Nothing read between so many looks: one second.
const QUIET_LOOKS: u32 = 200;
/// Of a script of which more does not fit into all that is on the way.
const MANY_ROWS: u64 = 150_000;

/// `dgctl backup download` of the latest backup, with its standard output.
fn download(system: &System, more: &[&str]) -> Result<Command> {
    system
        .control_plane
        .dgctl()
        .command(&[&LATEST[..], more].concat())
}

/// What a program writes to its standard output, if it ends well.
fn output(mut command: Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(output.stdout)
}

/// The same without control plane and agent.
fn rescued(system: &System, kit: &Path, words: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new(binary("dataguardian-agent")?);
    command
        .args(["rescue", "sql", "--repository"])
        .arg(system.vault());
    command.arg("--kit").arg(kit);
    command
        .arg("--passphrase-file")
        .arg(kit.with_extension("passphrase"));
    command.args(["--backup", &latest(system)?]).args(words);
    output(command)
}

/// The same with nothing of ours but what lies in the repository.
fn scripted(system: &System, kit: &Path, words: &[&str]) -> Result<Vec<u8>> {
    let sealed = fs::read(kit)?;
    let outer = RecoveryKit::open(&sealed, &Opener::Passphrase(Secret::new(PASSPHRASE)))?;
    let Some(Opener::Identities(identity)) = outer.opener() else {
        bail!("the kit has no identity");
    };
    let identity_file = kit.with_extension("identity");
    fs::write(&identity_file, identity.expose())?;
    let keys: Vec<_> = fs::read_dir(system.vault().join("keys"))?.collect::<Result<_, _>>()?;
    ensure!(keys.len() == 1, "{keys:?}");
    let tools = cache::part("restore-tools")?;
    let mut age = Command::new(tools.join("age"));
    age.arg("-d").arg("-i").arg(&identity_file).arg(keys[0].path());
    let opened = kit.with_extension("json");
    fs::write(&opened, output(age)?)?;
    let mut script = Command::new(tools.join("python3"));
    script.arg(system.vault().join("restore.py"));
    script.arg("--kit").arg(&opened).arg(system.vault());
    script.arg(latest(system)?).args(words);
    output(script)
}

/// The id of the latest backup.
fn latest(system: &System) -> Result<String> {
    let found = system.json(&["backup", "get", "latest", "--datasource", "main"])?;
    let id = found["backup"]["id"].as_str().context("its id")?;
    Ok(id.to_owned())
}

/// A recovery kit, and its passphrase beside it.
fn kit(system: &System) -> Result<PathBuf> {
    let kit = system.folder().join("kit.age");
    let passphrase = kit.with_extension("passphrase");
    fs::write(&passphrase, PASSPHRASE)?;
    let (saved, passphrase) = (kit.display().to_string(), passphrase.display().to_string());
    let words = ["system", "recovery-kit", "--save-kit", &saved];
    system
        .dgctl(&[&words[..], &["--passphrase-file", &passphrase]].concat())
        .succeed()?;
    Ok(kit)
}

#[tokio::test]
async fn a_postgres_database_is_downloaded_byte_for_byte() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    Awkward::FULL.load(&server, "shop")?;
    let system = System::start()?;
    let kit = kit(&system)?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;

    let script = output(download(&system, &[])?)?;
    let alone = rescued(&system, &kit, &["--database", "shop"])?;
    ensure!(script == alone, "{} and {} bytes", script.len(), alone.len());
    ensure!(script == scripted(&system, &kit, &["shop"])?);
    let roles = output(download(&system, &["--globals"])?)?;
    ensure!(roles == rescued(&system, &kit, &["--globals"])?);
    ensure!(roles == scripted(&system, &kit, &["--globals"])?);
    ensure!(String::from_utf8_lossy(&roles).contains("CREATE ROLE"));

    let file = system.folder().join("shop.sql");
    let named = file.display().to_string();
    let words = [&LATEST[..], &["--database", "shop", "--file", &named]].concat();
    let said = system.dgctl(&words).succeed()?;
    ensure!(
        said.stdout.is_empty() && said.stderr.contains("is whole"),
        "{}",
        said.stderr
    );
    ensure!(fs::read(&file)? == script);
    ensure!(system.dgctl(&words).fail(2)?.contains("--force"));
    let unknown = system.dgctl(&[&LATEST[..], &["--database", "ship"]].concat());
    ensure!(unknown.fail(1)?.contains("shop"));

    server.create_database("loaded")?;
    server.psql_file("loaded", &file, &[])?;
    // Whoever makes a database by hand gives it its owner and its settings.
    let compared = Comparison::new(Database::of(&server, "shop"), Database::of(&server, "loaded"));
    compared.without(Aspect::Database).run().await?.equal()?;
    system.check_invariants()
}

#[test]
fn a_mariadb_database_is_downloaded_and_loaded() -> Result<()> {
    downloaded_byte_for_byte_and_loaded(mysql::Version::MariaDb11)
}

#[test]
fn a_mysql_database_is_downloaded_and_loaded() -> Result<()> {
    downloaded_byte_for_byte_and_loaded(mysql::Version::MySql9)
}

fn downloaded_byte_for_byte_and_loaded(version: mysql::Version) -> Result<()> {
    let server = MySql::start(version)?;
    server.load_sample("shop")?;
    let system = System::start()?;
    let kit = kit(&system)?;
    system.add_mysql("main", &server, "root", &["shop"])?;
    system.add_job("main", &[])?;
    system.run_job("main").succeed()?;

    let script = output(download(&system, &["--database", "shop"])?)?;
    ensure!(script == rescued(&system, &kit, &["--database", "shop"])?);
    ensure!(script == scripted(&system, &kit, &["shop"])?);
    let file = system.folder().join("shop.sql");
    fs::write(&file, script)?;

    // Names of databases are in what the sample's programs say, so it goes to another server under its own.
    let other = MySql::start(version)?;
    other.sql("", "CREATE DATABASE shop CHARACTER SET utf8mb4")?;
    let roles = system.folder().join("roles.sql");
    let globals = output(download(&system, &["--globals"])?)?;
    ensure!(globals == rescued(&system, &kit, &["--globals"])?);
    ensure!(globals == scripted(&system, &kit, &["--globals"])?);
    fs::write(&roles, globals)?;
    for (script, database, is_whole) in [
        // What accounts may do with single tables and routines is granted when those are there.
        (&roles, None, false),
        (&file, Some("shop"), true),
        (&roles, None, true),
    ] {
        let mut client = other.command_as("root", "mysql")?;
        // As the documentation says it.
        client.args(["--binary-mode", "--comments", "--default-character-set=utf8mb4"]);
        client.args(["--max-allowed-packet=1G"]).args(database);
        let loaded = client.stdin(File::open(script)?).output()?;
        let said = String::from_utf8_lossy(&loaded.stderr).into_owned();
        ensure!(
            loaded.status.success() == is_whole && (is_whole || said.contains("ERROR 1146")),
            "{}: {said}",
            script.display()
        );
    }
    let accounts = (
        mysql::compare::accounts(&server)?,
        mysql::compare::accounts(&other)?,
    );
    mysql::compare::differences(&accounts.0, &accounts.1)?;
    mysql::compare::equal((&server, "shop"), (&other, "shop"))?;
    system.check_invariants()
}

/// A system with a backup of many rows.
fn with_many_rows() -> Result<(Postgres, System)> {
    let server = Postgres::start(Version::V15)?;
    load_bulk(&server, "shop", MANY_ROWS)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &["--compression-level", "1"])?;
    system.run_job("main").succeed()?;
    Ok((server, system))
}

/// A download of which a part was read, and no more is: everything behind it is held up.
fn held_up(system: &System) -> Result<Child> {
    let mut command = download(system, &[])?;
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = child.stderr(Stdio::piped()).spawn()?;
    let mut begun = [0; 4096];
    child
        .stdout
        .as_mut()
        .context("its output")?
        .read_exact(&mut begun)?;
    Ok(child)
}

/// What is left to read of it, and what it said at its end, which must be a bad one.
fn cut_off(child: Child) -> Result<(Vec<u8>, String)> {
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{:?}: {said}", output.status);
    ensure!(said.contains("the script is incomplete"), "{said}");
    Ok((output.stdout, said))
}

#[test]
fn whoever_goes_away_is_missed_at_once() -> Result<()> {
    let (_server, mut system) = with_many_rows()?;
    let whole = output(download(&system, &[])?)?;

    // The caller: the agent reads no more, and is free for the next one.
    let mut child = held_up(&system)?;
    let busy = system.dgctl(&[&LATEST[..], &["--globals"]].concat()).fail(1)?;
    ensure!(busy.contains("TOO_MANY_DOWNLOADS"), "{busy}");
    child.kill()?;
    child.wait()?;
    wait::until("the agent to hear of it", || {
        Ok(system.agent.log().contains("a download ended early"))
    })?;
    wait::until("the agent to be free", || {
        let next = system.dgctl(&[&LATEST[..], &["--globals"]].concat());
        Ok(next.status == Some(0))
    })?;

    // The agent, while nobody reads: what is on the way still comes, and then the word that it is not whole.
    let child = held_up(&system)?;
    system.agent.program().kill9()?;
    let (read, said) = cut_off(child)?;
    ensure!(said.contains("AGENT_LOST"), "{said}");
    ensure!(
        read.len() < whole.len() / 2,
        "{} bytes of {}",
        read.len(),
        whole.len()
    );
    let away = system.dgctl(&LATEST).fail(1)?;
    ensure!(away.contains("AGENT_NOT_CONNECTED"), "{away}");
    system.agent.start_again()?;
    system.wait_for_agent(dataguardian_tests::system::AGENT)?;
    ensure!(output(download(&system, &[])?)? == whole);

    // A file that is not whole is not there.
    let file = system.folder().join("shop.sql");
    let named = file.display().to_string();
    let mut child = download(&system, &["--file", &named])?
        .stderr(Stdio::piped())
        .spawn()?;
    wait::until("the file to be begun", || {
        let ended = child.try_wait()?;
        ensure!(ended.is_none(), "it was over too soon");
        Ok(unfinished(&system)?.is_some())
    })?;
    system.agent.program().kill9()?;
    let (_, said) = cut_off(child)?;
    ensure!(said.contains("nothing was left"), "{said}");
    ensure!(!file.exists() && unfinished(&system)?.is_none());
    system.agent.start_again()?;
    system.wait_for_agent(dataguardian_tests::system::AGENT)?;
    system.check_invariants()
}

#[test]
fn a_reader_that_stands_still_fills_no_memory_and_may_be_interrupted() -> Result<()> {
    let (_server, mut system) = with_many_rows()?;
    let between = [system.agent.pid(), system.control_plane.program().pid()];
    let before = peaks(between)?;
    let child = held_up(&system)?;
    let (mut read, mut quiet) = (0, 0);
    wait::until("the agent to stand still", || {
        let now = read_so_far(system.agent.pid())?;
        quiet = if now == read { quiet + 1 } else { 0 };
        read = now;
        Ok(quiet == QUIET_LOOKS)
    })?;
    let of_dgctl = peak_kib(child.id())?;
    let rest = child.wait_with_output()?;
    ensure!(rest.status.success());
    let script = rest.stdout.len() as u64 >> 10;
    let after = peaks(between)?;
    println!("KiB: script {script}, agent and control plane {before:?} to {after:?}, dgctl {of_dgctl}");
    ensure!(
        script > 2 * MOST_KIB,
        "{script} KiB of script do not show anything"
    );
    for (before, after) in before.into_iter().zip(after) {
        ensure!(after - before < MOST_KIB, "from {before} to {after} KiB");
    }
    ensure!(of_dgctl < MOST_KIB, "dgctl took {of_dgctl} KiB");

    // Whoever interrupts it need not wait for the reader, who takes nothing.
    let mut child = held_up(&system)?;
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    wait::until("dgctl to end", || Ok(child.try_wait()?.is_some()))?;
    let interrupted = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&interrupted.stderr).into_owned();
    ensure!(
        interrupted.status.code() == Some(130),
        "{:?}: {said}",
        interrupted.status
    );
    ensure!(said.contains("the script is incomplete"), "{said}");
    system.check_invariants()
}

fn peaks(of: [u32; 2]) -> Result<[u64; 2]> {
    Ok([peak_kib(of[0])?, peak_kib(of[1])?])
}

/// The bytes that a process has read from files: `rchar` of `proc_pid_io(5)`.
fn read_so_far(pid: u32) -> Result<u64> {
    let counts = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let count = counts.lines().find_map(|line| line.strip_prefix("rchar: "));
    count.context("rchar")?.parse().context("rchar is a number")
}

/// A file of a download that has bytes in it and not its name yet.
fn unfinished(system: &System) -> Result<Option<PathBuf>> {
    for entry in fs::read_dir(system.folder())? {
        let path = entry?.path();
        let name = path.display().to_string();
        if name.contains("shop.sql.") && name.ends_with(".new") && path.metadata()?.len() > 0 {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[test]
fn a_revoked_agent_and_a_stopped_control_plane_end_downloads() -> Result<()> {
    let (_server, mut system) = with_many_rows()?;
    let child = held_up(&system)?;
    system.control_plane.program().stop()?;
    cut_off(child)?;
    system.control_plane.start_again()?;
    system.wait_for_agent(dataguardian_tests::system::AGENT)?;
    let child = held_up(&system)?;
    system
        .dgctl(&["agent", "revoke", dataguardian_tests::system::AGENT, "--yes"])
        .succeed()?;
    let (_, said) = cut_off(child)?;
    ensure!(said.contains("AGENT_REVOKED"), "{said}");
    Ok(())
}

#[test]
fn a_damaged_pack_is_named_and_a_host_may_refuse() -> Result<()> {
    let (_server, system) = with_many_rows()?;
    // Those in the middle and at the end, so that a part is good.
    let packs = files(&system.vault())?;
    let mut packs: Vec<_> = packs
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("/packs/"))
        .collect();
    packs.sort_by_key(|path| path.metadata().and_then(|file| file.modified()).ok());
    let last = packs.last().context("a pack")?;
    let mut bytes = fs::read(last)?;
    for byte in &mut bytes[100..] {
        *byte ^= 0x20;
    }
    fs::write(last, bytes)?;
    let child = download(&system, &[])?
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (_, said) = cut_off(child)?;
    let name = last
        .file_stem()
        .context("its name")?
        .to_string_lossy()
        .into_owned();
    ensure!(
        said.contains("REPOSITORY_DAMAGED") && said.contains(&name),
        "{name}: {said}"
    );

    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    let refusing = System::start_with(
        dataguardian_tests::system::Metadata::Embedded,
        "allow_download = false\n",
    )?;
    refusing.add_datasource("main", &server, &["shop"])?;
    refusing.add_job("main", &[])?;
    refusing.run_job("main").succeed()?;
    let refused = refusing.dgctl(&LATEST).fail(1)?;
    ensure!(
        refused.contains("AGENT_POLICY") && refused.contains("allow_download"),
        "{refused}"
    );
    Ok(())
}
