//! Bad fields of a request: collected, so that a caller hears of all of them at once.

/// One field of a request that can't be what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {description}")]
pub struct BadField {
    /// The field's path in the request, such as `options.compression_level`.
    pub field: String,
    /// What is wrong with it.
    pub description: String,
}

impl BadField {
    /// That field, and what is wrong with it.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            description: description.into(),
        }
    }
}

/// Collects bad fields while a request is checked.
#[derive(Debug, Default)]
pub struct Checks(Vec<BadField>);

impl Checks {
    /// Nothing bad so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a failed check and goes on with none.
    pub fn take<T>(&mut self, outcome: Result<T, BadField>) -> Option<T> {
        outcome.map_err(|bad| self.0.push(bad)).ok()
    }

    /// Notes that `field` is bad unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, description: &str) {
        if !holds {
            self.0.push(BadField::new(field, description));
        }
    }

    /// All that is bad, if anything is.
    pub fn finish(self) -> Result<(), Vec<BadField>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
