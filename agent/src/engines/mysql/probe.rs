//! What a server is, and whether a backup of it can work, before it is tried.

use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::mysql::MySqlConnection;
use tokio::time::Instant;

use super::flavour::Flavour;
use super::server::Server;
use super::{clients, connect, discover, globals, quote};
use crate::engines::dump::Chosen;
use crate::engines::probe::{Probe, ProbeRequest};

/// What a dump needs on each database.
const NEEDED: [&str; 4] = ["SELECT", "SHOW VIEW", "TRIGGER", "EVENT"];

/// Connects, looks, disconnects. An error means that the server could not be looked at at all.
pub(super) async fn probe(request: &ProbeRequest) -> Result<Probe, Failure> {
    let flavour = Flavour::of(request.target.engine);
    let mut session = connect::open(&request.target).await?;
    let start = Instant::now();
    connect::execute(&mut session, "DO 0", "measuring the latency").await?;
    let latency = start.elapsed();
    let server = Server::ask(&mut session, flavour).await?;
    let mut found = Probe {
        latency,
        server_version: server.version.clone(),
        version_num: server.version_num,
        system_identifier: server.uuid.clone(),
        in_recovery: server.read_only,
        superuser: server.is_super(),
        databases: Vec::new(),
        problems: Vec::new(),
        unfit: Vec::new(),
        hindrance: None,
        warnings: Vec::new(),
        client: None,
    };
    let available = clients::find(&request.clients, flavour).await;
    match clients::choose(&available, flavour, server.version_num) {
        Ok((client, warning)) => {
            found.client = Some(client);
            found.warnings.extend(warning);
        }
        Err(failure) => found.hinder(failure),
    }
    let existing: Vec<String> = discover::list(&mut session)
        .await?
        .into_iter()
        .map(|database| database.name)
        .collect();
    match Chosen::among(&request.selection, &existing) {
        Ok(chosen) => {
            found.databases = chosen.databases;
            for missing in chosen.missing {
                // A database that the user may not see is not there.
                found.unfit(&missing.database, missing.failure);
            }
        }
        Err(failure) if failure.kind == FailureKind::DatabaseMissing => found.hinder(failure),
        Err(failure) => return Err(failure),
    }
    found.look_at_privileges(&mut session, &server).await?;
    connect::close(session).await;
    Ok(found)
}

impl Probe {
    async fn look_at_privileges(
        &mut self,
        session: &mut MySqlConnection,
        server: &Server,
    ) -> Result<(), Failure> {
        let account = quote::account(&server.grants.account);
        for database in self.databases.clone() {
            let missing: Vec<&str> = NEEDED
                .into_iter()
                .filter(|privilege| !server.grants.on(&database, privilege))
                .collect();
            if !missing.is_empty() {
                self.lacks(
                    &database,
                    format!(
                        "{} lacks {} on database {database}: GRANT {} ON {}.* TO {account}",
                        server.grants.account,
                        missing.join(", "),
                        NEEDED.join(", "),
                        quote::name(&database)
                    ),
                );
            }
        }
        if !server.shows_routines() {
            let (lacks, grant) = match (server.flavour, server.version_num) {
                (Flavour::MySql, _) => ("SHOW_ROUTINE", "GRANT SHOW_ROUTINE ON *.*"),
                (Flavour::MariaDb, 110_300..) => ("SHOW CREATE ROUTINE", "GRANT SHOW CREATE ROUTINE ON *.*"),
                (Flavour::MariaDb, _) => ("SELECT on mysql.proc", "GRANT SELECT ON mysql.proc"),
            };
            let message = format!(
                "{} lacks {lacks}, so that others' procedures and functions would be missing without a word: {grant} TO {account}",
                server.grants.account
            );
            self.hinder(Failure::new(FailureKind::DatabasePrivilege, message));
        }
        if !globals::may_read_accounts(server) {
            self.warnings.push(globals::not_in_the_backup(server));
        }
        if server.binlog && !server.can_tell_position() {
            let privilege = match server.flavour {
                Flavour::MySql => "REPLICATION CLIENT",
                Flavour::MariaDb => "BINLOG MONITOR",
            };
            self.warn(
                None,
                format!(
                    "where the binary log stands will not be in the backup: GRANT RELOAD, {privilege} ON *.* TO {account}"
                ),
            );
        }
        let databases = self.databases.clone();
        if !databases.is_empty() {
            self.warnings
                .extend(super::describe::describe(session, &databases).await?.warnings);
        }
        Ok(())
    }
}
