//! The transport, over real TLS on loopback: who may call what, what a bad request is told, what a slow or greedy caller
//! can't do, and how agents come and go.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::let_underscore_must_use,
    reason = "a test that can't go on panics where it stands"
)]

mod access;
mod agent;
mod agents;
mod audit;
mod bad_input;
mod browsers;
mod callers;
mod dashboard;
mod downloads;
mod faults;
mod identity;
mod limits;
mod matrix;
mod monitoring;
mod notifications;
mod pages;
mod program;
mod queue;
mod raw;
mod reasons;
mod reflection;
mod replicas;
mod retention;
mod rotation;
mod scene;
mod schedules;
mod scopes;
mod security;
mod server;
mod told;
mod work;
