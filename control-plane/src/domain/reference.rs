//! How callers name a resource: by its name or by its id.

use std::fmt;
use std::str::FromStr;

use dataguardian_core::name::ResourceName;
use uuid::Uuid;

use super::field::BadField;

/// A resource, named one way or the other. A name never looks like an id: see [`new_name`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<Id> {
    /// By id.
    Id(Id),
    /// By name.
    Name(ResourceName),
}

impl<Id: FromStr> Reference<Id> {
    /// Reads what the caller wrote into `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, BadField> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        text.parse()
            .map(Self::Name)
            .map_err(|error| BadField::new(field, format!("{error}; give a name or an id")))
    }
}

impl<Id> From<ResourceName> for Reference<Id> {
    fn from(name: ResourceName) -> Self {
        Self::Name(name)
    }
}

impl<Id: fmt::Display> fmt::Display for Reference<Id> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// The name of something new: any [`ResourceName`] that could not be taken for an id.
pub fn new_name(field: &str, text: &str) -> Result<ResourceName, BadField> {
    let name: ResourceName = text
        .parse()
        .map_err(|error: dataguardian_core::name::InvalidName| BadField::new(field, error.to_string()))?;
    if Uuid::try_parse(text).is_ok() {
        return Err(BadField::new(field, "must not look like an id"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::ids::AgentId;

    #[test]
    fn a_reference_is_an_id_or_a_name() {
        let id = AgentId::new();
        assert_eq!(Reference::parse("agent", &id.to_string()), Ok(Reference::Id(id)));
        let name = Reference::<AgentId>::parse("agent", "db1").unwrap();
        assert_eq!(name.to_string(), "db1");
        assert!(Reference::<AgentId>::parse("agent", "no such/thing").is_err());
    }

    #[test]
    fn a_new_name_never_looks_like_an_id() {
        assert!(new_name("name", &AgentId::new().to_string()).is_err());
        assert!(new_name("name", &"0".repeat(32)).is_err());
        assert!(new_name("name", "orders").is_ok());
    }
}
