use crate::domain::field::BadField;

/// Which fields an update changes.
pub(super) struct Mask<'a>(&'a [String]);

impl<'a> Mask<'a> {
    /// Reads `update_mask`; it must name at least one of `fields` and nothing else.
    pub(super) fn parse(mask: Option<&'a prost_types::FieldMask>, fields: &[&str]) -> Result<Self, BadField> {
        let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        if paths.is_empty() {
            let problem = format!("must name the fields to change, out of: {}", fields.join(", "));
            return Err(BadField::new("update_mask", problem));
        }
        match paths.iter().find(|path| !fields.contains(&path.as_str())) {
            Some(unknown) => {
                let unknown: String = unknown.chars().take(64).collect();
                let problem = format!("names {unknown:?}; what can be changed is: {}", fields.join(", "));
                Err(BadField::new("update_mask", problem))
            }
            None => Ok(Self(paths)),
        }
    }

    /// The value, if the mask names the field.
    pub(super) fn take<T>(&self, field: &str, value: T) -> Option<T> {
        self.0.iter().any(|path| path == field).then_some(value)
    }

    /// What `read` makes of the field, if the mask names it.
    pub(super) fn read<T>(
        &self,
        field: &str,
        read: impl FnOnce() -> Result<T, BadField>,
    ) -> Result<Option<T>, BadField> {
        self.take(field, ()).map(|()| read()).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::Mask;

    fn mask(paths: &[&str]) -> prost_types::FieldMask {
        prost_types::FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn only_named_fields_change() {
        let given = mask(&["host"]);
        let mask = Mask::parse(Some(&given), &["host", "port"]).ok().unwrap();
        assert_eq!((mask.take("host", 1), mask.take("port", 2)), (Some(1), None));
    }

    #[test]
    fn a_mask_that_names_nothing_or_something_else_is_refused() {
        let unknown = mask(&["agent"]);
        for given in [None, Some(&mask(&[])), Some(&unknown)] {
            let error = Mask::parse(given, &["host"]).err().unwrap();
            assert_eq!(error.field, "update_mask");
        }
    }
}
