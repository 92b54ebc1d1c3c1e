//! Every flow that a secret goes through, and each of them failing once.

use std::path::Path;

use anyhow::{Context as _, Result};
use dataguardian_tests::mail::{self, MailServer, MailTls};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::receiver::Receiver;
use dataguardian_tests::s3::{BUCKET, DELETE_KEY, KEY, Kind, S3Server};
use dataguardian_tests::system::{AGENT, Outcome, PASSWORD, STORAGE, Setup, System, files};
use dataguardian_tests::wait;

use crate::places::{Place, Watched};
use crate::{
    HOOK_HEADER, HOOK_PATH, HOOK_SIGNING, SOURCE, USER, WRONG_BUCKET, WRONG_MAIL, WRONG_SOURCE, WRONG_USER,
};

pub(crate) const BUCKET_SECRET: &str = KEY.1;

/// A system with a database, a bucket, a mail server and a receiver of webhooks beside it.
pub(crate) struct Flows {
    pub(crate) system: System,
    metadata: std::path::PathBuf,
    server: Postgres,
    bucket: S3Server,
    mail: MailServer,
    receiver: Receiver,
    /// What `dgctl` was called with and said.
    said: String,
    /// What was made here and shown once.
    made: Vec<(String, String)>,
}

impl Flows {
    pub(crate) fn set(watched: &Watched) -> Result<Self> {
        let server = Postgres::start(Version::V16)?;
        server.create_database("shop")?;
        server.psql(
            "shop",
            "create table t (a int primary key); insert into t select generate_series(1, 100)",
        )?;
        server.psql(
            "postgres",
            &format!("create role backup superuser login password '{SOURCE}'"),
        )?;
        let telemetry = format!("\n[telemetry]\notlp_endpoint = 'http://{}'\n", watched.collector);
        let eager = "[notifications]\ninterval_seconds = 1\ntimeout_seconds = 2\n";
        let setup = Setup {
            config: format!("{eager}{telemetry}[log]\nfilter = 'debug'\n"),
            ..watched.servers.setup()?
        };
        Ok(Self {
            system: System::start_as(setup, &telemetry)?,
            metadata: watched.servers.postgres.data_dir(),
            server,
            bucket: S3Server::start(Kind::SeaweedFs)?,
            mail: MailServer::start(MailTls::Starttls)?,
            receiver: Receiver::start()?,
            said: String::new(),
            made: Vec::new(),
        })
    }

    pub(crate) fn run(&mut self) -> Result<()> {
        self.access()?;
        self.storages()?;
        self.notifications()?;
        self.backups()?;
        self.told()?;
        self.restarts()?;
        self.look()
    }

    /// Users, tokens and sign-ins, right and wrong.
    fn access(&mut self) -> Result<()> {
        let (user, wrong) = (
            self.file("user.password", USER)?,
            self.file("wrong.password", WRONG_USER)?,
        );
        let admin = self.file("admin.password", PASSWORD)?;
        self.call(&[
            "user",
            "create",
            "--username",
            "clerk",
            "--password-file",
            &user,
            "--role",
            "viewer",
        ])
        .succeed()?;
        self.call(&["login", "--username", "clerk", "--password-file", &wrong])
            .fail(1)?;
        self.call(&["login", "--username", "clerk", "--password-file", &user])
            .succeed()?;
        self.call(&["login", "--username", "admin", "--password-file", &admin])
            .succeed()?;
        let token = self
            .system
            .json(&["token", "create", "--name", "reporting", "--role", "viewer"])?;
        self.keep("an API token", token["secret"].as_str())?;
        let join = self
            .system
            .json(&["agent", "token", "create", "--name", "host9"])?;
        self.keep("a join token", join["token"].as_str())
    }

    /// A bucket with the right key, and with a wrong one.
    fn storages(&mut self) -> Result<()> {
        let right = self.file("bucket.secret", BUCKET_SECRET)?;
        let wrong = self.file("wrong-bucket.secret", WRONG_BUCKET)?;
        let delete = self.file("delete.secret", DELETE_KEY.1)?;
        let endpoint = format!("http://{}", self.bucket.address());
        let create = |name: &'static str, secret: &str| -> Vec<String> {
            [
                "storage",
                "create",
                "s3",
                "--name",
                name,
                "--bucket",
                BUCKET,
                "--path-style",
                "--endpoint",
                &endpoint,
                "--access-key-id",
                KEY.0,
                "--secret-key-file",
                secret,
                "--delete-access-key-id",
                DELETE_KEY.0,
                "--delete-secret-key-file",
                &delete,
            ]
            .map(str::to_owned)
            .into()
        };
        self.call_all(&create("wrong", &wrong)).fail(1)?;
        self.call_all(&create("bucket", &right)).succeed()?;
        self.call(&["storage", "test", "bucket"]).succeed()?;
        Ok(())
    }

    /// Backups, restores and verifications, with the right password and a wrong one.
    fn backups(&mut self) -> Result<()> {
        let port = self.server.connection().port;
        self.system
            .add_datasource_at("main", port, "backup", SOURCE, &["shop"])?;
        self.system
            .add_datasource_at("wrong", port, "backup", WRONG_SOURCE, &["shop"])?;
        for (datasource, works) in [("main", true), ("wrong", false)] {
            let tested = self.call(&["datasource", "test", datasource]);
            let found = self.call(&["datasource", "discover", datasource]);
            let job = [
                "job",
                "create",
                "--name",
                datasource,
                "--datasource",
                datasource,
                "--storage",
                STORAGE,
                "--storage",
                "bucket",
                "--strategy",
                "replicate",
                "--max-attempts",
                "1",
            ];
            self.call(&job).succeed()?;
            let ran = self.call(&["job", "run", datasource, "--wait"]);
            for outcome in [tested, found, ran] {
                match works {
                    true => drop(outcome.succeed()?),
                    false => drop(outcome.fail(1)?),
                }
            }
        }
        self.call(&[
            "restore",
            "--backup",
            "latest",
            "--datasource",
            "main",
            "--scratch",
            "--wait",
        ])
        .succeed()?;
        self.call(&[
            "restore",
            "--backup",
            "latest",
            "--datasource",
            "main",
            "--to",
            "wrong",
            "--database",
            "shop=copy",
            "--wait",
        ])
        .fail(1)?;
        self.call(&["backup", "verify", "latest", "--datasource", "main", "--wait"])
            .succeed()?;
        Ok(())
    }

    /// Channels that work, and that do not.
    fn notifications(&mut self) -> Result<()> {
        let url = self.file("hook.url", &self.receiver.url(HOOK_PATH))?;
        let signing = self.file("hook.signing", HOOK_SIGNING)?;
        let headers = self.file("hook.headers", &format!("Authorization: Bearer {HOOK_HEADER}\n"))?;
        let ca = self.receiver.ca_file().display().to_string();
        self.call(&[
            "notification",
            "channel",
            "create",
            "webhook",
            "--name",
            "hook",
            "--url-file",
            &url,
            "--signing-secret-file",
            &signing,
            "--headers-file",
            &headers,
            "--ca-file",
            &ca,
        ])
        .succeed()?;
        let (port, ca) = (
            self.mail.port().to_string(),
            self.mail.ca_file().display().to_string(),
        );
        for (name, password) in [("mail", mail::PASSWORD), ("wrong-mail", WRONG_MAIL)] {
            let password = self.file(&format!("{name}.password"), password)?;
            self.call(&[
                "notification",
                "channel",
                "create",
                "email",
                "--name",
                name,
                "--host",
                "127.0.0.1",
                "--port",
                &port,
                "--tls",
                "starttls",
                "--ca-file",
                &ca,
                "--username",
                mail::USER,
                "--password-file",
                &password,
                "--from",
                "DataGuardian <backup@example.com>",
                "--to",
                "dba@example.com",
            ])
            .succeed()?;
        }
        for channel in ["hook", "mail", "wrong-mail"] {
            self.call(&["notification", "channel", "test", channel]);
        }
        self.receiver.go_away();
        self.call(&["notification", "channel", "test", "hook"]);
        Ok(())
    }

    /// What failed was told through the channel that works.
    fn told(&self) -> Result<()> {
        wait::until("the failure to be told by mail", || {
            let letters = self.mail.letters()?;
            Ok(letters.iter().any(|letter| letter.headers.contains("wrong")))
        })
    }

    /// Both programs are killed while they work, and start again.
    fn restarts(&mut self) -> Result<()> {
        self.system.control_plane.program().kill9()?;
        self.system.control_plane.start_again()?;
        self.system.agent.program().kill9()?;
        self.system.agent.start_again()?;
        self.system.wait_for_agent(AGENT)?;
        self.call(&["job", "run", "main", "--wait"]).succeed()?;
        Ok(())
    }

    /// Everything that is shown to anybody.
    fn look(&mut self) -> Result<()> {
        for words in [
            &["audit", "list", "--limit", "1000", "-o", "json"][..],
            &["audit", "export"],
            &["notification", "list", "-o", "json"],
            &["notification", "channel", "list", "-o", "json"],
            &["execution", "list", "-o", "json"],
            &["datasource", "list", "-o", "json"],
            &["storage", "list", "-o", "json"],
            &["job", "list", "-o", "json"],
            &["user", "list", "-o", "json"],
            &["token", "list", "-o", "json"],
            &["system", "health", "-o", "json"],
            &["export"],
        ] {
            self.call(words).succeed()?;
        }
        let executions = self.system.json(&["execution", "list"])?;
        for execution in executions["executions"].as_array().context("executions")? {
            let id = execution["id"].as_str().context("an id")?;
            self.call(&["execution", "logs", id]).succeed()?;
            self.call(&["execution", "get", id, "-o", "json"]).succeed()?;
        }
        Ok(())
    }

    /// What was made here, shown once, and must not be anywhere else.
    pub(crate) fn made_here(&self) -> Result<Vec<(String, String)>> {
        let mut made = self.made.clone();
        let master = std::fs::read_to_string(self.system.control_plane.data_dir().join("master.key"))?;
        made.push(("the master key".to_owned(), master.trim().to_owned()));
        Ok(made)
    }

    /// Everything that was written.
    pub(crate) fn places(&self) -> Result<Vec<Place>> {
        let mut places = vec![("what dgctl says".to_owned(), self.said.clone().into_bytes())];
        let ours = files(self.system.folder())?
            .into_iter()
            .filter(|file| !is_kept_secret(file));
        // With its write-ahead log.
        let metadata = files(&self.metadata)?;
        for file in ours.chain(metadata) {
            // A server may remove a file while we look.
            let Ok(bytes) = std::fs::read(&file) else { continue };
            places.push((file.display().to_string(), bytes));
        }
        for letter in self.mail.letters()? {
            places.push(("a letter".to_owned(), letter.text.into_bytes()));
        }
        for request in self.receiver.requests() {
            places.push(("what a webhook is sent".to_owned(), request.body.into_bytes()));
        }
        Ok(places)
    }

    fn keep(&mut self, what: &str, secret: Option<&str>) -> Result<()> {
        let secret = secret.with_context(|| what.to_owned())?.to_owned();
        self.made.push((what.to_owned(), secret));
        Ok(())
    }

    fn file(&self, name: &str, secret: &str) -> Result<String> {
        let path = self.receiver.folder().join(name);
        std::fs::write(&path, secret)?;
        Ok(path.display().to_string())
    }

    fn call_all(&mut self, words: &[String]) -> Outcome {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        self.call(&words)
    }

    fn call(&mut self, words: &[&str]) -> Outcome {
        let outcome = self.system.dgctl(words);
        self.said.push_str(&outcome.stdout);
        self.said.push_str(&outcome.stderr);
        outcome
    }
}

/// Files that are there to keep a secret: what a person gave to the system, and the master key.
fn is_kept_secret(file: &Path) -> bool {
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.ends_with(".password") || name == "password" || name == "master.key"
}
