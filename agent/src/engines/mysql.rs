//! MySQL 8.0 and later, MariaDB 10.6 and later.

mod flavour;

pub use flavour::{Flavour, version_num};
