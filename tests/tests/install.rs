//! `dataguardian-agent install`, `propose` and `backup-user`: a host becomes an agent by one line, and its database is backed up by
//! what was proposed. The system that is installed to is a folder, so that this machine stays as it is.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::cache;
use dataguardian_tests::mysql::{self, MySql};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{AGENT, STORAGE, System, binary};
use serde_json::Value;
use tempfile::TempDir;

/// A system to install to, in a folder.
struct Host {
    root: TempDir,
}

impl Host {
    fn new() -> Result<Self> {
        // What makes users and has units start with a system.
        cache::part("systemd-tools")?;
        Ok(Self {
            root: tempfile::tempdir()?,
        })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.path().join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> Result<String> {
        fs::read_to_string(self.at(path)).with_context(|| path.to_owned())
    }

    fn install(&self, words: &[&str]) -> Result<String> {
        let root = self.root.path().display().to_string();
        agent(&[&["install", "--root", &root], words].concat(), "")
    }

    /// The line that `dgctl agent token create` has printed, with the root put in.
    fn paste(&self, line: &str) -> Result<Output> {
        let program = binary("dataguardian-agent")?.display().to_string();
        let here = format!("'{program}' install --root '{}'", self.root.path().display());
        let line = line.replace("sudo dataguardian-agent install", &here);
        // The plainest shell there is.
        Ok(Command::new("sh").arg("-c").arg(line).output()?)
    }

    /// All files and folders with their contents, as one text.
    fn picture(&self) -> Result<String> {
        let listed = Command::new("find")
            .arg(self.root.path())
            .args(["-printf", "%P %m %U %G %T@ %s\n"])
            .output()?;
        let mut lines: Vec<_> = String::from_utf8(listed.stdout)?
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort();
        Ok(lines.join("\n"))
    }
}

const UNIT: &str = "/etc/systemd/system/dataguardian-agent.service";

/// What the agent's program says with these words; fails with what it complained of.
fn agent(words: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(binary("dataguardian-agent")?)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .context("its input")?
        .write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {said}", words.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

fn pasted_line(system: &System, name: &str) -> Result<String> {
    let told = system
        .dgctl(&["agent", "token", "create", "--name", name])
        .succeed()?
        .stdout;
    let line = told.lines().find(|line| line.contains("printf %s"));
    Ok(line.context(told.clone())?.to_owned())
}

#[test]
fn one_pasted_line_makes_a_host_an_agent_and_the_second_time_changes_nothing() -> Result<()> {
    let (system, host) = (System::start()?, Host::new()?);
    let line = pasted_line(&system, "db7")?;
    let pasted = host.paste(&line)?;
    let (said, complained) = (
        String::from_utf8_lossy(&pasted.stdout),
        String::from_utf8_lossy(&pasted.stderr),
    );
    ensure!(pasted.status.success(), "{said}{complained}");
    ensure!(said.contains("done   agent db7 enrolled"), "{said}");
    let enrolled = system.json(&["agent", "get", "db7"])?;
    ensure!(enrolled["agent"]["name"] == "db7", "{enrolled:#}");

    // The agent's own folder is private, and everything in it is its user's.
    let state = fs::metadata(host.at("/var/lib/dataguardian-agent"))?;
    ensure!(
        state.permissions().mode() & 0o777 == 0o700,
        "{:o}",
        state.permissions().mode()
    );
    let identity = fs::metadata(host.at("/var/lib/dataguardian-agent/identity.json"))?;
    ensure!(identity.uid() == state.uid() && identity.permissions().mode() & 0o077 == 0);
    if nix::unistd::geteuid().is_root() {
        let users = host.read("/etc/passwd")?;
        ensure!(
            users.contains(&format!("dataguardian-agent:x:{}:", state.uid())),
            "{users}"
        );
        ensure!(state.uid() != 0);
    }
    let unit = host.read(UNIT)?;
    ensure!(
        unit.contains("ExecStart=/usr/local/bin/dataguardian-agent run "),
        "{unit}"
    );
    let program = fs::metadata(host.at("/usr/local/bin/dataguardian-agent"))?;
    ensure!(program.permissions().mode() & 0o777 == 0o755);
    let wanted = host.at("/etc/systemd/system/multi-user.target.wants/dataguardian-agent.service");
    ensure!(wanted.is_symlink(), "it does not start with the host: {said}");

    // What was installed is an agent: it runs on that state directory, and connects.
    let (state_dir, config) = (
        host.at("/var/lib/dataguardian-agent"),
        host.at("/etc/dataguardian/agent.toml"),
    );
    let mut running = Command::new(binary("dataguardian-agent")?)
        .args(["run", "--state-dir"])
        .arg(&state_dir)
        .arg("--config")
        .arg(&config)
        .stderr(Stdio::null())
        .spawn()?;
    let connected = system.wait_for_agent("db7");
    running.kill()?;
    running.wait()?;
    connected?;

    // Again, without a token: nothing changes, and it says what is there.
    let before = host.picture()?;
    let again = host.install(&[])?;
    ensure!(!again.contains("done "), "{again}");
    ensure!(
        again.contains("there  agent db7 is enrolled") && again.contains("there  unit"),
        "{again}"
    );
    ensure!(host.picture()? == before, "something was written:\n{again}");
    system.check_invariants()
}

#[test]
fn what_was_edited_stays_until_somebody_says_otherwise() -> Result<()> {
    let (system, host) = (System::start()?, Host::new()?);
    ensure!(host.paste(&pasted_line(&system, "db8")?)?.status.success());
    let shipped = host.read(UNIT)?;
    let edited = shipped.replace("RestartSec=2", "RestartSec=20");
    fs::write(host.at(UNIT), &edited)?;
    fs::write(host.at("/etc/dataguardian/agent.toml"), "slots = 2\n")?;
    let said = host.install(&["--storage-dir", "/srv/vault"])?;
    ensure!(
        said.contains("LEFT   unit") && said.contains("was edited"),
        "{said}"
    );
    ensure!(host.read(UNIT)? == edited && host.read("/etc/dataguardian/agent.toml")? == "slots = 2\n");
    // What is beside it is made all the same.
    let drop_in = host.read("/etc/systemd/system/dataguardian-agent.service.d/storage-srv-vault.conf")?;
    ensure!(drop_in.contains("ReadWritePaths=\"-/srv/vault\""), "{drop_in}");
    ensure!(
        fs::metadata(host.at("/srv/vault"))?.uid()
            == fs::metadata(host.at("/var/lib/dataguardian-agent"))?.uid()
    );
    host.install(&["--force"])?;
    ensure!(host.read(UNIT)? == shipped);

    // A unit of an older version that nobody edited gives way.
    let older = host.install(&["--print-unit"])?;
    ensure!(older == shipped, "{older}");
    let removed = host.install(&["--remove"])?;
    ensure!(
        removed.contains("These stay") && !host.at(UNIT).exists(),
        "{removed}"
    );
    ensure!(
        !host
            .at("/etc/systemd/system/multi-user.target.wants/dataguardian-agent.service")
            .is_symlink()
    );
    for stays in ["/var/lib/dataguardian-agent/identity.json", "/srv/vault"] {
        ensure!(host.at(stays).exists(), "{stays}");
    }
    system.check_invariants()
}

#[test]
fn nothing_is_made_when_it_is_only_to_be_shown_or_can_not_be_done() -> Result<()> {
    let host = Host::new()?;
    let pin = format!("sha256:{}", "0".repeat(64));
    let words = [
        "--server",
        "https://127.0.0.1:1",
        "--ca-pin",
        &pin,
        "--token-file",
    ];
    let token = host.at("/token");
    fs::write(&token, "dgj_x_y")?;
    let token = token.display().to_string();
    let before = host.picture()?;
    let shown = host.install(&[&words[..], &[&token, "--dry-run"]].concat())?;
    ensure!(
        shown.contains("Nothing is done") && shown.contains("to do  unit"),
        "{shown}"
    );
    let unenrolled = host.install(&[]).unwrap_err().to_string();
    ensure!(unenrolled.contains("dgctl agent token create"), "{unenrolled}");
    let no_file = host
        .install(&[&words[..], &["/no/such/file"]].concat())
        .unwrap_err()
        .to_string();
    ensure!(no_file.contains("join token can't be read"), "{no_file}");
    ensure!(host.picture()? == before);
    // A control plane that is not there leaves no service behind that could not start.
    let unreachable = host
        .install(&[&words[..], &[&token]].concat())
        .unwrap_err()
        .to_string();
    ensure!(unreachable.contains("can't be reached"), "{unreachable}");
    ensure!(!host.at(UNIT).exists());
    Ok(())
}

/// A unit that systemd itself finds nothing wrong with, and thinks little exposed.
#[test]
fn the_unit_is_sound_and_hardened() -> Result<()> {
    let analyze = cache::part("systemd-tools")?.join("systemd-analyze");
    let folder = tempfile::tempdir()?;
    let units = [
        include_str!("../../agent/systemd/dataguardian-agent.service"),
        include_str!("../../control-plane/systemd/dataguardian.service"),
    ];
    for (text, name) in units
        .iter()
        .zip(["dataguardian-agent.service", "dataguardian.service"])
    {
        let unit = folder.path().join(name);
        // The programs are not installed on this machine.
        fs::write(&unit, text.replace("/usr/bin/dataguardian", "/bin/true "))?;
        let verified = Command::new(&analyze).arg("verify").arg(&unit).output()?;
        let said = String::from_utf8_lossy(&verified.stderr);
        let of_ours: Vec<_> = said.lines().filter(|line| line.contains(name)).collect();
        ensure!(of_ours.is_empty(), "{of_ours:#?}");
        let security = Command::new(&analyze)
            .args(["security", "--offline=yes", "--threshold=15", "--no-pager"])
            .arg(&unit)
            .output()?;
        let said = String::from_utf8_lossy(&security.stdout);
        ensure!(
            security.status.success(),
            "it is exposed by more than 1.5: {said}"
        );
    }
    Ok(())
}

/// A system with an agent, and a server on its host that somebody wants backed up.
struct Proposed<'a> {
    system: &'a mut System,
    place: String,
}

impl Proposed<'_> {
    fn agent(&self, words: &[&str]) -> Result<String> {
        let (config, state) = (
            self.system.folder().join(format!("{AGENT}.toml")),
            self.system.agent.state_dir(),
        );
        let (config, state) = (config.display().to_string(), state.display().to_string());
        agent(
            &[words, &["--config", &config, "--state-dir", &state]].concat(),
            "",
        )
    }

    /// The file that is proposed, into the storage that there is.
    fn file(&self) -> Result<PathBuf> {
        let vault = self.system.vault().display().to_string();
        let text = self.agent(&["propose", "--at", &self.place, "--storage-dir", &vault])?;
        let text = text.replace(&format!("{AGENT}-disk"), STORAGE);
        let path = self.system.folder().join("proposed.yaml");
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Applies it, and runs what it declares.
    fn apply_and_run(&self, file: &Path, name: &str) -> Result<()> {
        let file = file.display().to_string();
        let applied = self.system.dgctl(&["apply", "-f", &file]).succeed()?.stdout;
        ensure!(applied.contains("2 created, 0 changed, 1 unchanged"), "{applied}");
        let tested = self.system.json(&["datasource", "test", name])?;
        ensure!(problems(&tested).is_empty(), "{tested:#}");
        self.system.run_job(name).succeed()?;
        Ok(())
    }

    /// Lets the agent read its settings again.
    fn restart_agent(&mut self) -> Result<()> {
        self.system.agent.program().stop()?;
        self.system.agent.start_again()?;
        self.system.wait_for_agent(AGENT)
    }
}

fn problems(tested: &Value) -> Vec<Value> {
    tested["problems"].as_array().cloned().unwrap_or_default()
}

#[test]
fn what_is_proposed_for_postgresql_backs_it_up() -> Result<()> {
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    // What a mere reader of some tables would miss: another owner's schema, rows behind a policy, a sequence.
    server.psql(
        "shop",
        "CREATE ROLE seller; CREATE SCHEMA sales AUTHORIZATION seller; SET ROLE seller;
         CREATE TABLE sales.item (id serial PRIMARY KEY, name text); INSERT INTO sales.item (name) VALUES ('one'), ('two');
         ALTER TABLE sales.item ENABLE ROW LEVEL SECURITY; ALTER TABLE sales.item FORCE ROW LEVEL SECURITY",
    )?;
    let mut system = System::start()?;
    let port = server.connection().port;
    let mut proposed = Proposed {
        system: &mut system,
        place: format!("127.0.0.1:{port}"),
    };
    let name = format!("{AGENT}-postgres-{port}");
    let file = proposed.file()?;
    let text = fs::read_to_string(&file)?;
    ensure!(
        text.contains(&format!("backup-user 127.0.0.1:{port} | ")),
        "{text}"
    );

    // As the file says: the statements go into the server's own client, and again, which is the same.
    for _ in 0..2 {
        let statements = proposed.agent(&["backup-user", &proposed.place])?;
        server.psql("postgres", &statements)?;
    }
    let password_file = proposed.system.folder().join(format!("postgres-{port}.password"));
    let password = fs::read_to_string(&password_file)?;
    ensure!(fs::metadata(&password_file)?.permissions().mode() & 0o077 == 0);
    proposed.restart_agent()?;
    proposed.apply_and_run(&file, &name)?;
    // Nothing that was written or logged on the way has the password.
    ensure!(
        !server.log()?.contains(password.trim()) && !fs::read_to_string(&file)?.contains(password.trim())
    );

    let renamed = ["--database", "shop=shop_again"];
    system.restore_latest(&name, &renamed).fail(1)?; // The user of backups may not restore.
    system.add_datasource("ruler", &server, &["shop"])?;
    let words = ["--to", "ruler", "--database", "shop=shop_again"];
    system.restore_latest(&name, &words).succeed()?;
    ensure!(
        server.psql(
            "shop_again",
            "SELECT string_agg(name, ',' ORDER BY id) FROM sales.item"
        )? == "one,two"
    );
    system.check_invariants()
}

#[test]
fn what_is_proposed_for_mariadb_backs_it_up() -> Result<()> {
    let server = MySql::start(mysql::Version::MariaDb10)?;
    server.create_database("shop")?;
    server.sql(
        "shop",
        "CREATE TABLE item (id int PRIMARY KEY); INSERT INTO item VALUES (1); CREATE VIEW all_items AS SELECT * FROM item;
         CREATE PROCEDURE touch_all() UPDATE item SET id = id",
    )?;
    let mut system = System::start()?;
    let port = server.port();
    let mut proposed = Proposed {
        system: &mut system,
        place: format!("127.0.0.1:{port}"),
    };
    let file = proposed.file()?;
    let statements = proposed.agent(&["backup-user", &proposed.place])?;
    server.sql("mysql", &statements)?;
    proposed.restart_agent()?;
    proposed.apply_and_run(&file, &format!("{AGENT}-mariadb-{port}"))?;
    system.check_invariants()
}
