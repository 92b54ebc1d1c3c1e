//! Which tables a dump leaves out.

use dataguardian_core::failure::{Failure, FailureKind};
use regex::Regex;

/// Patterns for tables: `schema.table`, or `table` in any schema, with `*` and `?` as in file names. They match whole names,
/// as the catalogue has them: unquoted, upper and lower case told apart.
#[derive(Debug, Clone)]
pub(super) struct Patterns(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    /// As it was given.
    text: String,
    /// None for any.
    schema: Option<Regex>,
    table: Regex,
}

impl Pattern {
    fn matches(&self, schema: &str, table: &str) -> bool {
        self.schema
            .as_ref()
            .is_none_or(|schemas| schemas.is_match(schema))
            && self.table.is_match(table)
    }
}

impl Patterns {
    pub(super) fn new(patterns: &[String]) -> Result<Self, Failure> {
        patterns
            .iter()
            .map(|pattern| compile(pattern))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether one of them matches.
    pub(super) fn matches(&self, schema: &str, table: &str) -> bool {
        self.0.iter().any(|pattern| pattern.matches(schema, table))
    }

    /// Those of them that match none of these schemas and tables, as they were given.
    pub(super) fn unmatched<'a>(
        &self,
        names: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Vec<String> {
        let unmatched = self.0.iter().filter(|pattern| {
            let mut names = names.clone();
            !names.any(|(schema, table)| pattern.matches(schema, table))
        });
        unmatched.map(|pattern| pattern.text.clone()).collect()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn compile(text: &str) -> Result<Pattern, Failure> {
    // The first dot parts schema and table.
    let (schema, table) = match text.split_once('.') {
        Some((schema, table)) => (Some(whole(schema)?), whole(table)?),
        None => (None, whole(text)?),
    };
    let text = text.to_owned();
    Ok(Pattern { text, schema, table })
}

fn whole(glob: &str) -> Result<Regex, Failure> {
    let mut expression = String::from("(?s)^");
    for character in glob.chars() {
        match character {
            '*' => expression.push_str(".*"),
            '?' => expression.push('.'),
            other => expression.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    expression.push('$');
    Regex::new(&expression).map_err(|error| {
        Failure::new(
            FailureKind::DatabaseError,
            format!("the pattern for tables {glob:?} can't be used: {error}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let patterns = Patterns::new(&["audit.*".into(), "tmp_?".into(), "a+b".into()]).unwrap();
        for (schema, table, expected) in [
            ("audit", "anything.at all", true),
            ("Audit", "x", false),
            ("public", "tmp_1", true),
            ("public", "tmp_12", false),
            ("x", "a+b", true),
            ("x", "aab", false),
            ("audit", "two\nlines", true),
            ("public", "tmp_\n", true),
            ("public", "tmp_1\n", false),
        ] {
            assert_eq!(patterns.matches(schema, table), expected, "{schema}.{table}");
        }
    }

    #[test]
    fn patterns_that_match_nothing_are_named() {
        let patterns = Patterns::new(&["audit.*".into(), "tmp".into(), "*.tm?".into()]).unwrap();
        let names = [("public", "tmp"), ("audits", "log")];
        assert_eq!(patterns.unmatched(names.into_iter()), ["audit.*"]);
    }
}
