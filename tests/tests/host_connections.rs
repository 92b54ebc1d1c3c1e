//! Datasources whose password, or whose whole connection, only the agent's host knows.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Result, ensure};
use dataguardian_tests::postgres::{PASSWORD, Postgres, Version};
use dataguardian_tests::system::{AGENT, Metadata, System};

#[test]
fn a_password_stays_on_the_host_and_a_service_says_where_to_connect() -> Result<()> {
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    server.psql("shop", "CREATE TABLE item AS SELECT 1 AS id")?;
    let connection = server.connection();
    let host = tempfile::tempdir()?;
    let [password, services] = ["shop.password", "pg_service.conf"].map(|name| host.path().join(name));
    std::fs::write(&password, format!("{PASSWORD}\n"))?;
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600))?;
    std::fs::write(
        &services,
        format!(
            "[shop]\nhost=127.0.0.1\nport={}\nuser={}\nsslmode=prefer\n",
            connection.port, connection.user
        ),
    )?;
    let config = format!(
        "service_file = {services:?}\n[credentials.shop]\npassword_file = {password:?}\nservers = [\"127.0.0.1:{}\"]\n",
        connection.port
    );
    let system = System::start_with(Metadata::Embedded, &config)?;
    let create = |name: &str, more: &[&str]| {
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
        system.dgctl(&[&words[..], more].concat())
    };
    let port = connection.port.to_string();
    let by_host = [
        "--host",
        "127.0.0.1",
        "--port",
        &port,
        "--username",
        &connection.user,
    ];
    create("by-host", &[&by_host[..], &["--credential-ref", "shop"]].concat()).succeed()?;
    create("by-service", &["--service", "shop", "--credential-ref", "shop"]).succeed()?;
    for name in ["by-host", "by-service"] {
        system.dgctl(&["datasource", "test", name]).succeed()?;
        system.add_job(name, &[])?;
        system.run_job(name).succeed()?;
        system
            .restore_latest(name, &["--database", &format!("shop={name}")])
            .succeed()?;
        ensure!(server.psql(name, "SELECT id FROM item")? == "1");
        let shown = system.dgctl(&["datasource", "get", name]).succeed()?.stdout;
        ensure!(shown.contains("credential shop of the agent's host"), "{shown}");
    }
    // The control plane never had it.
    let database = std::fs::read(system.control_plane.data_dir().join("dataguardian.db"))?;
    let secret = PASSWORD.as_bytes();
    ensure!(!database.windows(secret.len()).any(|window| window == secret));
    let elsewhere = [
        "--host",
        "localhost",
        "--port",
        &port,
        "--username",
        &connection.user,
        "--credential-ref",
        "shop",
    ];
    create("elsewhere", &elsewhere).succeed()?;
    let found = system.dgctl(&["datasource", "test", "elsewhere"]);
    ensure!(
        found.stdout.contains("credential shop is not for localhost"),
        "{found:?}"
    );
    found.fail(1)?;
    let unknown = ["--credential-ref", "none"];
    system
        .dgctl(&[&["datasource", "update", "by-host"][..], &unknown].concat())
        .succeed()?;
    let failed = system.run_job("by-host").fail(1)?;
    ensure!(
        failed.contains("[credentials.none]") && failed.contains("CREDENTIAL_UNUSABLE"),
        "{failed}"
    );
    // A password takes the reference's place.
    let file = password.display().to_string();
    system
        .dgctl(&["datasource", "update", "by-host", "--password-file", &file])
        .succeed()?;
    system.run_job("by-host").succeed()?;
    let both = [
        &by_host[..],
        &["--credential-ref", "shop", "--password-file", &file],
    ]
    .concat();
    create("both", &both).fail(2)?;
    create("nowhere", &["--credential-ref", "shop"]).fail(2)?;
    system.check_invariants()
}
