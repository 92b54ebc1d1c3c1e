//! What a server says of itself.

use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::PgConnection;

use super::failure;

/// The oldest version that we know how to read.
pub(super) const OLDEST: u32 = 130_000;

/// A server's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    /// `server_version`: `18.1 (Debian 18.1-1)`.
    pub(super) version: String,
    /// `server_version_num`: 180001.
    pub(super) version_num: u32,
    /// The cluster's identifier; none where the user may not ask.
    pub(super) system_identifier: Option<String>,
    /// Whether it is a standby.
    pub(super) in_recovery: bool,
    /// Whether the user is a superuser.
    pub(super) superuser: bool,
}

impl Server {
    /// Asks it. One that is too old is a failure.
    pub(super) async fn ask(session: &mut PgConnection) -> Result<Self, Failure> {
        const SQL: &str = "
            SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('server_version_num')::int4,
                pg_catalog.pg_is_in_recovery(), (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
                pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";
        let at = failure::at("asking the server for its version");
        let (version, number, in_recovery, superuser, may_ask): (String, i32, bool, bool, bool) =
            sqlx::query_as(SQL).fetch_one(&mut *session).await.map_err(&at)?;
        let version_num = u32::try_from(number).unwrap_or(0);
        if version_num < OLDEST {
            return Err(Failure::new(
                FailureKind::DatabaseError,
                format!("the server is PostgreSQL {version}; 13 and later can be backed up"),
            ));
        }
        let system_identifier = if may_ask {
            let sql = "SELECT system_identifier::text FROM pg_catalog.pg_control_system()";
            Some(sqlx::query_scalar(sql).fetch_one(session).await.map_err(&at)?)
        } else {
            None
        };
        Ok(Self {
            version,
            version_num,
            system_identifier,
            in_recovery,
            superuser,
        })
    }

    pub(super) const fn major(&self) -> u32 {
        self.version_num / 10_000
    }
}
