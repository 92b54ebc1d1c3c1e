//! The DataGuardian agent: runs beside a database, dumps, compresses, seals and uploads.

pub mod engines;
