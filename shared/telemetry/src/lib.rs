//! Tracing, metrics, the system monitor and the CPU pool.

pub mod cpu_pool;
