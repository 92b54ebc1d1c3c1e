//! Which databases of a server a datasource covers.

use regex::Regex;
use serde::{Deserialize, Serialize};

/// The choice of databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseSelection {
    /// Exactly these; one that does not exist is an error.
    Named(Vec<String>),
    /// Every one that can be connected to and is not a template, but those that match one of these patterns.
    AllExcept(Vec<String>),
}

/// A selection that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelection {
    /// Neither names nor "all".
    #[error("name at least one database, or choose all of them")]
    Empty,
    /// The same name twice.
    #[error("database {0:?} is named twice")]
    Twice(String),
    /// A name that no engine accepts.
    #[error("database name {0:?} must be 1 to 255 bytes without zero bytes")]
    Name(String),
    /// A pattern that is not a regular expression.
    #[error("pattern {pattern:?} is not a regular expression: {reason}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What the parser says of it.
        reason: String,
    },
}

impl DatabaseSelection {
    /// Checks the selection once, at the edge.
    pub fn validate(&self) -> Result<(), InvalidSelection> {
        match self {
            Self::Named(names) if names.is_empty() => Err(InvalidSelection::Empty),
            Self::Named(names) => {
                for (index, name) in names.iter().enumerate() {
                    if name.is_empty() || name.len() > 255 || name.contains('\0') {
                        return Err(InvalidSelection::Name(name.chars().take(64).collect()));
                    }
                    if names[..index].contains(name) {
                        return Err(InvalidSelection::Twice(name.clone()));
                    }
                }
                Ok(())
            }
            Self::AllExcept(patterns) => compile(patterns).map(|_| ()),
        }
    }

    /// The chosen ones among `existing`, in the order of `existing`, and the named ones that do not exist.
    pub fn choose(&self, existing: &[String]) -> Result<(Vec<String>, Vec<String>), InvalidSelection> {
        match self {
            Self::Named(names) => {
                let chosen = existing
                    .iter()
                    .filter(|name| names.contains(name))
                    .cloned()
                    .collect();
                let missing = names
                    .iter()
                    .filter(|name| !existing.contains(name))
                    .cloned()
                    .collect();
                Ok((chosen, missing))
            }
            Self::AllExcept(patterns) => {
                let patterns = compile(patterns)?;
                let kept = |name: &&String| !patterns.iter().any(|pattern| pattern.is_match(name));
                Ok((existing.iter().filter(kept).cloned().collect(), Vec::new()))
            }
        }
    }
}

/// Patterns match the whole name, whatever characters it has: `.` is any of them, a line feed too.
fn compile(patterns: &[String]) -> Result<Vec<Regex>, InvalidSelection> {
    let compile_one = |pattern: &String| {
        Regex::new(&format!(r"(?s)\A(?:{pattern})\z")).map_err(|error| InvalidSelection::Pattern {
            pattern: pattern.chars().take(200).collect(),
            reason: error.to_string(),
        })
    };
    patterns.iter().map(compile_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn named_databases_that_are_missing_are_told() {
        let selection = DatabaseSelection::Named(names(&["shop", "gone"]));
        let (chosen, missing) = selection.choose(&names(&["postgres", "shop"])).unwrap();
        assert_eq!((chosen, missing), (names(&["shop"]), names(&["gone"])));
    }

    #[test]
    fn patterns_match_whole_names() {
        let selection = DatabaseSelection::AllExcept(names(&["test.*", "tmp"]));
        let (chosen, _) = selection
            .choose(&names(&[
                "shop", "test_1", "mytest", "tmp", "tmp2", "tmp\n", "test\nx",
            ]))
            .unwrap();
        assert_eq!(chosen, names(&["shop", "mytest", "tmp2", "tmp\n"]));
        let nothing = DatabaseSelection::AllExcept(names(&[".*"]));
        assert_eq!(
            nothing.choose(&names(&["a", "a\nb", "\n"])).unwrap().0,
            names(&[])
        );
    }

    #[test]
    fn bad_selections_are_refused() {
        assert_eq!(
            DatabaseSelection::Named(vec![]).validate(),
            Err(InvalidSelection::Empty)
        );
        assert!(matches!(
            DatabaseSelection::AllExcept(names(&["("])).validate(),
            Err(InvalidSelection::Pattern { .. })
        ));
        assert_eq!(
            DatabaseSelection::Named(names(&["a", "a"])).validate(),
            Err(InvalidSelection::Twice("a".into()))
        );
    }
}
