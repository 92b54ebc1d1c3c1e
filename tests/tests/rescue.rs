//! Everything but the storage and the recovery kit is lost: the agent's program and `restore.py` bring the databases back, both
//! the same, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use dataguardian_core::secret::Secret;
use dataguardian_repository::kit::{Opener, RecoveryKit};
use dataguardian_tests::cache;
use dataguardian_tests::compare::{Aspect, Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::Awkward;
use dataguardian_tests::system::{System, binary, files};
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery staple";

/// What is left after the fire.
struct Left {
    folder: TempDir,
    backup: String,
}

impl Left {
    /// Backs `shop` up, makes a kit, and loses control plane and agent.
    fn after_a_fire(server: &Postgres) -> Result<Self> {
        let system = System::start()?;
        let folder = tempfile::tempdir()?;
        let passphrase = folder.path().join("passphrase");
        fs::write(&passphrase, PASSPHRASE)?;
        let (kit, passphrase) = (folder.path().join("kit.age"), passphrase.display().to_string());
        let kit = kit.display().to_string();
        let words = [
            "system",
            "recovery-kit",
            "--save-kit",
            &kit,
            "--passphrase-file",
            &passphrase,
        ];
        system.dgctl(&words).succeed()?;
        let again = system.dgctl(&words).fail(2)?;
        ensure!(again.contains("is there already"), "{again}");
        system.add_datasource("main", server, &["shop"])?;
        system.add_job("main", &[])?;
        system.run_job("main").succeed()?;
        let backups = system.json(&["backup", "list"])?;
        let backup = backups["backups"][0]["id"]
            .as_str()
            .context("a backup")?
            .to_owned();
        system.check_invariants()?;
        // The storage is all that is kept.
        let status = Command::new("cp")
            .arg("-a")
            .arg(system.vault())
            .arg(folder.path().join("vault"))
            .status()?;
        ensure!(status.success());
        Ok(Self { folder, backup })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn vault(&self) -> PathBuf {
        self.path("vault")
    }

    /// `dataguardian-agent rescue …` with repository and kit.
    fn rescue(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("dataguardian-agent")?);
        command.arg("rescue").args(words);
        command.arg("--repository").arg(self.vault());
        command.arg("--kit").arg(self.path("kit.age"));
        command.arg("--passphrase-file").arg(self.path("passphrase"));
        Ok(command)
    }

    /// `restore.py`, as it lies in the repository, with an opened kit.
    fn script(&self, kit: &Path, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(cache::part("restore-tools")?.join("python3"));
        command.arg(self.vault().join("restore.py"));
        command.arg("--kit").arg(kit).arg(self.vault()).args(words);
        Ok(command)
    }
}

/// What a program writes to its standard output, if it ends well.
fn output(mut command: Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(output.stdout)
}

/// Opens an age file with an identity, as a person would.
fn open_with_age(sealed: &Path, identity: &Path) -> Result<Vec<u8>> {
    let mut age = Command::new(cache::part("restore-tools")?.join("age"));
    age.arg("-d").arg("-i").arg(identity).arg(sealed);
    output(age)
}

#[tokio::test]
async fn a_storage_and_the_kit_are_enough() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    Awkward::FULL.load(&server, "shop")?;
    let left = Left::after_a_fire(&server)?;

    let listed = String::from_utf8(output(left.rescue(&["list"])?)?)?;
    ensure!(
        listed.contains(&left.backup) && listed.contains("shop"),
        "{listed}"
    );

    let connection = server.connection();
    let password = left.path("password");
    fs::write(&password, &connection.password)?;
    let (port, password) = (connection.port.to_string(), password.display().to_string());
    let words = [
        "restore",
        "--backup",
        &left.backup,
        "--as",
        "rescued",
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--username",
        &connection.user,
        "--password-file",
        &password,
        "--tls",
        "disable",
    ];
    let said = String::from_utf8(output(left.rescue(&words)?)?)?;
    ensure!(said.contains("shop restored as rescued"), "{said}");
    compare(&server, "rescued").run().await?.equal()?;

    // The kit that the backup put into the repository opens with the identity of the one that was made before.
    let identity_file = left.path("identity");
    fs::write(&identity_file, identity(&left)?.expose())?;
    let keys: Vec<_> = fs::read_dir(left.vault().join("keys"))?.collect::<Result<_, _>>()?;
    ensure!(keys.len() == 1, "{keys:?}");
    let opened = left.path("kit.json");
    fs::write(&opened, open_with_age(&keys[0].path(), &identity_file)?)?;

    let words = ["sql", "--backup", &left.backup, "--database", "shop"];
    let rescued = output(left.rescue(&words)?)?;
    let scripted = output(left.script(&opened, &[&left.backup, "shop"])?)?;
    ensure!(
        rescued == scripted,
        "{} and {} bytes",
        rescued.len(),
        scripted.len()
    );
    let globals = output(left.rescue(&["sql", "--backup", &left.backup, "--globals"])?)?;
    ensure!(globals == output(left.script(&opened, &[&left.backup, "--globals"])?)?);
    ensure!(String::from_utf8_lossy(&globals).contains("CREATE ROLE"));

    server.create_database("scripted")?;
    let script = left.path("shop.sql");
    fs::write(&script, &scripted)?;
    server.psql_file("scripted", &script, &[])?;
    // Whoever makes a database by hand gives it its owner and its settings.
    let scripted = compare(&server, "scripted").without(Aspect::Database);
    scripted.run().await?.equal().map(drop)
}

const GOLDEN_BACKUP: &str = "00000000-0000-0000-0000-00000000bac0";

fn golden(name: &str) -> PathBuf {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/repository/tests/golden");
    all.join(name)
}

/// The opened kit of the golden repositories.
fn golden_kit(folder: &Path) -> Result<PathBuf> {
    let kit = folder.join("kit.json");
    let key: String = (0..32_u8).map(|byte| format!("{byte:02x}")).collect();
    let text = format!(r#"{{"installation_keys": ["{key}"], "signers": []}}"#);
    fs::write(&kit, text)?;
    Ok(kit)
}

/// `restore.py` as it is now.
fn todays_script(kit: &Path, repository: &Path, words: &[&str]) -> Result<Command> {
    let mut script = Command::new(cache::part("restore-tools")?.join("python3"));
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/repository/src/rescue/restore.py"));
    script.arg("--kit").arg(kit).arg(repository).args(words);
    Ok(script)
}

/// Repositories as every version of the format has stored them.
#[test]
fn the_script_reads_golden_repositories() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kit = golden_kit(folder.path())?;
    let mut contents = Vec::new();
    for name in ["v1-plain", "v1-encrypted"] {
        let script = todays_script(&kit, &golden(name), &[GOLDEN_BACKUP, "--globals"])?;
        contents.push(output(script)?);
    }
    ensure!(contents[0] == contents[1]);
    ensure!(contents[0].starts_with(b"CREATE ROLE shop;\n0\tcustomer 0\tactive\n"));
    ensure!(
        contents[0].ends_with(b"19999\tcustomer 17\tactive\n"),
        "it was cut off"
    );
    Ok(())
}

/// One byte of each object in turn, at both ends and in between: the script names the object, or writes what it wrote before.
#[test]
fn the_script_names_what_is_damaged_cut_or_missing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kit = golden_kit(folder.path())?;
    let repository = folder.path().join("repository");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(golden("v1-encrypted"))
        .arg(&repository)
        .status()?;
    ensure!(copied.success());
    let words = [GOLDEN_BACKUP, "--globals"];
    let whole = output(todays_script(&kit, &repository, &words)?)?;
    let mut objects = files(&repository)?;
    objects.retain(|path| !path.ends_with("repository.json"));
    for object in objects {
        let name = object
            .file_name()
            .context("its name")?
            .to_string_lossy()
            .into_owned();
        let bytes = fs::read(&object)?;
        let mut found = 0;
        let mut harms: Vec<Option<Vec<u8>>> = vec![None, Some(bytes[..bytes.len() / 2].to_vec())];
        for place in [0, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
            let mut harmed = bytes.clone();
            harmed[place] ^= 0x10;
            harms.push(Some(harmed));
        }
        for harm in harms {
            match harm {
                Some(harmed) => fs::write(&object, harmed)?,
                None => fs::remove_file(&object)?,
            }
            let ended = todays_script(&kit, &repository, &words)?.output()?;
            let said = String::from_utf8_lossy(&ended.stderr);
            ensure!(!said.contains("Traceback"), "{name}: {said}");
            if ended.status.success() {
                ensure!(ended.stdout == whole, "{name} is damaged, and nobody says so");
            } else {
                // Of a manifest that is not there nothing but the backup's id is known.
                let known = if said.contains("has no backup") {
                    GOLDEN_BACKUP
                } else {
                    &name
                };
                ensure!(said.contains(known), "{name}: {said}");
                found += 1;
            }
        }
        ensure!(found > 2, "{name}: only {found} were found");
        fs::write(&object, bytes)?;
    }
    Ok(())
}

#[test]
fn the_script_passes_over_what_it_can_not_read_and_says_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let kit = golden_kit(folder.path())?;
    let repository = folder.path().join("repository");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(golden("v1-encrypted"))
        .arg(&repository)
        .status()?;
    ensure!(copied.success());
    let manifest = files(&repository)?
        .into_iter()
        .find(|path| path.ends_with(format!("{GOLDEN_BACKUP}.json")));
    let other = "00000000-0000-0000-0000-00000000bac1.json";
    fs::write(manifest.context("a manifest")?.with_file_name(other), "{")?;
    // One that can't be read is in nobody's way, and is told of.
    ensure!(!output(todays_script(&kit, &repository, &[GOLDEN_BACKUP, "--globals"])?)?.is_empty());
    let listed = todays_script(&kit, &repository, &[])?.output()?;
    let said = String::from_utf8_lossy(&listed.stderr);
    ensure!(listed.status.code() == Some(1) && said.contains(other), "{said}");
    ensure!(String::from_utf8_lossy(&listed.stdout).contains(GOLDEN_BACKUP));
    // A kit that nobody opened, and a folder that is no repository.
    for (kit, place, told) in [
        (golden("kits/v1.age"), repository, "age -d"),
        (kit.clone(), folder.path().join("elsewhere"), "has no backup"),
    ] {
        let ended = todays_script(&kit, &place, &[])?.output()?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.code() == Some(1) && said.contains(told), "{said}");
        ensure!(!said.contains("Traceback"), "{said}");
    }
    Ok(())
}

/// The identity in the kit. Its passphrase is asked for at a terminal by `age`, so the library opens it here.
fn identity(left: &Left) -> Result<Secret> {
    let sealed = fs::read(left.path("kit.age"))?;
    let kit = RecoveryKit::open(&sealed, &Opener::Passphrase(Secret::new(PASSPHRASE)))?;
    match kit.opener() {
        Some(Opener::Identities(identity)) => Ok(identity),
        other => bail!("no identity: {other:?}"),
    }
}

fn compare(server: &Postgres, restored: &str) -> Comparison {
    Comparison::new(Database::of(server, "shop"), Database::of(server, restored))
}

#[test]
fn a_wrong_passphrase_a_missing_kit_and_damage_are_told() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    server.create_database("shop")?;
    server.psql(
        "shop",
        "create table note (text text); insert into note values ('one')",
    )?;
    let left = Left::after_a_fire(&server)?;
    let fails = |mut command: Command, expected: &str| -> Result<()> {
        let output = command.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !output.status.success() && said.contains(expected),
            "expected {expected:?}: {said}"
        );
        Ok(())
    };
    let sql = ["sql", "--backup", &left.backup, "--database", "shop"];
    let mut without = Command::new(binary("dataguardian-agent")?);
    without
        .arg("rescue")
        .args(sql)
        .arg("--repository")
        .arg(left.vault());
    fails(without, "--kit")?;
    fails(
        left.rescue(&["sql", "--backup", &left.backup, "--database", "ship"])?,
        "shop",
    )?;
    fs::write(left.path("passphrase"), "wrong")?;
    fails(left.rescue(&sql)?, "can't be opened")?;
    fs::write(left.path("passphrase"), PASSPHRASE)?;
    for pack in files(&left.vault())? {
        if pack.components().any(|part| part.as_os_str() == "packs") {
            let mut bytes = fs::read(&pack)?;
            for byte in bytes.iter_mut().skip(64) {
                *byte ^= 1;
            }
            fs::write(&pack, bytes)?;
        }
    }
    fails(left.rescue(&sql)?, "throw it away")
}
