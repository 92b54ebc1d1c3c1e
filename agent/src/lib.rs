//! The DataGuardian agent: runs beside a database, dumps, compresses, seals and uploads.
//!
//! It asks and is asked over one session with the control plane ([`session`]); what it is assigned it runs by itself
//! ([`runner`]), through its engines ([`engines`]) and its pipeline ([`pipeline`]). What it must remember is in its state
//! directory ([`state`], [`identity`], [`journal`]); what it may do at all, the host's owner says ([`config`]). How it becomes a service
//! of its host is in [`install`], and what it offers to back up there in [`propose`].

pub mod config;
pub mod connections;
pub mod control_plane;
pub mod engines;
pub mod enroll;
pub mod host_info;
pub mod identity;
pub mod install;
pub mod journal;
mod local_place;
mod patience;
pub mod pipeline;
pub mod propose;
mod questions;
pub mod renewal;
mod repositories;
pub mod rescue;
pub mod reuse;
pub mod runner;
pub mod sending;
pub mod session;
pub mod state;
