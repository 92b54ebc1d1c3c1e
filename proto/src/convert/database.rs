//! Engines, connections, selections.

use std::path::PathBuf;

use dataguardian_core::engine::Engine;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_core::target::{ConnectionTarget, TlsMode};

use super::InvalidField;
use crate::agent::v1 as agent;
use crate::v1;

impl From<Engine> for v1::Engine {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Postgres => Self::Postgres,
            Engine::MySql => Self::Mysql,
            Engine::MariaDb => Self::Mariadb,
        }
    }
}

impl TryFrom<v1::Engine> for Engine {
    type Error = InvalidField;
    fn try_from(engine: v1::Engine) -> Result<Self, InvalidField> {
        match engine {
            v1::Engine::Postgres => Ok(Self::Postgres),
            v1::Engine::Mysql => Ok(Self::MySql),
            v1::Engine::Mariadb => Ok(Self::MariaDb),
            v1::Engine::Unspecified => Err(InvalidField::new(
                "engine",
                "must be given: postgres, mysql or mariadb",
            )),
        }
    }
}

impl From<Strategy> for v1::Strategy {
    fn from(strategy: Strategy) -> Self {
        match strategy {
            Strategy::Fallback => Self::Fallback,
            Strategy::Replicate => Self::Replicate,
        }
    }
}

/// Unspecified is the default, `fallback`.
impl From<v1::Strategy> for Strategy {
    fn from(strategy: v1::Strategy) -> Self {
        match strategy {
            v1::Strategy::Unspecified | v1::Strategy::Fallback => Self::Fallback,
            v1::Strategy::Replicate => Self::Replicate,
        }
    }
}

impl From<TlsMode> for v1::TlsMode {
    fn from(mode: TlsMode) -> Self {
        match mode {
            TlsMode::Disable => Self::Disable,
            TlsMode::Prefer => Self::Prefer,
            TlsMode::Require => Self::Require,
            TlsMode::VerifyCa => Self::VerifyCa,
            TlsMode::VerifyFull => Self::VerifyFull,
        }
    }
}

/// Unspecified is the default, `prefer`.
impl From<v1::TlsMode> for TlsMode {
    fn from(mode: v1::TlsMode) -> Self {
        match mode {
            v1::TlsMode::Disable => Self::Disable,
            v1::TlsMode::Unspecified | v1::TlsMode::Prefer => Self::Prefer,
            v1::TlsMode::Require => Self::Require,
            v1::TlsMode::VerifyCa => Self::VerifyCa,
            v1::TlsMode::VerifyFull => Self::VerifyFull,
        }
    }
}

impl From<&DatabaseSelection> for v1::DatabaseSelection {
    fn from(selection: &DatabaseSelection) -> Self {
        use v1::database_selection::Selection;
        let selection = match selection {
            DatabaseSelection::Named(names) => Selection::Named(v1::NamedDatabases { names: names.clone() }),
            DatabaseSelection::AllExcept(exclude) => Selection::All(v1::AllDatabases {
                exclude: exclude.clone(),
            }),
        };
        Self {
            selection: Some(selection),
        }
    }
}

impl TryFrom<v1::DatabaseSelection> for DatabaseSelection {
    type Error = InvalidField;
    fn try_from(selection: v1::DatabaseSelection) -> Result<Self, InvalidField> {
        use v1::database_selection::Selection;
        let selection = match selection.selection {
            Some(Selection::Named(named)) => Self::Named(named.names),
            Some(Selection::All(all)) => Self::AllExcept(all.exclude),
            None => Self::Named(Vec::new()),
        };
        selection
            .validate()
            .map_err(|error| InvalidField::new("databases", error.to_string()))?;
        Ok(selection)
    }
}

/// Lays the secret open: only for an assignment or a question on its way to the agent that needs it.
impl From<&ConnectionTarget> for agent::Connection {
    fn from(target: &ConnectionTarget) -> Self {
        Self {
            engine: v1::Engine::from(target.engine).into(),
            host: target.host.clone(),
            port: target.port.into(),
            username: target.username.clone(),
            password: target
                .password
                .as_ref()
                .map(|secret| secret.expose().to_owned())
                .unwrap_or_default(),
            tls_mode: v1::TlsMode::from(target.tls).into(),
            tls_ca_file: target
                .tls_ca
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            maintenance_database: target.maintenance_database.clone().unwrap_or_default(),
            credential_ref: target.credential_ref.clone().unwrap_or_default(),
            service: target.service.clone().unwrap_or_default(),
        }
    }
}

impl TryFrom<agent::Connection> for ConnectionTarget {
    type Error = InvalidField;
    fn try_from(wire: agent::Connection) -> Result<Self, InvalidField> {
        let engine = Engine::try_from(wire.engine())?;
        let tls = TlsMode::from(wire.tls_mode());
        if wire.host.is_empty() && wire.service.is_empty() {
            return Err(InvalidField::new("host", "must not be empty"));
        }
        Ok(Self {
            engine,
            host: wire.host,
            port: port(wire.port, engine)?,
            username: wire.username,
            password: Some(wire.password)
                .filter(|text| !text.is_empty())
                .map(Secret::new),
            tls,
            tls_ca: Some(wire.tls_ca_file)
                .filter(|text| !text.is_empty())
                .map(PathBuf::from),
            maintenance_database: Some(wire.maintenance_database).filter(|text| !text.is_empty()),
            credential_ref: Some(wire.credential_ref).filter(|text| !text.is_empty()),
            service: Some(wire.service).filter(|text| !text.is_empty()),
        })
    }
}

/// A TCP port; 0 stands for the engine's usual one.
pub fn port(port: u32, engine: Engine) -> Result<u16, InvalidField> {
    match u16::try_from(port) {
        Ok(0) => Ok(engine.default_port()),
        Ok(port) => Ok(port),
        Err(_) => Err(InvalidField::new("port", "must be 1 to 65535")),
    }
}
