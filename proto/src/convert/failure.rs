//! Failures and warnings.

use dataguardian_core::database::{MissingDatabase, Warning};
use dataguardian_core::failure::{Failure, FailureKind};

use crate::v1;

impl From<&Failure> for v1::Failure {
    fn from(failure: &Failure) -> Self {
        Self {
            reason: failure.kind.as_str().to_owned(),
            message: failure.message.clone(),
            advice: failure.kind.advice().to_owned(),
        }
    }
}

/// A kind that this version does not know (a newer agent's) counts as internal; its name is kept in the message.
impl From<v1::Failure> for Failure {
    fn from(failure: v1::Failure) -> Self {
        match failure.reason.parse() {
            Ok(kind) => Self::new(kind, failure.message),
            Err(_) => Self::new(
                FailureKind::Internal,
                format!("{}: {}", failure.reason, failure.message),
            ),
        }
    }
}

impl From<&Warning> for v1::Warning {
    fn from(warning: &Warning) -> Self {
        Self {
            database: warning.database.clone().unwrap_or_default(),
            message: warning.message.clone(),
        }
    }
}

impl From<v1::Warning> for Warning {
    fn from(warning: v1::Warning) -> Self {
        Self {
            database: Some(warning.database).filter(|name| !name.is_empty()),
            message: warning.message,
        }
    }
}

impl From<&MissingDatabase> for v1::MissingDatabase {
    fn from(missing: &MissingDatabase) -> Self {
        Self {
            name: missing.name.clone(),
            failure: Some((&missing.failure).into()),
        }
    }
}

/// One without its reason counts as missing for an internal one.
impl From<v1::MissingDatabase> for MissingDatabase {
    fn from(missing: v1::MissingDatabase) -> Self {
        let untold = || Failure::new(FailureKind::Internal, "the agent did not say why");
        Self {
            name: missing.name,
            failure: missing.failure.map_or_else(untold, Failure::from),
        }
    }
}
