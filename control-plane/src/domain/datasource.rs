//! Datasources: the database servers that agents reach.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::engine::Engine;
use dataguardian_core::ids::{AgentId, DatasourceId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::TlsMode;
use uuid::Uuid;

use super::field::{BadField, Checks};
use super::reference::Reference;
use super::text;

/// How a server is reached, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionSettings {
    /// A host name, an address, or the directory of a Unix socket, as seen from the agent. Empty if `service` says it.
    pub host: String,
    /// TCP port, or the number in the socket's name.
    pub port: u16,
    /// Who connects.
    pub username: String,
    /// Encryption of the connection.
    pub tls: TlsMode,
    /// A file on the agent's host with the authorities to trust.
    pub tls_ca: Option<PathBuf>,
    /// The database to connect to first; none for the engine's usual one.
    pub maintenance_database: Option<String>,
    /// The name by which the agent's host knows the password; none if the password is kept here, or none is needed.
    pub credential_ref: Option<String>,
    /// The connection service on the agent's host; none if nothing but these settings says where to connect.
    pub service: Option<String>,
}

/// A database server that an agent reaches. Its password is not part of what is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datasource {
    /// Its id.
    pub id: DatasourceId,
    /// Its name.
    pub name: ResourceName,
    /// The kind of server.
    pub engine: Engine,
    /// The agent that reaches it.
    pub agent: AgentId,
    /// That agent's name.
    pub agent_name: ResourceName,
    /// How it is reached.
    pub connection: ConnectionSettings,
    /// Which of its databases are meant.
    pub databases: DatabaseSelection,
    /// How old its newest verified backup may be before that is told; as the settings say if none.
    pub verified_within: Option<Duration>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Rises with every change: the etag.
    pub revision: i64,
}

/// A datasource to be made.
#[derive(Debug, Clone)]
pub struct NewDatasource {
    /// Its name.
    pub name: ResourceName,
    /// The kind of server.
    pub engine: Engine,
    /// The agent that reaches it.
    pub agent: Reference<AgentId>,
    /// How it is reached.
    pub connection: ConnectionSettings,
    /// The password; none where the server asks for none.
    pub password: Option<Secret>,
    /// Which of its databases are meant.
    pub databases: DatabaseSelection,
    /// How old its newest verified backup may be before that is told; as the settings say if none.
    pub verified_within: Option<Duration>,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

/// A change of a datasource; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct DatasourceChange {
    /// Field `agent`.
    pub agent: Option<Reference<AgentId>>,
    /// Field `host`.
    pub host: Option<String>,
    /// Field `port`.
    pub port: Option<u16>,
    /// Field `username`.
    pub username: Option<String>,
    /// Field `password`; an inner none takes it away.
    pub password: Option<Option<Secret>>,
    /// Field `tls_mode`.
    pub tls: Option<TlsMode>,
    /// Field `tls_ca_file`; an inner none takes it away.
    pub tls_ca: Option<Option<PathBuf>>,
    /// Field `databases`.
    pub databases: Option<DatabaseSelection>,
    /// Field `max_verified_age`; an inner none takes it away.
    pub verified_within: Option<Option<Duration>>,
    /// Field `maintenance_database`; an inner none takes it away.
    pub maintenance_database: Option<Option<String>>,
    /// Field `credential_ref`; an inner none takes it away.
    pub credential_ref: Option<Option<String>>,
    /// Field `service`; an inner none takes it away.
    pub service: Option<Option<String>>,
    /// Refuse the change unless this is the present revision.
    pub expected_revision: Option<i64>,
}

impl NewDatasource {
    /// Checks everything that can be checked without looking anything up.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        check_objective(self.verified_within)?;
        check(
            self.engine,
            &self.connection,
            &self.databases,
            self.password.as_ref(),
        )
    }
}

impl DatasourceChange {
    /// What connection and selection are after the change.
    pub fn apply(
        &self,
        datasource: &Datasource,
    ) -> Result<(ConnectionSettings, DatabaseSelection), Vec<BadField>> {
        check_objective(self.verified_within.flatten())?;
        let now = &datasource.connection;
        let connection = ConnectionSettings {
            host: self.host.clone().unwrap_or_else(|| now.host.clone()),
            port: self.port.unwrap_or(now.port),
            username: self.username.clone().unwrap_or_else(|| now.username.clone()),
            tls: self.tls.unwrap_or(now.tls),
            tls_ca: self.tls_ca.clone().unwrap_or_else(|| now.tls_ca.clone()),
            maintenance_database: self
                .maintenance_database
                .clone()
                .unwrap_or_else(|| now.maintenance_database.clone()),
            credential_ref: match (&self.credential_ref, &self.password) {
                (Some(reference), _) => reference.clone(),
                // A password takes its place.
                (None, Some(Some(_))) => None,
                (None, _) => now.credential_ref.clone(),
            },
            service: self.service.clone().unwrap_or_else(|| now.service.clone()),
        };
        let databases = self
            .databases
            .clone()
            .unwrap_or_else(|| datasource.databases.clone());
        check(
            datasource.engine,
            &connection,
            &databases,
            self.password.as_ref().and_then(Option::as_ref),
        )?;
        Ok((connection, databases))
    }
}

/// Checks how old the newest verified backup may be.
fn check_objective(within: Option<Duration>) -> Result<(), Vec<BadField>> {
    const HOUR: u64 = 3600;
    let fits = within.is_none_or(|within| (HOUR..=10 * 366 * 24 * HOUR).contains(&within.as_secs()));
    match fits {
        true => Ok(()),
        false => Err(vec![BadField::new("max_verified_age", "must be 1 h to 10 years")]),
    }
}

/// The longest name of a database in MySQL and MariaDB, in characters.
const LONGEST_NAME: usize = 64;

fn check(
    engine: Engine,
    connection: &ConnectionSettings,
    databases: &DatabaseSelection,
    password: Option<&Secret>,
) -> Result<(), Vec<BadField>> {
    let mut checks = Checks::new();
    // A service may say both.
    let where_and_who = match connection.service {
        Some(_) => text::bounded,
        None => text::required,
    };
    checks.take(where_and_who("host", &connection.host, text::MAX_TEXT));
    checks.take(where_and_who("username", &connection.username, text::MAX_TEXT));
    checks.require(connection.port != 0, "port", "must be 1 to 65535");
    if let Some(path) = &connection.tls_ca {
        checks.take(absolute_path("tls_ca_file", path));
    }
    if let Some(database) = &connection.maintenance_database {
        checks.take(text::required("maintenance_database", database, text::MAX_TEXT));
    }
    if let Some(password) = password {
        checks.take(text::bounded("password", password.expose(), text::MAX_LONG_TEXT));
    }
    if let Some(name) = &connection.credential_ref {
        checks.take(host_name("credential_ref", name));
        checks.require(
            password.is_none(),
            "credential_ref",
            "must not be given together with a password",
        );
    }
    if let Some(name) = &connection.service {
        checks.take(host_name("service", name));
    }
    checks.take(check_selection(databases));
    checks.take(check_for(engine, connection, databases));
    checks.finish()
}

/// A name that the agent's host gives to something: no more than letters, digits and `-`, `_`, `.`.
fn host_name(field: &str, name: &str) -> Result<(), BadField> {
    text::required(field, name, text::MAX_TEXT)?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.chars().all(plain) {
        return Ok(());
    }
    Err(BadField::new(field, "must be letters, digits, '-', '_' and '.'"))
}

/// What one kind of server does not have.
fn check_for(
    engine: Engine,
    connection: &ConnectionSettings,
    databases: &DatabaseSelection,
) -> Result<(), BadField> {
    if engine == Engine::Postgres {
        return Ok(());
    }
    let product = engine.product();
    if connection.maintenance_database.is_some() {
        let message = format!("is for PostgreSQL: a connection to {product} needs no database");
        return Err(BadField::new("maintenance_database", message));
    }
    if connection.service.is_some() {
        let message = format!("is for PostgreSQL: {product} knows no connection services");
        return Err(BadField::new("service", message));
    }
    let DatabaseSelection::Named(names) = databases else {
        return Ok(());
    };
    match names.iter().find(|name| name.chars().count() > LONGEST_NAME) {
        Some(name) => {
            let shown: String = name.chars().take(LONGEST_NAME).collect();
            let message = format!("has a name that is too long for {product}: {shown}…");
            Err(BadField::new("databases", message))
        }
        None => Ok(()),
    }
}

fn check_selection(databases: &DatabaseSelection) -> Result<(), BadField> {
    let items = match databases {
        DatabaseSelection::Named(items) | DatabaseSelection::AllExcept(items) => items,
    };
    if items.len() > 1000 {
        return Err(BadField::new("databases", "has more than 1000 names or patterns"));
    }
    for item in items {
        text::bounded("databases", item, text::MAX_TEXT)?;
    }
    databases
        .validate()
        .map_err(|error| BadField::new("databases", error.to_string()))
}

/// An absolute path in UTF-8 of at most 4096 bytes, without `.` or `..` in it.
pub fn absolute_path(field: &str, path: &std::path::Path) -> Result<(), BadField> {
    use std::path::Component;
    let Some(shown) = path.to_str() else {
        return Err(BadField::new(field, "must be valid UTF-8"));
    };
    text::required(field, shown, text::MAX_LONG_TEXT)?;
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(plain) || shown.split('/').any(|part| part == ".") {
        return Err(BadField::new(
            field,
            "must be an absolute path without '.' and '..'",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings() -> ConnectionSettings {
        ConnectionSettings {
            host: "localhost".into(),
            port: 5432,
            username: "backup".into(),
            tls: TlsMode::Prefer,
            tls_ca: None,
            maintenance_database: None,
            credential_ref: None,
            service: None,
        }
    }

    #[test]
    fn all_bad_fields_are_told_at_once() {
        let connection = ConnectionSettings {
            host: String::new(),
            port: 0,
            tls_ca: Some("relative".into()),
            ..settings()
        };
        let password = Secret::new("x".repeat(5000));
        let bad = check(
            Engine::Postgres,
            &connection,
            &DatabaseSelection::Named(vec![]),
            Some(&password),
        )
        .unwrap_err();
        let fields: Vec<_> = bad.iter().map(|bad| bad.field.as_str()).collect();
        assert_eq!(fields, ["host", "port", "tls_ca_file", "password", "databases"]);
        assert!(bad.iter().all(|bad| !bad.description.contains("xxx")));
    }

    #[test]
    fn what_an_engine_does_not_have_is_refused() {
        let connection = ConnectionSettings {
            maintenance_database: Some("mysql".into()),
            ..settings()
        };
        let named = |name: String| DatabaseSelection::Named(vec![name]);
        let bad = check(Engine::MariaDb, &connection, &named("shop".into()), None).unwrap_err();
        assert_eq!(bad[0].field, "maintenance_database");
        let bad = check(Engine::MySql, &settings(), &named("ä".repeat(65)), None).unwrap_err();
        assert_eq!(bad[0].field, "databases");
        assert!(check(Engine::MySql, &settings(), &named("ä".repeat(64)), None).is_ok());
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        assert!(absolute_path("path", Path::new("/var/backups")).is_ok());
        for bad in ["", "var", "/var/../etc", "/var/./x", "/a\0b"] {
            assert!(absolute_path("path", Path::new(bad)).is_err(), "{bad:?}");
        }
    }
}
