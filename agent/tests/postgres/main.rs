//! The PostgreSQL engine against real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a test, its helpers included, ends where it finds something unexpected"
)]

mod bent;
mod concurrency;
mod encodings;
mod exclusions;
mod faults;
mod locks;
mod parts;
mod restores;
mod round_trip;
mod script;
mod secrets;
mod setup;
mod standby;
mod streams;
mod stubborn;
mod targets;
