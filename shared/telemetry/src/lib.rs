//! What a program of ours says of itself: log lines, traces, the system monitor; and the CPU pool with its figures.

pub mod cpu_pool;
pub mod logging;
pub mod otlp;
pub mod system_monitor;
pub mod trace_context;
