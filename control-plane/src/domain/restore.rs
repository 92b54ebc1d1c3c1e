//! Restores: which backup, into what, how.

use std::time::Duration;

use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_core::object_choice::ObjectChoice;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::field::{BadField, Checks};
use super::job::{DEFAULT_NO_PROGRESS, check_limits};
use super::reference::Reference;
use super::text;

/// Where the databases go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreMode {
    /// New databases; a name that is taken is an error.
    #[default]
    Create,
    /// Beside the live ones, compared, then swapped with them in one short moment.
    Replace,
    /// Chosen parts into a database that exists, in which nothing else is changed.
    Into,
    /// Under fresh names, compared, and dropped again.
    Scratch,
}

/// A database's name in the backup and at the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseMapping {
    /// In the backup.
    pub from: String,
    /// At the target.
    pub to: String,
}

/// How a restore goes about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreOptions {
    /// Where the databases go.
    pub mode: RestoreMode,
    /// Which databases, and their new names; all under their own names if empty.
    pub databases: Vec<DatabaseMapping>,
    /// Whether everything will belong to the restoring user, without grants.
    pub no_owner: bool,
    /// Whether roles that the target lacks are created, unable to log in.
    #[serde(default)]
    pub create_missing_roles: bool,
    /// Whether databases that a failure leaves unfinished stay.
    #[serde(default)]
    pub keep_unfinished: bool,
    /// Tables and indexes at the same time, 1 to 16.
    pub parallelism: u32,
    /// For a scratch restore: leave the databases there.
    pub keep_scratch: bool,
    /// The only schemas that are wanted, as [`ObjectChoice`] reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<String>,
    /// The only tables that are wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// The database that they are added to, with [`RestoreMode::Into`] and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into_database: Option<String>,
    /// Whether it ends before anything is touched, and says what would be restored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub plan_only: bool,
    /// The longest that it may take: 1 min to 30 days.
    pub max_duration: Duration,
    /// It ends when nothing moves for this long: 10 s to 7 days.
    pub no_progress_timeout: Duration,
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            mode: RestoreMode::default(),
            databases: Vec::new(),
            no_owner: false,
            create_missing_roles: false,
            keep_unfinished: false,
            parallelism: 2,
            keep_scratch: false,
            schemas: Vec::new(),
            tables: Vec::new(),
            into_database: None,
            plan_only: false,
            max_duration: Duration::from_secs(7 * 24 * 3600),
            no_progress_timeout: DEFAULT_NO_PROGRESS,
        }
    }
}

/// Which backup is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupChoice {
    /// That one; if a datasource is named, it must be of it.
    Id(BackupId, Option<Reference<DatasourceId>>),
    /// The newest of a datasource.
    Latest(Reference<DatasourceId>),
}

impl BackupChoice {
    /// Reads the fields `backup` and `datasource` of a request.
    pub fn parse(backup: &str, datasource: &str) -> Result<Self, BadField> {
        let of = match datasource {
            "" => None,
            text => Some(Reference::parse("datasource", text)?),
        };
        match (backup, of) {
            ("latest", Some(of)) => Ok(Self::Latest(of)),
            ("latest", None) => Err(BadField::new("datasource", "must be given with 'latest'")),
            (id, of) => id
                .parse()
                .map(|id| Self::Id(id, of))
                .map_err(|_| BadField::new("backup", "must be a backup's id, or 'latest'")),
        }
    }
}

/// A restore to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRestore {
    /// Which backup.
    pub backup: BackupChoice,
    /// Into which datasource; none for the backup's own.
    pub target: Option<Reference<DatasourceId>>,
    /// How.
    pub options: RestoreOptions,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

impl RestoreOptions {
    /// Checks everything that can be checked without looking anything up.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        let mut checks = Checks::new();
        checks.require(
            (1..=16).contains(&self.parallelism),
            "parallelism",
            "must be 1 to 16",
        );
        checks.require(
            !self.keep_scratch || self.mode == RestoreMode::Scratch,
            "keep_scratch",
            "is for scratch restores only",
        );
        check_limits(&mut checks, "", self.max_duration, self.no_progress_timeout);
        self.check_parts(&mut checks);
        checks.require(
            self.databases.len() <= 1000,
            "databases",
            "has more than 1000 entries",
        );
        for (index, mapping) in self.databases.iter().enumerate() {
            checks.take(text::required("databases.from", &mapping.from, text::MAX_TEXT));
            checks.take(text::required("databases.to", &mapping.to, text::MAX_TEXT));
            let earlier = &self.databases[..index];
            checks.require(
                !earlier.iter().any(|other| other.from == mapping.from),
                "databases.from",
                "names a database twice",
            );
            checks.require(
                !earlier.iter().any(|other| other.to == mapping.to),
                "databases.to",
                "gives one name to two databases",
            );
        }
        checks.finish()
    }

    /// Whether only parts of the databases are wanted.
    pub fn is_partial(&self) -> bool {
        !self.schemas.is_empty() || !self.tables.is_empty()
    }

    fn check_parts(&self, checks: &mut Checks) {
        for (field, schemas, tables) in [
            ("schemas", self.schemas.as_slice(), [].as_slice()),
            ("tables", &[], &self.tables),
        ] {
            let parsed = ObjectChoice::parse(schemas, tables);
            checks.take(parsed.map_err(|error| BadField::new(field, error.to_string())));
        }
        let into = self.mode == RestoreMode::Into;
        checks.require(
            into == self.into_database.is_some(),
            "into_database",
            "must be given with the mode that adds to a database, and only then",
        );
        if let Some(name) = &self.into_database {
            checks.take(text::required("into_database", name, text::MAX_TEXT));
        }
        checks.require(
            !into || self.is_partial(),
            "mode",
            "adds schemas or tables to a database: name which",
        );
        checks.require(
            !into || self.databases.iter().all(|mapping| mapping.from == mapping.to),
            "databases.to",
            "must be empty where parts are added to a database",
        );
        checks.require(
            !(self.is_partial() && self.mode == RestoreMode::Replace),
            "mode",
            "must not be to replace databases where only parts of them are restored: what is not chosen would be lost",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(from: &str, to: &str) -> DatabaseMapping {
        DatabaseMapping {
            from: from.into(),
            to: to.into(),
        }
    }

    #[test]
    fn two_databases_can_not_get_one_name() {
        let options = RestoreOptions {
            databases: vec![mapping("a", "x"), mapping("b", "x")],
            ..RestoreOptions::default()
        };
        assert_eq!(options.check().unwrap_err()[0].field, "databases.to");
    }

    #[test]
    fn a_part_never_replaces_the_whole() {
        let options = |mode, table: &str| RestoreOptions {
            mode,
            tables: vec![table.to_owned()],
            ..RestoreOptions::default()
        };
        assert_eq!(options(RestoreMode::Create, "sales.\"a.b\"").check(), Ok(()));
        let field = |options: RestoreOptions| options.check().unwrap_err()[0].field.clone();
        assert_eq!(field(options(RestoreMode::Replace, "sale")), "mode");
        assert_eq!(field(options(RestoreMode::Create, "sales.")), "tables");
        assert_eq!(field(options(RestoreMode::Into, "sale")), "into_database");
    }

    #[test]
    fn latest_needs_a_datasource() {
        assert_eq!(BackupChoice::parse("latest", "").unwrap_err().field, "datasource");
        assert!(BackupChoice::parse("latest", "shop").is_ok());
        assert_eq!(BackupChoice::parse("oldest", "shop").unwrap_err().field, "backup");
    }
}
