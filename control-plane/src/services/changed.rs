//! What a change has made of a thing.

/// A thing as it was and as it is, read in the transaction that changed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<T> {
    /// As it was.
    pub before: T,
    /// As it is.
    pub after: T,
}
