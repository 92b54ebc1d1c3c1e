//! Tracing, metrics, the system monitor and the CPU pool.
