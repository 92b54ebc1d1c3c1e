//! The PostgreSQL engine against real servers.

mod concurrency;
mod encodings;
mod faults;
mod locks;
mod restores;
mod round_trip;
mod script;
mod secrets;
mod setup;
mod streams;
