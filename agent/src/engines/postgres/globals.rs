//! Roles, their memberships and settings, tablespaces: what belongs to the cluster and to no database.

use dataguardian_core::database::{ToolUse, Warning};
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::PgConnection;

use super::run::Run;
use super::schema::{explained, next_piece};
use super::{connect, failure};
use crate::engines::StreamSink;
use crate::engines::clients::Client;

/// Whether the user may read the roles' password hashes; managed services deny it to everybody.
pub(super) async fn may_read_passwords(session: &mut PgConnection) -> Result<bool, Failure> {
    sqlx::query_scalar("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_authid', 'SELECT')")
        .fetch_one(session)
        .await
        .map_err(failure::at("asking for privileges"))
}

/// Writes the stream by `pg_dumpall --globals-only`.
pub(super) async fn send(
    run: &Run,
    client: &Client,
    session: &mut PgConnection,
    restrict_key: &str,
    sink: &dyn StreamSink,
) -> Result<(ToolUse, Option<Warning>), Failure> {
    let with_passwords = may_read_passwords(session).await?;
    let database = connect::maintenance_database(&run.target);
    let mut arguments: Vec<String> = ["--globals-only", "--no-password"].map(str::to_owned).into();
    arguments.push(format!("--database={database}"));
    if !with_passwords {
        arguments.push("--no-role-passwords".to_owned());
    }
    if client.knows_restrict_key() {
        arguments.push(format!("--restrict-key={restrict_key}"));
    }
    let mut command = run.command(&client.program("pg_dumpall"), database);
    command.args(&arguments);
    let mut process = run.spawn(command)?;
    let mut stdout = process.stdout()?;
    let mut writer = sink.open(header()).await?;
    while let Some(piece) = next_piece(&mut stdout).await? {
        writer.write(piece).await?;
    }
    if let Err(failure) = process.succeed().await {
        return Err(explained(session, failure).await);
    }
    writer.finish(StreamEnd::default()).await?;
    let tool = ToolUse {
        name: "pg_dumpall".to_owned(),
        version: client.version.clone(),
        arguments,
    };
    let warning = (!with_passwords).then(|| Warning {
        database: None,
        message:
            "the roles' passwords are not in the backup: the user may not read pg_authid (superusers may)"
                .to_owned(),
    });
    Ok((tool, warning))
}

fn header() -> StreamHeader {
    StreamHeader {
        role: StreamRole::Globals,
        database: None,
        object: None,
    }
}
