//! Datasources whose password, or whose whole connection, only the agent's host knows.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{PASSWORD, Postgres, Version};
use dataguardian_tests::system::{AGENT, Metadata, Outcome, System};
use tempfile::TempDir;

/// A system whose agent's host knows a password and a service, both called `shop`.
struct Host {
    server: Postgres,
    system: System,
    password_file: PathBuf,
    _files: TempDir,
}

impl Host {
    fn start() -> Result<Self> {
        let server = Postgres::start(Version::V16)?;
        server.create_database("shop")?;
        server.psql("shop", "CREATE TABLE item AS SELECT 1 AS id")?;
        let (port, user) = (server.connection().port, &server.connection().user);
        let files = tempfile::tempdir()?;
        let [password_file, services] =
            ["shop.password", "pg_service.conf"].map(|name| files.path().join(name));
        std::fs::write(&password_file, format!("{PASSWORD}\n"))?;
        std::fs::set_permissions(&password_file, std::fs::Permissions::from_mode(0o600))?;
        let service = format!("[shop]\nhost=127.0.0.1\nport={port}\nuser={user}\nsslmode=prefer\n");
        std::fs::write(&services, service)?;
        let config = format!(
            "service_file = {services:?}\n[credentials.shop]\npassword_file = {password_file:?}\nservers = [\"127.0.0.1:{port}\"]\n"
        );
        let system = System::start_with(Metadata::Embedded, &config)?;
        Ok(Self {
            server,
            system,
            password_file,
            _files: files,
        })
    }

    fn create(&self, name: &str, more: &[&str]) -> Outcome {
        let words = [
            "datasource",
            "create",
            "postgres",
            "--name",
            name,
            "--agent",
            AGENT,
            "--database",
            "shop",
        ];
        self.system.dgctl(&[&words[..], more].concat())
    }

    /// The same, with where to connect and as whom.
    fn create_at(&self, host: &str, name: &str, more: &[&str]) -> Outcome {
        let connection = self.server.connection();
        let port = connection.port.to_string();
        let place = ["--host", host, "--port", &port, "--username", &connection.user];
        self.create(name, &[&place[..], more].concat())
    }
}

#[test]
fn a_password_stays_on_the_host_and_a_service_says_where_to_connect() -> Result<()> {
    let host = Host::start()?;
    let system = &host.system;
    host.create_at("127.0.0.1", "by-host", &["--credential-ref", "shop"])
        .succeed()?;
    host.create("by-service", &["--service", "shop", "--credential-ref", "shop"])
        .succeed()?;
    for name in ["by-host", "by-service"] {
        system.dgctl(&["datasource", "test", name]).succeed()?;
        system.add_job(name, &[])?;
        system.run_job(name).succeed()?;
        system
            .restore_latest(name, &["--database", &format!("shop={name}")])
            .succeed()?;
        ensure!(host.server.psql(name, "SELECT id FROM item")? == "1");
        let shown = system.dgctl(&["datasource", "get", name]).succeed()?.stdout;
        ensure!(shown.contains("credential shop of the agent's host"), "{shown}");
    }
    // The control plane never had it.
    let database = std::fs::read(system.control_plane.data_dir().join("dataguardian.db"))?;
    let secret = PASSWORD.as_bytes();
    ensure!(!database.windows(secret.len()).any(|window| window == secret));
    system.check_invariants()
}

#[test]
fn what_the_host_does_not_have_or_does_not_give_is_named() -> Result<()> {
    let host = Host::start()?;
    let system = &host.system;
    host.create_at("localhost", "elsewhere", &["--credential-ref", "shop"])
        .succeed()?;
    let found = system.dgctl(&["datasource", "test", "elsewhere"]);
    ensure!(
        found.stdout.contains("credential shop is not for localhost"),
        "{found:?}"
    );
    found.fail(1)?;
    host.create_at("127.0.0.1", "main", &["--credential-ref", "none"])
        .succeed()?;
    system.add_job("main", &[])?;
    let failed = system.run_job("main").fail(1)?;
    ensure!(
        failed.contains("[credentials.none]") && failed.contains("CREDENTIAL_UNUSABLE"),
        "{failed}"
    );
    // A password takes the reference's place.
    let file = host.password_file.display().to_string();
    system
        .dgctl(&["datasource", "update", "main", "--password-file", &file])
        .succeed()?;
    system.run_job("main").succeed()?;
    let both = ["--credential-ref", "shop", "--password-file", &file];
    host.create_at("127.0.0.1", "both", &both).fail(2)?;
    host.create("nowhere", &["--credential-ref", "shop"]).fail(2)?;
    system.check_invariants()
}
