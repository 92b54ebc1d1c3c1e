//! Sample databases: `tests/sql`.
