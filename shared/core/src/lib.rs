//! The vocabulary of DataGuardian: what both the control plane and the agents speak of.
//!
//! This crate does no IO, reads no clock but through [`clock::Clock`], and depends on no other crate of the workspace.
//! What a term means is decided here once; protos, tables, commands and screens use the same names.

pub mod backoff;
pub mod causes;
pub mod chunking;
pub mod clock;
pub mod database;
pub mod engine;
pub mod error_code;
pub mod execution;
pub mod failure;
pub mod ids;
pub mod name;
pub mod object_choice;
pub mod performance;
pub mod secret;
pub mod selection;
pub mod size;
pub mod storage;
pub mod stream;
pub mod target;
