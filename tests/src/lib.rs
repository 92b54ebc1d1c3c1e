//! The test harness: private throw-away servers, sample data, comparison of databases, whole-system scenarios.
//!
//! Every server that a test uses is started by the test, in a temporary directory on a free port of 127.0.0.1, and is gone
//! afterwards, even if the test was killed. The programs come from `bash tests/parts/install.sh`; a part that is missing
//! makes the test fail with what to install, never skip.

pub mod cache;
pub mod compare;
pub mod fault_report;
pub mod haproxy;
pub mod invariants;
pub mod mail;
pub mod memory;
pub mod mysql;
pub mod next_day;
pub mod ports;
pub mod postgres;
pub mod receiver;
pub mod redis;
pub mod s3;
pub mod sample;
pub mod setting;
pub mod small_disk;
pub mod system;
pub mod tcp_proxy;
pub mod wait;
