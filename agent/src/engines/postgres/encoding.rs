//! The encoding of the SQL that we write ourselves.
//!
//! `pg_dump` writes a script in the database's own encoding, so that nothing is lost by converting; what stands between its
//! sections must be written likewise. Our sessions speak UTF-8, so the server converts what is not plain ASCII.

use bytes::Bytes;
use dataguardian_core::failure::Failure;
use sqlx::PgConnection;

use super::failure;

/// A database's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Encoding(String);

impl Encoding {
    /// By its name: `UTF8`, `LATIN1`, `SQL_ASCII`, …
    pub(super) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The encoding of the database that the session is connected to.
    pub(super) async fn of(session: &mut PgConnection) -> Result<Self, Failure> {
        sqlx::query_scalar("SELECT pg_catalog.getdatabaseencoding()::text")
            .fetch_one(session)
            .await
            .map(Self)
            .map_err(failure::at("asking for the database's encoding"))
    }

    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// The text in this encoding.
    pub(super) async fn encode(&self, session: &mut PgConnection, text: String) -> Result<Bytes, Failure> {
        if text.is_ascii() || self.is_as_it_comes() {
            return Ok(text.into());
        }
        let encoded: Vec<u8> = sqlx::query_scalar("SELECT pg_catalog.convert_to($1, $2)")
            .bind(text)
            .bind(&self.0)
            .fetch_one(session)
            .await
            .map_err(failure::at("encoding a name"))?;
        Ok(encoded.into())
    }

    /// The text that is written in this encoding; any session may be asked.
    pub(super) async fn decode(&self, session: &mut PgConnection, bytes: &[u8]) -> Result<String, Failure> {
        if bytes.is_ascii() || self.is_as_it_comes() {
            return Ok(String::from_utf8_lossy(bytes).into_owned());
        }
        sqlx::query_scalar("SELECT pg_catalog.convert_from($1, $2)")
            .bind(bytes)
            .bind(&self.0)
            .fetch_one(session)
            .await
            .map_err(failure::at("decoding a name"))
    }

    /// UTF-8 is what our sessions speak; a database without an encoding takes it as it is.
    pub(super) fn is_as_it_comes(&self) -> bool {
        matches!(self.0.as_str(), "UTF8" | "SQL_ASCII")
    }
}
