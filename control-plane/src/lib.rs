//! The control plane of DataGuardian (dataguardian) and its command line (dgctl).

pub mod app;
pub mod asking;
pub mod ca;
pub mod config;
pub mod dev;
pub mod domain;
pub mod grpc;
pub mod http;
pub mod listen;
pub mod nodes;
pub mod notify;
pub mod queue;
pub mod reconcilers;
pub mod secrets;
pub mod services;
pub mod sessions;
pub mod store;
pub mod trust;
