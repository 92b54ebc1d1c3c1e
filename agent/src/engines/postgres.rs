//! PostgreSQL 13 to 18.
//!
//! The schema comes from `pg_dump`, the rows over our own connections by COPY, all under one exported snapshot whose locks
//! are held to the end. What must never happen: a table that was truncated or rebuilt in mid-dump comes out empty in
//! silence; a dump that ended early looks whole; a cancelled run leaves a process or a server session behind; a restore
//! harms a database that it did not make.
//!
//! Nothing here retries a whole run: a [`Failure`](dataguardian_core::failure::Failure) says by its kind whether another
//! attempt may help, and the control plane decides.

mod acl;
mod catalogue;
pub mod clients;
mod connect;
mod copying;
mod describe;
pub mod discover;
pub mod dump;
mod encoding;
mod engine;
mod exclusions;
mod failure;
mod globals;
mod large_objects;
mod nagle;
mod passfile;
pub mod probe;
mod quote;
pub mod restore;
mod rows;
mod run;
mod schema;
mod sequences;
mod server;
mod sessions;
mod settings;
mod snapshot;

pub use discover::discover;
pub use dump::dump;
pub use engine::PostgresEngine;
pub use probe::probe;
pub use restore::restore;
pub use sessions::waits;

pub use super::clients::ClientSearch;
pub use super::discover::DiscoveredDatabase;
pub use super::dump::{DatabaseFailure, DumpOptions, DumpReport, DumpRequest, SnapshotPosition};
pub use super::marker::SessionMarker;
pub use super::probe::{Probe, ProbeRequest};
pub use super::restore::{
    MissingRoles, RestoreMode, RestoreReport, RestoreRequest, RestoredDatabase, RestoredTable,
};
