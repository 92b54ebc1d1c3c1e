//! Schema migrations of the metadata database, for SQLite and PostgreSQL.
