//! The control plane of DataGuardian (dataguardian) and its command line (dgctl).

pub mod ca;
pub mod config;
pub mod domain;
pub mod listen;
pub mod queue;
pub mod secrets;
pub mod services;
pub mod sessions;
pub mod store;
