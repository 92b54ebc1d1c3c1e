//! What a backup remembers of the databases in it, beyond their contents.

use serde::{Deserialize, Serialize};

/// A database as it was when it was dumped: enough to create it again under any name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseDescription {
    /// Its name in the catalogue, unquoted.
    pub name: String,
    /// The owner's role name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Character encoding or set, as the engine names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// Locale: provider, collation, character type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Connection limit; none means no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<i32>,
    /// The tablespace that it lies in, unless it is the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tablespace: Option<String>,
    /// Whether anybody who may create databases may copy it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_template: bool,
    /// Access privileges in the engine's own notation (PostgreSQL: `aclitem` texts); none means the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acl: Option<Vec<String>>,
    /// Settings of the database, and of roles in the database.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<DatabaseSetting>,
    /// Security labels: provider and label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_labels: Vec<(String, String)>,
    /// The length of the longest SQL statement in the streams, in bytes, where a server may refuse long ones (MySQL, MariaDB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_statement: Option<u64>,
    /// What a server must have before the contents can be restored there.
    #[serde(default, skip_serializing_if = "DatabaseNeeds::is_empty")]
    pub needs: DatabaseNeeds,
    /// What is not in the backup because the job says so.
    #[serde(default, skip_serializing_if = "LeftOut::is_nothing")]
    pub left_out: LeftOut,
}

/// What a dump left out of a database because its job says so. Names are `schema.table`, or `table` where an engine has no
/// schemas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Tables, views and sequences that are not in the backup.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// Tables that are in the backup without their rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
    /// Entries of the schema archive that nothing must restore, by their numbers: what refers to what is left out, and
    /// what is said about that (PostgreSQL).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub archive_entries: Vec<i64>,
}

impl LeftOut {
    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What whoever restores the database should know, none if nothing is left out.
    pub fn told(&self) -> Option<String> {
        let tables = listed(&self.tables).map(|names| format!("the tables {names}"));
        let rows = listed(&self.rows).map(|names| format!("the rows of {names}"));
        let lacking: Vec<String> = tables.into_iter().chain(rows).collect();
        (!lacking.is_empty()).then(|| format!("left out, as the job says: {}", lacking.join("; ")))
    }
}

/// What a database's contents refer to outside of it, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseNeeds {
    /// Roles that own something, may use something or are named by a policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Those of the roles that are needed even where owners and grants are left out: named by policies and user mappings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indispensable_roles: Vec<String>,
    /// Extensions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// Tablespaces other than the default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tablespaces: Vec<String>,
}

impl DatabaseNeeds {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A database's locale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Locale {
    /// `libc`, `icu` or `builtin`.
    pub provider: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// The ICU or built-in locale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// ICU tailoring rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icu_rules: Option<String>,
}

/// One `ALTER DATABASE … SET` or `ALTER ROLE … IN DATABASE … SET`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSetting {
    /// The role it holds for; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The parameter.
    pub name: String,
    /// Its value as the catalogue has it.
    pub value: String,
}

/// Something a person should know about a backup or restore that succeeded all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The database it concerns, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// What is the case, and what follows.
    pub message: String,
}

/// A database that a backup was meant to hold and lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingDatabase {
    /// Its name.
    pub name: String,
    /// Why it is missing.
    #[serde(flatten)]
    pub failure: crate::failure::Failure,
}

/// A program that took part, for the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The program's name: `pg_dump`.
    pub name: String,
    /// Its version as it says it.
    pub version: String,
    /// The arguments it was given; never a secret, none is ever passed that way.
    pub arguments: Vec<String>,
}

/// The first few names, and how many more there are; none for none.
pub fn listed<T: std::fmt::Display>(names: &[T]) -> Option<String> {
    const SHOWN: usize = 5;
    let shown: Vec<String> = names.iter().take(SHOWN).map(on_one_line).collect();
    let shown = shown.join(", ");
    match names.len() {
        0 => None,
        1..=SHOWN => Some(shown),
        more => Some(format!("{shown} and {} more", more - SHOWN)),
    }
}

/// A name without line breaks and other control characters, which may be in it.
fn on_one_line(name: &impl std::fmt::Display) -> String {
    let name = name.to_string();
    let shown = |c: char| match c.is_control() {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    name.chars().map(shown).collect()
}

/// What to tell of patterns that match nothing, none if there is none.
pub fn told_of_unmatched(patterns: &[String]) -> Option<Warning> {
    let patterns = listed(patterns)?;
    Some(Warning {
        database: None,
        message: format!("nothing matches what the job says to leave out: {patterns}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..7).map(|number| format!("s.t{number}")).collect();
        assert_eq!(listed(&names[..0]), None);
        assert_eq!(listed(&names[..2]).as_deref(), Some("s.t0, s.t1"));
        assert_eq!(listed(&["two\nlines"]).as_deref(), Some("two\\nlines"));
        assert_eq!(
            listed(&names).as_deref(),
            Some("s.t0, s.t1, s.t2, s.t3, s.t4 and 2 more")
        );
    }

    #[test]
    fn what_is_left_out_is_told() {
        let mut left_out = LeftOut::default();
        assert_eq!(left_out.told(), None);
        left_out.rows = vec!["audit.log".into()];
        assert_eq!(
            left_out.told().as_deref(),
            Some("left out, as the job says: the rows of audit.log")
        );
        left_out.tables = vec!["tmp".into()];
        assert_eq!(
            left_out.told().as_deref(),
            Some("left out, as the job says: the tables tmp; the rows of audit.log")
        );
    }
}
