//! The PostgreSQL engine against real servers.

mod round_trip;
mod script;
mod setup;
mod streams;
