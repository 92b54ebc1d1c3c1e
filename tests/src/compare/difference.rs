//! What differs, in a form that people read.

use std::fmt;

use anyhow::{Result, bail};

use super::facts::{Facts, Kind};

/// One thing that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    kind: Kind,
    name: String,
    left: Option<String>,
    right: Option<String>,
    example: String,
}

impl Difference {
    pub(super) fn new(kind: Kind, name: String, left: Option<String>, right: Option<String>) -> Self {
        Self {
            kind,
            name,
            left,
            right,
            example: String::new(),
        }
    }

    /// What it is about, such as a table's qualified name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Both sides have rows, which differ.
    pub(super) fn concerns_rows(&self) -> bool {
        matches!(self.kind, Kind::Table | Kind::MaterializedView)
            && self.left.is_some()
            && self.right.is_some()
    }

    pub(super) fn explain(&mut self, example: String) {
        self.example = example;
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: ", self.kind, visible(&self.name))?;
        match (&self.left, &self.right) {
            (Some(left), None) => write!(formatter, "only on the left: {}", shortened(left)),
            (None, Some(right)) => write!(formatter, "only on the right: {}", shortened(right)),
            (Some(left), Some(right)) => {
                let (left, right) = differing_lines(left, right);
                write!(
                    formatter,
                    "left: {}; right: {}",
                    shortened(&left),
                    shortened(&right)
                )
            }
            (None, None) => Ok(()),
        }?;
        formatter.write_str(&self.example)
    }
}

/// How much was compared on one side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Summary {
    /// Tables and materialised views.
    pub tables: usize,
    /// Their rows.
    pub rows: u64,
    /// Sequences.
    pub sequences: usize,
    /// Large objects.
    pub large_objects: usize,
}

impl Summary {
    fn of(facts: &Facts) -> Self {
        Self {
            tables: facts.count(Kind::Table) + facts.count(Kind::MaterializedView),
            rows: facts.rows,
            sequences: facts.count(Kind::Sequence),
            large_objects: facts.count(Kind::LargeObject),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} tables with {} rows, {} sequences, {} large objects",
            self.tables, self.rows, self.sequences, self.large_objects
        )
    }
}

/// What a comparison found.
#[derive(Clone, Debug)]
pub struct Report {
    left: Summary,
    right: Summary,
    differences: Vec<Difference>,
}

impl Report {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }

    /// All that differs.
    #[must_use]
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// How much was compared on the left and on the right.
    #[must_use]
    pub fn summaries(&self) -> [Summary; 2] {
        [self.left, self.right]
    }

    /// For tests: an error that shows everything that differs.
    ///
    /// # Errors
    /// If anything differs.
    pub fn equal(&self) -> Result<()> {
        if !self.is_equal() {
            bail!("{self}");
        }
        Ok(())
    }

    pub(super) fn add(&mut self, differences: Vec<Difference>) {
        self.differences.extend(differences);
    }

    pub(super) fn differences_mut(&mut self) -> &mut [Difference] {
        &mut self.differences
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_equal() {
            return write!(formatter, "equal: {}", self.left);
        }
        writeln!(formatter, "{} differences", self.differences.len())?;
        writeln!(formatter, "left:  {}", self.left)?;
        write!(formatter, "right: {}", self.right)?;
        self.differences
            .iter()
            .try_for_each(|difference| write!(formatter, "\n- {difference}"))
    }
}

/// Facts that only one side has, or whose values differ.
pub(super) fn report(left: &Facts, right: &Facts) -> Report {
    let mut differences = Vec::new();
    for (key, value) in &left.all {
        let other = right.all.get(key);
        if other != Some(value) {
            differences.push(Difference::new(
                key.0,
                key.1.clone(),
                Some(value.clone()),
                other.cloned(),
            ));
        }
    }
    for (key, value) in right.all.iter().filter(|(key, _)| !left.all.contains_key(*key)) {
        differences.push(Difference::new(key.0, key.1.clone(), None, Some(value.clone())));
    }
    Report {
        left: Summary::of(left),
        right: Summary::of(right),
        differences,
    }
}

/// Leaves away the lines that both texts start and end with.
fn differing_lines(left: &str, right: &str) -> (String, String) {
    let (mut left, mut right): (Vec<&str>, Vec<&str>) = (left.lines().collect(), right.lines().collect());
    let same = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    left.drain(..same);
    right.drain(..same);
    let same = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    left.truncate(left.len() - same);
    right.truncate(right.len() - same);
    (left.join("\n"), right.join("\n"))
}

/// At most so many characters of a value are shown.
const LONGEST: usize = 300;

/// The start of a text, with its control characters visible.
pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    visible(&short)
}

fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Difference, differing_lines};
    use crate::compare::facts::Kind;

    #[test]
    fn only_the_lines_that_differ_are_shown() {
        assert_eq!(
            differing_lines("a\nb\nc", "a\nx\ny\nc"),
            ("b".to_owned(), "x\ny".to_owned())
        );
        assert_eq!(differing_lines("a\na", "a"), ("a".to_owned(), String::new()));
    }

    #[test]
    fn a_difference_shows_itself_on_one_line() {
        let difference = Difference::new(
            Kind::Table,
            "odd\nname".to_owned(),
            Some("1 rows".to_owned()),
            None,
        );
        assert_eq!(
            difference.to_string(),
            "rows of table odd\\nname: only on the left: 1 rows"
        );
    }
}
