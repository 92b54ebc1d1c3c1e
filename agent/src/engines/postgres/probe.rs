//! What a server is, and whether a backup of it can work, before it is tried.

use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::server::Server;
use super::{clients, connect, dump, failure, globals, quote};
use crate::engines::probe::{Probe, ProbeRequest};

/// How the server knows the sessions of a probe.
const APPLICATION: &str = "dataguardian probe";

/// Connects, looks, disconnects. An error means that the server could not be looked at at all.
pub async fn probe(request: &ProbeRequest) -> Result<Probe, Failure> {
    let target = &request.target;
    let mut session = connect::open(target, connect::maintenance_database(target), APPLICATION).await?;
    let server = Server::ask(&mut session).await?;
    let mut found = Probe {
        latency: latency(&mut session).await?,
        server_version: server.version,
        version_num: server.version_num,
        system_identifier: server.system_identifier,
        in_recovery: server.in_recovery,
        superuser: server.superuser,
        databases: Vec::new(),
        problems: Vec::new(),
        unfit: Vec::new(),
        hindrance: None,
        warnings: Vec::new(),
        client: None,
    };
    match clients::choose(&clients::find(&request.clients).await, server.version_num) {
        Ok((client, warning)) => {
            found.client = Some(client);
            found.warnings.extend(warning);
        }
        Err(failure) => {
            found.hindrance = Some(failure.clone());
            found.problems.push(failure);
        }
    }
    match dump::chosen(&mut session, &request.selection).await {
        Ok(chosen) => {
            found.databases = chosen.databases;
            for missing in chosen.missing {
                found.unfit(&missing.database, missing.failure);
            }
        }
        Err(failure) if failure.kind == FailureKind::DatabaseMissing => {
            found.hindrance = Some(failure.clone());
            found.problems.push(failure);
        }
        Err(failure) => return Err(failure),
    }
    found.look_at_server(&mut session).await?;
    connect::close(session).await;
    for database in found.databases.clone() {
        match connect::open(target, &database, APPLICATION).await {
            Ok(mut session) => {
                found
                    .look_at_database(&mut session, &database, &target.username)
                    .await?;
                connect::close(session).await;
            }
            Err(failure) => {
                let problem = connection_problem(&database, &target.username, &failure);
                found.unfit(&database, problem);
            }
        }
    }
    Ok(found)
}

async fn latency(session: &mut PgConnection) -> Result<Duration, Failure> {
    let start = Instant::now();
    sqlx::raw_sql("SELECT 1")
        .execute(session)
        .await
        .map_err(failure::at("measuring the latency"))?;
    Ok(start.elapsed())
}

fn connection_problem(database: &str, user: &str, failure: &Failure) -> Failure {
    if failure.kind != FailureKind::DatabasePrivilege {
        return failure.clone();
    }
    let message = format!(
        "{user} may not connect to {database}: GRANT CONNECT ON DATABASE {} TO {}",
        quote::name(database),
        quote::name(user)
    );
    Failure::new(FailureKind::DatabasePrivilege, message)
}

impl Probe {
    async fn look_at_server(&mut self, session: &mut PgConnection) -> Result<(), Failure> {
        if !globals::may_read_passwords(session).await? {
            self.warn(
                None,
                "the roles' passwords will not be in the backup: only a superuser may read them".to_owned(),
            );
        }
        if self.in_recovery {
            const SQL: &str = "
                SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'max_standby_streaming_delay'";
            let delay: i64 = sqlx::query_scalar(SQL)
                .fetch_one(session)
                .await
                .map_err(failure::at("reading the standby's settings"))?;
            if delay >= 0 {
                self.warn(
                    None,
                    format!(
                        "the standby cancels queries that hold up replay for more than {delay} ms: for long dumps raise \
                         max_standby_streaming_delay, or set it to -1"
                    ),
                );
            }
        }
        Ok(())
    }

    async fn look_at_database(
        &mut self,
        session: &mut PgConnection,
        database: &str,
        user: &str,
    ) -> Result<(), Failure> {
        let at = failure::at("checking privileges");
        let role = quote::name(user);
        // What the user may not read, and the tables whose policies would filter its rows.
        const UNREADABLE: &str = "
            SELECT pg_catalog.count(*), pg_catalog.min(n.nspname || '.' || c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'S') AND c.relpersistence <> 't'
                AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind
                    WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                    ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END)
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";
        let (count, first): (i64, Option<String>) = sqlx::query_as(UNREADABLE)
            .fetch_one(&mut *session)
            .await
            .map_err(&at)?;
        if let Some(first) = first {
            let grant = match self.version_num {
                ..140_000 => format!(
                    "for each schema: GRANT USAGE ON SCHEMA … TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA … TO {role}; \
                     GRANT SELECT ON ALL SEQUENCES IN SCHEMA … TO {role}"
                ),
                _ => format!("GRANT pg_read_all_data TO {role}"),
            };
            self.lacks(
                database,
                format!(
                    "{user} may not read {count} tables or sequences of {database}, {first} for one: {grant}"
                ),
            );
        }
        const FILTERED: &str = "
            SELECT pg_catalog.min(n.nspname || '.' || c.relname)
            FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p') AND pg_catalog.row_security_active(c.oid)";
        let filtered: Option<String> = sqlx::query_scalar(FILTERED)
            .fetch_one(&mut *session)
            .await
            .map_err(&at)?;
        if let Some(table) = filtered {
            self.lacks(database, format!(
                "policies would hide rows of {database} from {user}, in {table} for one: ALTER ROLE {role} BYPASSRLS"
            ));
        }
        const LARGE_OBJECTS: &str = "
            SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata m
            WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE') AND NOT COALESCE((
                SELECT pg_catalog.bool_or(a.privilege_type = 'SELECT' AND (a.grantee = 0
                    OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
                FROM pg_catalog.aclexplode(m.lomacl) a), false)";
        let hidden: i64 = sqlx::query_scalar(LARGE_OBJECTS)
            .fetch_one(session)
            .await
            .map_err(&at)?;
        if hidden > 0 && !self.superuser {
            self.lacks(database, format!(
                "{user} may not read {hidden} large objects of {database}: GRANT SELECT ON LARGE OBJECT … TO {role} for each, \
                 or use a superuser"
            ));
        }
        Ok(())
    }
}
