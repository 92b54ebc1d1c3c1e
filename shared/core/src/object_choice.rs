//! Which schemas and tables of a backup are wanted, as a person writes them.
//!
//! Parts are separated by dots. A part in double quotes or backticks is a name as it stands, the quote doubled within it;
//! outside of quotes `*` stands for any characters, and letters are what they are: nothing is folded to lower case.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The longest path, in bytes.
pub const MAX_PATH: usize = 1024;
/// The most paths of one kind.
pub const MAX_PATHS: usize = 1000;

/// Parts of databases. Nothing chosen means everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectChoice {
    /// Whole schemas: `schema` or `database.schema`.
    pub schemas: Vec<ObjectPath>,
    /// Single tables: `table`, `schema.table` or `database.schema.table`; where a database has no schemas, `table` or
    /// `database.table`.
    pub tables: Vec<ObjectPath>,
}

impl ObjectChoice {
    /// Whether everything is wanted.
    pub const fn is_everything(&self) -> bool {
        self.schemas.is_empty() && self.tables.is_empty()
    }

    /// Reads both lists.
    pub fn parse<T: AsRef<str>>(schemas: &[T], tables: &[T]) -> Result<Self, InvalidPath> {
        let paths = |texts: &[T], most: usize| {
            if texts.len() > MAX_PATHS {
                return Err(InvalidPath::TooMany);
            }
            let parsed: Vec<ObjectPath> = texts
                .iter()
                .map(|text| text.as_ref().parse())
                .collect::<Result<_, _>>()?;
            match parsed.iter().find(|path| path.0.len() > most) {
                Some(path) => Err(InvalidPath::Parts(path.to_string())),
                None => Ok(parsed),
            }
        };
        Ok(Self {
            schemas: paths(schemas, 2)?,
            tables: paths(tables, 3)?,
        })
    }
}

/// A path of one to three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPath(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Name(String),
    Pattern(String),
}

/// A path that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Nothing, or nothing between two dots.
    #[error("a part of {0:?} is empty")]
    Empty(String),
    /// A quote that is not closed, or something behind one that is.
    #[error("the quotes in {0:?} do not match")]
    Quotes(String),
    /// Longer than any path.
    #[error("a name is longer than {MAX_PATH} bytes, or has a zero byte")]
    Length,
    /// More parts than there can be.
    #[error("{0} has too many parts; put a name with dots in quotes")]
    Parts(String),
    /// More than anybody types.
    #[error("more than {MAX_PATHS} are named")]
    TooMany,
}

impl ObjectPath {
    /// The path that means the object with these names, for a person to copy; empty names are left away.
    pub fn of(names: &[&str]) -> Self {
        let names = names.iter().filter(|name| !name.is_empty());
        Self(names.map(|name| Part::Name((*name).to_owned())).collect())
    }

    /// Whether it means the object with these names, the last of which is the object's own. The path may be shorter.
    pub fn matches(&self, names: &[&str]) -> bool {
        let Some(skipped) = names.len().checked_sub(self.0.len()) else {
            return false;
        };
        self.0
            .iter()
            .zip(&names[skipped..])
            .all(|(part, name)| part.matches(name))
    }

    /// How many parts it has.
    pub fn parts(&self) -> usize {
        self.0.len()
    }

    /// Whether it may mean several objects on purpose.
    pub fn is_pattern(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Pattern(_)))
    }

    /// The last part as it was written.
    pub fn last(&self) -> &str {
        match self.0.last() {
            Some(Part::Name(text) | Part::Pattern(text)) => text,
            None => "",
        }
    }
}

impl Part {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Pattern(pattern) => like(pattern, name),
        }
    }
}

/// Whether `*` in the pattern can be filled so that it is the name.
fn like(pattern: &str, name: &str) -> bool {
    let pieces: Vec<&str> = pattern.split('*').collect();
    let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else {
        return false;
    };
    if pieces.len() == 1 {
        return pattern == name;
    }
    let Some(rest) = name.strip_prefix(first) else {
        return false;
    };
    let Some(mut rest) = rest.strip_suffix(last) else {
        return false;
    };
    for piece in &pieces[1..pieces.len() - 1] {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

impl FromStr for ObjectPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        if text.len() > MAX_PATH || text.contains('\0') {
            return Err(InvalidPath::Length);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, after) = part(rest).map_err(|error| error(text.to_owned()))?;
            parts.push(part);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return Err(InvalidPath::Quotes(text.to_owned())),
            }
        }
        if parts.len() > 3 {
            return Err(InvalidPath::Parts(text.to_owned()));
        }
        Ok(Self(parts))
    }
}

/// What is wrong with a path, once it is known.
type Wrong = fn(String) -> InvalidPath;

/// The first part, and what follows it.
fn part(text: &str) -> Result<(Part, &str), Wrong> {
    let quote = text.chars().next().filter(|first| ['"', '`'].contains(first));
    let Some(quote) = quote else {
        let end = text.find('.').unwrap_or(text.len());
        let (own, after) = text.split_at(end);
        return match own {
            "" => Err(InvalidPath::Empty),
            own if own.contains(['"', '`']) => Err(InvalidPath::Quotes),
            own if own.contains('*') => Ok((Part::Pattern(own.to_owned()), after)),
            own => Ok((Part::Name(own.to_owned()), after)),
        };
    };
    let mut name = String::new();
    let mut rest = &text[1..];
    loop {
        let end = rest.find(quote).ok_or(InvalidPath::Quotes as Wrong)?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                name.push(quote);
                rest = after;
            }
            None if name.is_empty() => return Err(InvalidPath::Empty),
            None => return Ok((Part::Name(name), rest)),
        }
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            match part {
                Part::Name(name) if !name.contains(['.', '"', '`', '*']) => f.write_str(name)?,
                Part::Name(name) => write!(f, "\"{}\"", name.replace('"', "\"\""))?,
                Part::Pattern(pattern) => f.write_str(pattern)?,
            }
        }
        Ok(())
    }
}

/// What somebody who wrote `meant` may have had in mind: at most `most` of those whose names are like it, the nearest first.
pub fn near<'a, T: Ord>(meant: &str, named: impl IntoIterator<Item = (&'a str, T)>, most: usize) -> Vec<T> {
    let meant = folded(meant);
    let mut ranked = BTreeSet::new();
    for (name, shown) in named {
        let other = folded(name);
        let within = |part: &[char]| part == meant;
        let distance = match other.windows(meant.len().max(1)).any(within) {
            true => 1,
            false => distance(&meant, &other),
        };
        if distance <= meant.len().max(other.len()) / 3 + 1 {
            ranked.insert((distance, shown));
        }
    }
    ranked.into_iter().take(most).map(|(_, shown)| shown).collect()
}

/// Names for a message: at most `most`, and how many more there are.
pub fn listed(names: &[String], most: usize) -> String {
    let shown = names[..most.min(names.len())].join(", ");
    match names.len().saturating_sub(most) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a comparison looks at: no more than names have, without the case of letters.
fn folded(text: &str) -> Vec<char> {
    text.chars().take(64).flat_map(char::to_lowercase).collect()
}

/// Levenshtein's distance: the fewest characters to put in, take out or change.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (row, own) in a.iter().enumerate() {
        let mut left = row + 1;
        let mut diagonal = row;
        above[0] = left;
        for (column, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(own != other);
            diagonal = above[column + 1];
            left = changed.min(left + 1).min(diagonal + 1);
            above[column + 1] = left;
        }
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(text: &str) -> ObjectPath {
        text.parse().unwrap()
    }

    #[test]
    fn paths_mean_what_they_end_in() {
        let names = ["shop", "public", "orders"];
        for text in [
            "orders",
            "public.orders",
            "shop.public.orders",
            "p*.ord*s",
            "\"orders\"",
            "*",
        ] {
            assert!(path(text).matches(&names), "{text}");
        }
        for text in ["order", "other.orders", "Orders", "\"ord*\"", "public"] {
            assert!(!path(text).matches(&names), "{text}");
        }
        assert!(!path("a.b.c").matches(&["b", "c"]));
    }

    #[test]
    fn odd_names_are_quoted() {
        assert!(path("\"a.b\".\"c\"\"d\"").matches(&["a.b", "c\"d"]));
        assert!(path("`a``b`").matches(&["a`b"]));
        for text in ["", "a.", ".a", "\"a", "\"a\"b", "a\"b", "\"\"", "a.b.c.d"] {
            assert!(text.parse::<ObjectPath>().is_err(), "{text}");
        }
        assert!(ObjectChoice::parse(&["a.b.c"], &[]).is_err());
    }

    #[test]
    fn near_names_are_found() {
        let names = ["orders", "customers", "order_items", "zebra"].map(|name| (name, name));
        assert_eq!(near("order", names, 2), ["order_items", "orders"]);
        assert_eq!(near("Ordres", names, 3), ["orders"]);
        assert!(near("nothing_like_it", names, 3).is_empty());
    }

    #[test]
    fn long_lists_are_cut() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(listed(&names, 3), "a, b, c");
        assert_eq!(listed(&names, 1), "a and 2 more");
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(names in prop::collection::vec("\\PC{1,8}|[.\"`*a]{1,4}", 1..=3)) {
            let quoted: Vec<_> = names.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
            let first = path(&quoted.join("."));
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            prop_assert!(first.matches(&names));
            prop_assert_eq!(ObjectPath::of(&names), first.clone());
            prop_assert_eq!(path(&first.to_string()), first);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a.\"`*]{0,12}") {
            if let Ok(path) = text.parse::<ObjectPath>() {
                prop_assert_eq!(path.to_string().parse::<ObjectPath>(), Ok(path));
            }
        }
    }
}
