//! MySQL 8.0 and later, MariaDB 10.6 and later.
//!
//! The client program of the server's own family writes one dump of all chosen databases, under one snapshot; its output is
//! cut into streams while it flows ([`lexer`], [`splitter`]). What must never happen: a dump that ended early looks whole; a
//! program or a server session outlives a run; a restore harms a database that it did not make; a password is where other
//! users see it.

mod clients;
mod connect;
mod describe;
mod discover;
mod dump;
mod engine;
mod exclusions;
mod failure;
mod flavour;
mod globals;
mod grants;
mod lexer;
mod option_file;
mod position;
mod probe;
mod quote;
mod restore;
mod run;
mod server;
mod sessions;
mod splitter;
mod statement;
mod tokens;
mod watch;

pub use engine::MySqlEngine;
pub use flavour::{Flavour, version_num};
