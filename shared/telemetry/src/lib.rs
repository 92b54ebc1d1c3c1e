//! What a program of ours says of itself: log lines, the system monitor; and the CPU pool with its figures.

pub mod cpu_pool;
pub mod logging;
pub mod system_monitor;
