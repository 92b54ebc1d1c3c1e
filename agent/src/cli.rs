//! Commands of the program that are more than one call.

pub(crate) mod rescue;
