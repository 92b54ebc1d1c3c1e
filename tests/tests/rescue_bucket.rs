//! Control plane, its data and the agent's host are gone. What is left is a bucket and the recovery kit, and that is enough.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use dataguardian_core::secret::Secret;
use dataguardian_repository::kit::{Opener, RecoveryKit};
use dataguardian_repository::storage::{Listed, Listing};
use dataguardian_tests::cache;
use dataguardian_tests::compare::{Aspect, Comparison, Database};
use dataguardian_tests::mysql::{self, MySql};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::s3::{BUCKET, KEY, Kind, READ_KEY, S3Server};
use dataguardian_tests::sample::Awkward;
use dataguardian_tests::system::{System, binary};
use futures::TryStreamExt as _;
use serde_json::Value;
use tempfile::TempDir;

const PASSPHRASE: &str = "correct horse battery staple";
const PREFIX: &str = "dg/one";
const SECRET_VARIABLE: &str = "DATAGUARDIAN_S3_SECRET_ACCESS_KEY";

/// What is left after the fire: a bucket, and a folder with kits.
struct Left {
    s3: S3Server,
    folder: TempDir,
    /// The newest backup of each datasource.
    backups: BTreeMap<String, String>,
}

impl Left {
    /// Backs two servers up into a bucket, makes kits, and loses everything else.
    fn after_a_fire(postgres: &Postgres, mysql: &MySql) -> Result<Self> {
        let (s3, folder) = (S3Server::start(Kind::SeaweedFs)?, tempfile::tempdir()?);
        fs::write(folder.path().join("passphrase"), PASSPHRASE)?;
        fs::write(folder.path().join("key"), KEY.1)?;
        let mut left = Self {
            s3,
            folder,
            backups: BTreeMap::new(),
        };
        let system = System::start()?;
        left.add_bucket(&system)?;
        left.make_kit(&system, "kit.age", &[])?;
        left.make_kit(&system, "bare.age", &["--without-credentials"])?;
        system.add_datasource("main", postgres, &["shop"])?;
        system.add_mysql("store", mysql, mysql::ROOT, &["store"])?;
        for name in ["main", "store"] {
            let words = ["job", "create", "--name", name, "--datasource", name, "--storage"];
            system.dgctl(&[&words[..], &["offsite"]].concat()).succeed()?;
            system.run_job(name).succeed()?;
            let listed = system.json(&["backup", "list", "--datasource", name])?;
            let id = listed["backups"][0]["id"].as_str().context("a backup")?;
            left.backups.insert(name.to_owned(), id.to_owned());
        }
        system.check_invariants()?;
        let gone = [system.control_plane.data_dir(), system.agent.state_dir()];
        drop(system);
        ensure!(gone.iter().all(|folder| !folder.exists()), "{gone:?}");
        Ok(left)
    }

    fn add_bucket(&self, system: &System) -> Result<()> {
        let (endpoint, key) = (self.endpoint(), self.path("key").display().to_string());
        let words = ["storage", "create", "s3", "--name", "offsite", "--bucket", BUCKET];
        let place = ["--prefix", PREFIX, "--path-style", "--endpoint", &endpoint];
        let access = ["--access-key-id", KEY.0, "--secret-key-file", &key];
        system.dgctl(&[&words[..], &place, &access].concat()).succeed()?;
        Ok(())
    }

    /// A kit that names the bucket, and shows no secret of it.
    fn make_kit(&self, system: &System, name: &str, more: &[&str]) -> Result<()> {
        let (kit, passphrase) = (self.path(name), self.path("passphrase").display().to_string());
        let path = kit.display().to_string();
        let words = ["system", "recovery-kit", "--save-kit", &path, "--passphrase-file"];
        let made = system
            .dgctl(&[&words[..], &[&passphrase], more].concat())
            .succeed()?;
        ensure!(made.stdout.contains("offsite"), "{made:?}");
        let sealed = fs::read_to_string(kit)?;
        ensure!(!sealed.contains(KEY.1) && !sealed.contains(KEY.0));
        Ok(())
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.s3.address())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `dataguardian-agent rescue …` with that kit, in an environment without keys.
    fn rescue(&self, kit: &str, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("dataguardian-agent")?);
        command.arg("rescue").args(words);
        command.arg("--kit").arg(self.path(kit));
        command.arg("--passphrase-file").arg(self.path("passphrase"));
        command.env_remove("DATAGUARDIAN_S3_ACCESS_KEY_ID");
        command.env_remove(SECRET_VARIABLE);
        Ok(command)
    }

    /// Restores a backup as `rescued`, with nothing but the kit.
    fn restore(&self, datasource: &str, server: &[&str], password: &str) -> Result<()> {
        let file = self.path("password");
        fs::write(&file, password)?;
        let backup = self.backups.get(datasource).context("its backup")?;
        let words = ["restore", "--storage", "offsite", "--backup", backup];
        let target = ["--as", "rescued", "--host", "127.0.0.1", "--tls", "disable"];
        let mut command = self.rescue("kit.age", &[&words[..], &target, server].concat())?;
        command.arg("--password-file").arg(file);
        let said = succeeds(command)?;
        ensure!(said.contains("restored as rescued"), "{said}");
        Ok(())
    }

    /// The kit as `age -d` writes it, and a copy of the bucket by a plain S3 client with the kit's own key, as `RESTORE.md` tells.
    fn opened_kit_and_copy(&self) -> Result<(PathBuf, PathBuf)> {
        let (opened, copy) = (self.path("kit.json"), self.path("copy"));
        let sealed = fs::read(self.path("kit.age"))?;
        let kit = RecoveryKit::open(&sealed, &Opener::Passphrase(Secret::new(PASSPHRASE)))?;
        let json = serde_json::to_value(&kit)?;
        fs::write(&opened, json.to_string())?;
        let bucket = &json["storages"][0]["s3"];
        let mut client = Command::new(cache::part("rclone")?);
        let source = format!("{}/{}", text(bucket, "bucket")?, text(bucket, "prefix")?);
        client.args(["copy", &format!(":s3:{source}")]).arg(&copy);
        client.env("RCLONE_CONFIG", self.path("rclone.conf"));
        client.env("RCLONE_S3_PROVIDER", "Other");
        client.env("RCLONE_S3_ENDPOINT", text(bucket, "endpoint")?);
        let credentials = &bucket["credentials"];
        client.env("RCLONE_S3_ACCESS_KEY_ID", text(credentials, "access_key_id")?);
        client.env(
            "RCLONE_S3_SECRET_ACCESS_KEY",
            text(credentials, "secret_access_key")?,
        );
        succeeds(client)?;
        Ok((opened, copy))
    }

    async fn objects(&self) -> Result<Vec<Listed>> {
        let storage = self.s3.storage(PREFIX)?;
        let mut found: Vec<_> = storage.list(Listing::Everything).try_collect().await?;
        found.sort_by_key(|listed| listed.key);
        Ok(found)
    }
}

fn text<'a>(of: &'a Value, name: &str) -> Result<&'a str> {
    of[name]
        .as_str()
        .with_context(|| format!("the kit says no {name}"))
}

fn run(mut command: Command) -> Result<(Output, String)> {
    let output = command.stdin(Stdio::null()).output()?;
    let words: Vec<_> = command.get_args().collect();
    let said = format!("{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    for secret in [KEY.1, READ_KEY.1, PASSPHRASE] {
        ensure!(!said.contains(secret), "a secret is shown");
    }
    Ok((output, said))
}

fn bytes(command: Command) -> Result<Vec<u8>> {
    let (output, said) = run(command)?;
    ensure!(output.status.success(), "{said}");
    Ok(output.stdout)
}

fn succeeds(command: Command) -> Result<String> {
    Ok(String::from_utf8(bytes(command)?)?)
}

fn fails(command: Command, expected: &[&str]) -> Result<()> {
    let (output, said) = run(command)?;
    let told = expected.iter().all(|expected| said.contains(expected));
    ensure!(!output.status.success() && told, "expected {expected:?}: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_and_the_kit_are_enough() -> Result<()> {
    let postgres = Postgres::start(Version::V15)?;
    Awkward::FULL.load(&postgres, "shop")?;
    let mysql = MySql::start(mysql::Version::MariaDb11)?;
    mysql.load_sample("store")?;
    let left = Left::after_a_fire(&postgres, &mysql)?;
    let before = left.objects().await?;

    let listed = succeeds(left.rescue("kit.age", &["list", "--storage", "offsite"])?)?;
    for (id, database) in left.backups.values().zip(["shop", "store"]) {
        ensure!(listed.contains(id) && listed.contains(database), "{listed}");
    }
    let connection = postgres.connection();
    let port = connection.port.to_string();
    let server = ["--port", &port, "--username", &connection.user];
    left.restore("main", &server, &connection.password)?;
    let port = mysql.port().to_string();
    let clients = mysql.bin_dir().display().to_string();
    let server = ["--port", &port, "--username", mysql::ROOT, "--client-directory"];
    left.restore("store", &[&server[..], &[&clients]].concat(), mysql::PASSWORD)?;

    let databases = (
        Database::of(&postgres, "shop"),
        Database::of(&postgres, "rescued"),
    );
    Comparison::new(databases.0, databases.1).run().await?.equal()?;
    mysql::compare::equal((&mysql, "store"), (&mysql, "rescued"))?;
    into_the_other_family(&left, &postgres, &mysql)?;
    by_script(&left, &postgres, &mysql).await?;
    ensure!(left.objects().await? == before, "a rescue only reads");
    other_ways_in(&left)
}

/// `restore.py`, as it lies in the copy of the bucket, brings both databases back, with what `rescue sql` reads from the bucket.
async fn by_script(left: &Left, postgres: &Postgres, mysql: &MySql) -> Result<()> {
    let (opened, copy) = left.opened_kit_and_copy()?;
    for (datasource, database) in [("main", "shop"), ("store", "store")] {
        let backup = left.backups.get(datasource).context("its backup")?;
        let mut script = Command::new(cache::part("restore-tools")?.join("python3"));
        script.arg(copy.join("restore.py")).arg("--kit").arg(&opened);
        script.arg(&copy).args([backup.as_str(), database]);
        let written = bytes(script)?;
        let words = [
            "sql",
            "--storage",
            "offsite",
            "--backup",
            backup,
            "--database",
            database,
        ];
        let rescued = bytes(left.rescue("kit.age", &words)?)?;
        ensure!(
            written == rescued,
            "{} and {} bytes",
            written.len(),
            rescued.len()
        );
        fs::write(left.path(datasource), written)?;
    }
    postgres.create_database("scripted")?;
    postgres.psql_file("scripted", &left.path("main"), &[])?;
    let databases = (Database::of(postgres, "shop"), Database::of(postgres, "scripted"));
    // Whoever makes a database by hand gives it its owner and its settings.
    let compared = Comparison::new(databases.0, databases.1).without(Aspect::Database);
    compared.run().await?.equal()?;
    mysql.sql("", "CREATE DATABASE scripted CHARACTER SET utf8mb4")?;
    load(mysql, "scripted", &left.path("store"))?;
    mysql::compare::equal((mysql, "store"), (mysql, "scripted"))
}

/// Has the server's own client run a script, with the options that `RESTORE.md` names.
fn load(mysql: &MySql, database: &str, script: &Path) -> Result<()> {
    let mut client = mysql.command_as(mysql::ROOT, "mysql")?;
    client.args(["--binary-mode", "--comments", "--default-character-set=utf8mb4"]);
    client.arg("--max-allowed-packet=1G").arg(database);
    let output = client.stdin(fs::File::open(script)?).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(())
}

/// A server of the other family is told by name, and hears nothing of the backup.
fn into_the_other_family(left: &Left, postgres: &Postgres, mysql: &MySql) -> Result<()> {
    let file = left.path("password").display().to_string();
    for (datasource, port, told) in [
        (
            "main",
            mysql.port(),
            ["the backup is of PostgreSQL", "is MariaDB: name a server"],
        ),
        (
            "store",
            postgres.connection().port,
            ["the backup is of MariaDB", "is PostgreSQL: name a server"],
        ),
    ] {
        let (backup, port) = (
            left.backups.get(datasource).context("its backup")?,
            port.to_string(),
        );
        let words = ["restore", "--storage", "offsite", "--backup", backup, "--host"];
        let server = ["127.0.0.1", "--port", &port, "--username", "anybody"];
        let secret = ["--password-file", &file];
        fails(
            left.rescue("kit.age", &[&words[..], &server, &secret].concat())?,
            &told,
        )?;
    }
    Ok(())
}

/// A kit without keys, a bucket that no kit names, and what is said when something is missing.
fn other_ways_in(left: &Left) -> Result<()> {
    let named = ["list", "--storage", "offsite"];
    fails(
        left.rescue("bare.age", &named)?,
        &["--access-key-id", "s3://backups/dg/one"],
    )?;
    let mut from_environment = left.rescue("bare.age", &named)?;
    from_environment.env("DATAGUARDIAN_S3_ACCESS_KEY_ID", READ_KEY.0);
    from_environment.env(SECRET_VARIABLE, READ_KEY.1);
    let listed = succeeds(from_environment)?;

    let key = left.path("read-key");
    fs::write(&key, READ_KEY.1)?;
    let (endpoint, key) = (left.endpoint(), key.display().to_string());
    let place = format!("s3://{BUCKET}/{PREFIX}");
    let direct = [
        "--s3",
        &place,
        "--endpoint",
        &endpoint,
        "--path-style",
        "--access-key-id",
        READ_KEY.0,
        "--secret-key-file",
        &key,
    ];
    let again = succeeds(left.rescue("bare.age", &[&["list"][..], &direct].concat())?)?;
    ensure!(again == listed, "{again}");
    let backup = left.backups.get("main").context("a backup")?;
    let globals = ["sql", "--backup", backup, "--globals"];
    let script = succeeds(left.rescue("bare.age", &[&globals[..], &direct].concat())?)?;
    ensure!(script.contains("CREATE ROLE"), "{script}");

    fails(
        left.rescue("kit.age", &["list"])?,
        &["--storage", "offsite (s3://"],
    )?;
    fails(
        left.rescue("kit.age", &["list", "--storage", "vault"])?,
        &["vault", "offsite (s3://"],
    )?;
    let nowhere = ["list", "--storage", "offsite", "--endpoint", "http://127.0.0.1:1"];
    fails(left.rescue("kit.age", &nowhere)?, &["check the endpoint"])
}
