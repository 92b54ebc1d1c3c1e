//! The vocabulary of DataGuardian: ids, states, error codes, sizes, secrets. No IO.
