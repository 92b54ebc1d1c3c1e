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
mod failure;
mod globals;
mod large_objects;
pub mod marker;
mod passfile;
mod patterns;
pub mod probe;
mod process;
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
mod spool;

pub use clients::ClientSearch;
pub use discover::{DiscoveredDatabase, discover};
pub use dump::{DatabaseFailure, DumpOptions, DumpReport, DumpRequest, SnapshotPosition, dump};
pub use engine::{DatabaseEngine, PostgresEngine};
pub use marker::SessionMarker;
pub use probe::{Probe, ProbeRequest, probe};
pub use restore::{
    MissingRoles, RestoreMode, RestoreReport, RestoreRequest, RestoredDatabase, RestoredTable, restore,
};
pub use sessions::waits;
