//! The engine of MySQL and MariaDB against real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test, its helpers included, ends where it finds something unexpected"
)]

mod connections;
mod exclusions;
mod faults;
mod parts;
mod replace;
mod restores;
mod round_trip;
mod setup;
#[path = "../postgres/streams.rs"]
mod streams;
