//! The rules and records of the control plane: pure values and functions. Nothing here awaits, reads a clock or logs.
//!
//! One file per noun for the records, one per decision for the rules. Whatever a caller gives is checked here once and is
//! right from then on.

pub mod access;
pub mod addressee;
pub mod agent;
pub mod assignment;
pub mod audit;
pub mod authority;
pub mod backup;
pub mod certificate;
pub mod cleanup;
pub mod commit;
pub mod datasource;
pub mod deletion;
pub mod download;
pub mod eligibility;
pub mod execution;
pub mod field;
pub mod health;
pub mod import;
pub mod installation_key;
pub mod job;
pub mod leadership;
pub mod logs;
pub mod notification;
pub mod overview;
pub mod pack;
pub mod page;
pub mod patience;
pub mod placement;
pub mod priority;
pub mod protection;
pub mod reference;
pub mod request;
pub mod restore;
pub mod retention;
pub mod retry;
pub mod reuse;
pub mod schedule;
pub mod session;
pub mod storage;
pub mod text;
pub mod throttle;
pub mod user;
pub mod verdict;
pub mod verification;
pub mod worker;
