//! Downloads: which part of a backup, and which agent reads it.

use dataguardian_core::ids::AgentId;
use dataguardian_core::name::ResourceName;

use super::backup::Backup;
use super::field::BadField;
use super::job::Encryption;
use super::storage::Storage;
use super::text;

/// A part of a backup that is one script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptPart {
    /// Roles and users.
    Globals,
    /// One database.
    Database(String),
}

/// What of a backup is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The one database that it has.
    Only,
    /// That part.
    Part(ScriptPart),
}

impl Wanted {
    /// Reads the fields `database` and `globals` of a request.
    pub fn parse(database: &str, globals: bool) -> Result<Self, BadField> {
        match (database, globals) {
            ("", false) => Ok(Self::Only),
            ("", true) => Ok(Self::Part(ScriptPart::Globals)),
            (_, true) => Err(BadField::new("globals", "goes without a database")),
            (name, false) => {
                text::required("database", name, text::MAX_TEXT)?;
                Ok(Self::Part(ScriptPart::Database(name.to_owned())))
            }
        }
    }

    /// The part that is meant, if the backup has it.
    pub fn of(self, backup: &Backup) -> Result<ScriptPart, BadField> {
        const NAMED: usize = 20;
        let held = &backup.summary.databases;
        let bad = |problem: &str| {
            let mut names: Vec<_> = held.iter().take(NAMED).map(String::as_str).collect();
            if held.len() > NAMED {
                names.push("…");
            }
            BadField::new(
                "database",
                format!("{problem}; the backup has: {}", names.join(", ")),
            )
        };
        match (self, held.as_slice()) {
            (Self::Part(ScriptPart::Globals), _) => Ok(ScriptPart::Globals),
            (Self::Only, [only]) => Ok(ScriptPart::Database(only.clone())),
            (Self::Only, _) => Err(bad("must be given: one script holds one database")),
            (Self::Part(ScriptPart::Database(name)), held) if held.contains(&name) => {
                Ok(ScriptPart::Database(name))
            }
            (Self::Part(ScriptPart::Database(name)), _) => Err(lacking(backup, &name, bad)),
        }
    }
}

/// Why a backup has not that database.
fn lacking(backup: &Backup, name: &str, bad: impl Fn(&str) -> BadField) -> BadField {
    let missing = &backup.summary.missing;
    match missing.iter().find(|missing| missing.name == name) {
        Some(missing) => bad(&format!(
            "is missing, since the backup is partial: {}: {}",
            missing.failure.kind, missing.failure.message
        )),
        None => bad("is not in the backup"),
    }
}

/// Why nobody can read a backup now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NobodyReads {
    /// That agent could, and is not connected here.
    NotConnected(AgentId),
    /// The datasource's agent reaches none of these, and another gets no keys.
    NotReachable(Vec<ResourceName>),
}

/// Who reads a backup: its datasource's agent where that reaches a copy; else, if no keys are needed, any connected one that does.
/// An agent gets no keys but those of its own datasources.
pub fn reader(
    own: AgentId,
    encryption: Encryption,
    copies: &[Storage],
    connected: &[AgentId],
) -> Result<AgentId, NobodyReads> {
    let reaches = |agent: AgentId| copies.iter().any(|copy| copy.location.reached_by(agent));
    if reaches(own) && connected.contains(&own) {
        return Ok(own);
    }
    let another = connected.iter().copied().find(|agent| reaches(*agent));
    match (another, encryption) {
        (Some(another), Encryption::Plain) => Ok(another),
        _ if reaches(own) => Err(NobodyReads::NotConnected(own)),
        _ => Err(NobodyReads::NotReachable(
            copies.iter().map(|copy| copy.name.clone()).collect(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::storage::{SealedSecrets, StorageLocation};
    use dataguardian_core::ids::{RepositoryId, StorageId};

    fn local(agent: AgentId, name: &str) -> Storage {
        Storage {
            id: StorageId::new(),
            name: name.parse().unwrap(),
            location: StorageLocation::Local {
                agent,
                agent_name: "db1".parse().unwrap(),
                path: "/b".into(),
            },
            sealed: SealedSecrets::default(),
            repository: RepositoryId::new(),
            conditional_put: true,
            max_concurrent: None,
            created_at: chrono::DateTime::UNIX_EPOCH,
            revision: 1,
        }
    }

    #[test]
    fn the_datasources_agent_reads_and_another_only_what_needs_no_keys() {
        use Encryption::{Plain, Sealed};
        let (own, other) = (AgentId::new(), AgentId::new());
        let both = [local(own, "near"), local(other, "far")];
        let far = [local(other, "far")];
        for encryption in [Plain, Sealed] {
            assert_eq!(reader(own, encryption, &both, &[other, own]), Ok(own));
        }
        assert_eq!(reader(own, Plain, &both, &[other]), Ok(other));
        assert_eq!(reader(own, Plain, &far, &[other, own]), Ok(other));
        let away = Err(NobodyReads::NotConnected(own));
        assert_eq!(reader(own, Sealed, &both, &[other]), away);
        assert_eq!(reader(own, Plain, &both, &[]), away);
        let beyond = Err(NobodyReads::NotReachable(vec!["far".parse().unwrap()]));
        assert_eq!(reader(own, Sealed, &far, &[other, own]), beyond);
    }

    #[test]
    fn a_part_is_one_database_or_the_roles() {
        let database = ScriptPart::Database("shop".to_owned());
        assert_eq!(Wanted::parse("", false), Ok(Wanted::Only));
        assert_eq!(Wanted::parse("shop", false), Ok(Wanted::Part(database)));
        assert_eq!(Wanted::parse("", true), Ok(Wanted::Part(ScriptPart::Globals)));
        assert!(Wanted::parse("shop", true).is_err());
        assert!(Wanted::parse(&"x".repeat(256), false).is_err());
    }
}
