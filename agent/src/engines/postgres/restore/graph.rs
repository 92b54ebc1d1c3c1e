//! What the entries of a schema archive have to do with each other.

use std::collections::{BTreeMap, BTreeSet};

use dataguardian_core::object_choice::ObjectPath;
use dataguardian_core::stream::ObjectName;

use super::contents::Entry;

/// What stands in a schema as a table does.
const RELATIONS: [&str; 5] = ["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"];
/// What belongs to a table, whose tag begins with the table's name.
pub(super) const OF_TABLES: [&str; 8] = [
    "DEFAULT",
    "CONSTRAINT",
    "CHECK CONSTRAINT",
    "FK CONSTRAINT",
    "TRIGGER",
    "RULE",
    "POLICY",
    "ROW SECURITY",
];
/// What is said of other entries, or joins them: there when all of them are.
pub(super) const OF_ENTRIES: [&str; 6] = [
    "COMMENT",
    "ACL",
    "SECURITY LABEL",
    "TABLE ATTACH",
    "INDEX ATTACH",
    "STATISTICS DATA",
];

/// The entries, and how they hang together.
pub(super) struct Graph<'a> {
    pub(super) entries: &'a [Entry],
    pub(super) by_id: BTreeMap<i64, &'a Entry>,
    /// Schemas by their names.
    pub(super) schemas: BTreeMap<&'a str, i64>,
    /// Partitions and the tables that they are attached to.
    pub(super) attached: BTreeMap<i64, BTreeSet<i64>>,
}

impl<'a> Graph<'a> {
    pub(super) fn over(entries: &'a [Entry]) -> Self {
        let by_id: BTreeMap<i64, &Entry> = entries.iter().map(|entry| (entry.id, entry)).collect();
        let mut attached: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
        for entry in entries.iter().filter(|entry| entry.kind == "TABLE ATTACH") {
            let is_partition = |id: &&i64| {
                by_id
                    .get(id)
                    .is_some_and(|table| (&table.schema, &table.tag) == (&entry.schema, &entry.tag))
            };
            if let Some(partition) = entry.needs.iter().find(is_partition) {
                let parents = entry.needs.iter().filter(|id| *id != partition);
                attached.entry(*partition).or_default().extend(parents);
            }
        }
        let schemas = entries.iter().filter(|entry| entry.kind == "SCHEMA");
        Self {
            schemas: schemas.map(|entry| (entry.tag.as_str(), entry.id)).collect(),
            entries,
            by_id,
            attached,
        }
    }

    /// Whose an index, a constraint, a trigger, an owned sequence … is.
    pub(super) fn owner(&self, entry: &Entry) -> Option<&'a Entry> {
        let candidates = entry.needs.iter().filter_map(|id| self.by_id.get(id).copied());
        let relations = candidates.filter(|other| relation(other).is_some() || other.kind == "DOMAIN");
        match entry.kind.as_str() {
            "SEQUENCE" | "STATISTICS" => relations.into_iter().find(|other| other.kind != "SEQUENCE"),
            "INDEX" => relations
                .filter(|other| other.schema == entry.schema && other.kind != "SEQUENCE")
                .min_by_key(|other| !entry.definition.contains(&format!("{} ", other.tag))),
            _ => relations
                .filter(|other| other.schema == entry.schema && begins(&entry.tag, &other.tag))
                .max_by_key(|other| other.tag.len()),
        }
    }

    /// What an entry is, for a message: `foreign key of_item of table sales.sale`.
    pub(super) fn described(&self, entry: &Entry) -> String {
        let kind = match entry.kind.as_str() {
            "FK CONSTRAINT" => "foreign key".to_owned(),
            kind => kind.to_lowercase(),
        };
        let owner = self
            .owner(entry)
            .filter(|_| OF_TABLES.contains(&entry.kind.as_str()));
        let own = owner.and_then(|owner| Some((owner, entry.tag.strip_prefix(&owner.tag)?.trim_start())));
        match own {
            Some((owner, own)) => format!("{kind} {own} of {} {}", owner.kind.to_lowercase(), named(owner)),
            None => format!("{kind} {}", named(entry)),
        }
    }

    /// The first of what an entry needs that is of that kind.
    pub(super) fn needed(&self, entry: &Entry, kind: &str) -> Option<&'a Entry> {
        let mut needed = entry.needs.iter().filter_map(|id| self.by_id.get(id).copied());
        needed.find(|needed| needed.kind == kind)
    }
}

/// An entry's name, where it is a relation.
pub(super) fn relation(entry: &Entry) -> Option<ObjectName> {
    RELATIONS.contains(&entry.kind.as_str()).then(|| ObjectName {
        schema: entry.schema.clone(),
        name: entry.tag.clone(),
    })
}

/// Whether it only says something of other entries: a grant, a comment.
pub(super) fn is_said_of_others(entry: &Entry) -> bool {
    OF_ENTRIES.contains(&entry.kind.as_str())
}

/// The schemas that the archive has, `public` included.
pub(super) fn schemas(entries: &[Entry]) -> BTreeSet<&str> {
    let named = entries.iter().map(|entry| match entry.kind.as_str() {
        "SCHEMA" => entry.tag.as_str(),
        _ => entry.schema.as_str(),
    });
    named.filter(|name| !name.is_empty()).collect()
}

/// Whether a tag is the table's name, or begins with it.
fn begins(tag: &str, table: &str) -> bool {
    tag.strip_prefix(table)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// An entry's name, as a person would write it to choose it.
pub(super) fn named(entry: &Entry) -> String {
    match relation(entry) {
        Some(name) => ObjectPath::of(&[&name.schema, &name.name]).to_string(),
        None if entry.schema.is_empty() => entry.tag.clone(),
        None => format!("{}.{}", entry.schema, entry.tag),
    }
}
