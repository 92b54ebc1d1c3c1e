//! A control plane that looks every second, a receiver of webhooks, and what both do.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::mail::{self, MailServer};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::receiver::{Receiver, Request};
use dataguardian_tests::system::{Setup, System};
use dataguardian_tests::wait;
use serde_json::Value;

/// Looks every second, and does not wait long for anything.
pub(crate) const EAGER: &str = "[notifications]\ninterval_seconds = 1\nmissing_after_seconds = 2\nqueue_offline_after_seconds = 1\ntimeout_seconds = 2\n";
pub(crate) const SIGNING: &str = "a signing secret that nobody sees";
pub(crate) const PATH: &str = "hooks/path-that-nobody-sees";
pub(crate) const BEARER: &str = "Bearer bearer-that-nobody-sees";
/// A job that is due each minute has to be late first.
const MINUTES: Duration = Duration::from_secs(180);

/// A control plane with a database server beside it, and a receiver of webhooks.
pub(crate) struct Scene {
    pub(crate) system: System,
    pub(crate) server: Postgres,
    pub(crate) receiver: Receiver,
}

pub(crate) fn eager() -> Result<Setup> {
    Ok(Setup {
        config: EAGER.to_owned(),
        ..Setup::usual()?
    })
}

impl Scene {
    pub(crate) fn set(setup: Setup) -> Result<Self> {
        let server = Postgres::start(Version::V15)?;
        server.create_database("shop")?;
        server.psql(
            "shop",
            "create table t (a int primary key); insert into t values (1)",
        )?;
        let system = System::start_as(setup, "")?;
        Ok(Self {
            system,
            server,
            receiver: Receiver::start()?,
        })
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String> {
        let path: PathBuf = self.receiver.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path.display().to_string())
    }

    /// A signed webhook with a header of its own.
    pub(crate) fn add_webhook(&self, name: &str, more: &[&str]) -> Result<()> {
        let url = self.file("url", &self.receiver.url(PATH))?;
        let signing = self.file("signing", SIGNING)?;
        let headers = self.file("headers", &format!("Authorization: {BEARER}\n"))?;
        let ca = self.receiver.ca_file().display().to_string();
        let words = [
            "notification",
            "channel",
            "create",
            "webhook",
            "--name",
            name,
            "--url-file",
            &url,
            "--signing-secret-file",
            &signing,
            "--headers-file",
            &headers,
            "--ca-file",
            &ca,
        ];
        self.system.dgctl(&[&words[..], more].concat()).succeed()?;
        Ok(())
    }

    pub(crate) fn add_mail(&self, name: &str, server: &MailServer, tls: &str, password: &str) -> Result<()> {
        let (port, ca) = (server.port().to_string(), server.ca_file().display().to_string());
        let password = self.file("mail-password", password)?;
        let words = [
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
            tls,
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
            "--to",
            "Ops <ops@example.com>",
        ];
        self.system.dgctl(&words).succeed()?;
        Ok(())
    }

    /// A job of a datasource with the wrong password: its backup fails.
    pub(crate) fn add_failing_job(&self) -> Result<()> {
        let port = self.server.connection().port;
        self.system
            .add_datasource_at("main", port, "postgres", "not the password", &["shop"])?;
        self.system.add_job("main", &[])
    }

    pub(crate) fn mend(&self) -> Result<()> {
        let connection = self.server.connection();
        let password = self.file("password", &connection.password)?;
        let words = [
            "datasource",
            "update",
            "main",
            "--username",
            &connection.user,
            "--password-file",
            &password,
        ];
        self.system.dgctl(&words).succeed()?;
        Ok(())
    }

    /// What the receiver got of an event: the phases, in their order.
    pub(crate) fn phases(&self, event: &str) -> Result<Vec<String>> {
        let told = self.told()?;
        let of_it = told.iter().filter(|(_, body)| body["event"] == event);
        Ok(of_it
            .map(|(_, body)| body["phase"].as_str().unwrap_or_default().to_owned())
            .collect())
    }

    pub(crate) fn told(&self) -> Result<Vec<(Request, Value)>> {
        let read = |request: Request| {
            let body = serde_json::from_str(&request.body).with_context(|| request.body.clone())?;
            Ok((request, body))
        };
        self.receiver.requests().into_iter().map(read).collect()
    }

    pub(crate) fn wait_for(&self, event: &str, phases: &[&str]) -> Result<()> {
        wait::until_within(MINUTES, &format!("{event} to be told as {phases:?}"), || {
            Ok(self.phases(event)? == phases)
        })
        .with_context(|| self.system.control_plane.log())
    }

    /// No secret of a channel is in what the control plane says, or in what `dgctl` shows.
    pub(crate) fn keeps_its_secrets(&self) -> Result<()> {
        let shown = self
            .system
            .json(&["notification", "channel", "list"])?
            .to_string();
        let told = self.system.json(&["notification", "list"])?.to_string();
        for secret in [
            SIGNING,
            "path-that-nobody-sees",
            "bearer-that-nobody-sees",
            mail::PASSWORD,
        ] {
            for (text, where_) in [
                (&shown, "the channels"),
                (&told, "the list"),
                (&self.system.control_plane.log(), "the log"),
            ] {
                ensure!(!text.contains(secret), "{secret} is in {where_}: {text}");
            }
        }
        Ok(())
    }
}
