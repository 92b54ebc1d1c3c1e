//! The two families, and what a version is in each.

use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};

/// One of the two families. They share a protocol and a past, and their tools are not to be crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Oracle's MySQL and what is built of it.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl Flavour {
    /// The family that the datasource says.
    pub const fn of(engine: Engine) -> Self {
        match engine {
            Engine::MariaDb => Self::MariaDb,
            Engine::MySql | Engine::Postgres => Self::MySql,
        }
    }

    /// The family that a server's own `version()` says: MariaDB always names itself there.
    pub fn of_version(version: &str) -> Self {
        if version.to_ascii_lowercase().contains("mariadb") {
            Self::MariaDb
        } else {
            Self::MySql
        }
    }

    /// The datasource's engine for it.
    pub const fn engine(self) -> Engine {
        match self {
            Self::MySql => Engine::MySql,
            Self::MariaDb => Engine::MariaDb,
        }
    }

    /// The oldest version that we know how to read.
    pub const fn oldest(self) -> u32 {
        match self {
            Self::MySql => 80_000,
            Self::MariaDb => 100_600,
        }
    }

    /// Refuses a server that is of the other family than the datasource says, or too old.
    ///
    /// # Errors
    /// [`FailureKind::DatabaseError`] with what to do.
    pub fn confirm(self, version: &str) -> Result<(), Failure> {
        let found = Self::of_version(version);
        let refused = |message: String| Err(Failure::new(FailureKind::DatabaseError, message));
        if found != self {
            return refused(format!(
                "the datasource says {}, and the server is {} {version}: make a datasource with `dgctl datasource create {}`",
                self.engine().product(),
                found.engine().product(),
                found.engine()
            ));
        }
        if version_num(version) < self.oldest() {
            let oldest = self.oldest();
            return refused(format!(
                "the server is {} {version}; {}.{} and later can be backed up",
                self.engine().product(),
                oldest / 10_000,
                oldest / 100 % 100
            ));
        }
        Ok(())
    }
}

/// A version as a number that can be compared: `10.11.18-MariaDB-0+deb12u1` is 101118, `9.7.4-2` is 90704. 0 if it can't be
/// told.
pub fn version_num(version: &str) -> u32 {
    // MariaDB 10 used to put a version of MySQL before its own, for replicas that knew no other.
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let digits = |part: &str| -> u32 {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or(0)
    };
    let mut parts = version.splitn(3, '.').map(digits);
    let mut next = || parts.next().unwrap_or(0).min(99);
    next() * 10_000 + next() * 100 + next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version_num("10.11.18-MariaDB-0+deb12u1-log"), 101_118);
        assert_eq!(version_num("5.5.5-10.6.4-MariaDB"), 100_604);
        assert_eq!(version_num("9.7.4-2"), 90_704);
        assert_eq!(version_num("8.4"), 80_400);
        assert_eq!(version_num("x"), 0);
    }

    #[test]
    fn the_other_family_is_refused_with_what_to_do() {
        let refused = Flavour::MySql.confirm("10.11.18-MariaDB").unwrap_err();
        assert!(
            refused.message.contains("dgctl datasource create mariadb"),
            "{refused}"
        );
        let refused = Flavour::MariaDb.confirm("9.7.4").unwrap_err();
        assert!(
            refused.message.contains("dgctl datasource create mysql"),
            "{refused}"
        );
        assert!(
            Flavour::MySql.confirm("8.0.36").is_ok() && Flavour::MariaDb.confirm("11.8.2-MariaDB").is_ok()
        );
        let refused = Flavour::MySql.confirm("5.7.44").unwrap_err();
        assert!(refused.message.contains("8.0 and later"), "{refused}");
    }
}
