//! Starts a private PostgreSQL server for a person to look at, until Ctrl-C: `private-postgres 15`.
//!
//! Prints shell lines that let psql and the like find it: `PGHOST=... PGPORT=...`.

use anyhow::Result;
use clap::Parser;
use dataguardian_tests::postgres::{Postgres, Version};

/// Starts a private, throw-away PostgreSQL server, until Ctrl-C.
#[derive(Debug, Parser)]
struct Arguments {
    /// The major version.
    #[arg(default_value = "15", value_parser = parse_version)]
    version: Version,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let server = Postgres::start(arguments.version)?;
    let connection = server.connection();
    println!(
        "export PGHOST='{}' PGPORT={} PGUSER={}",
        connection.socket_dir.display(),
        connection.port,
        connection.user
    );
    println!(
        "export PGPASSWORD='{}'",
        connection.password.replace('\'', r"'\''")
    );
    println!("export PATH='{}':\"$PATH\"", server.bin_dir().display());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

fn parse_version(text: &str) -> Result<Version, String> {
    Version::ALL
        .into_iter()
        .find(|version| version.major().to_string() == text)
        .ok_or_else(|| "there are 15, 16 and 18".to_owned())
}
