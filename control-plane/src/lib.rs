//! The control plane of DataGuardian (dataguardian) and its command line (dgctl).

pub mod ca;
pub mod config;
pub mod listen;
