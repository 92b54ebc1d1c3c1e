//! Which entries of a schema archive make the chosen schemas and tables.
//!
//! What is chosen comes with all that belongs to it: partitions, indexes, constraints, triggers, policies, owned sequences,
//! comments, grants. What it can't be made without comes along: types, functions, extensions, schemas, and other tables too, but
//! those without rows, which is told. What belongs to it and refers to a table that is not restored is left out, which is told; but
//! a policy without which more rows would be seen is never left out: the restore is refused.
//!
//! Into a live database: a table that is needed and is there already is used as it is there, and nothing of it comes along.

use std::collections::BTreeSet;

use dataguardian_core::stream::ObjectName;

use super::contents::Entry;
use super::graph::{Graph, OF_ENTRIES, OF_TABLES, named, relation};
use super::policy;

/// What concerns whole databases, and objects of no schema.
const NEVER: [&str; 6] = [
    "PUBLICATION TABLE",
    "PUBLICATION TABLES IN SCHEMA",
    "DATABASE",
    "DATABASE PROPERTIES",
    "SEQUENCE OWNED BY",
    "MATERIALIZED VIEW DATA",
];

/// What was asked for, as it is in the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) schemas: BTreeSet<String>,
    /// Tables, views and sequences.
    pub(super) relations: BTreeSet<ObjectName>,
}

impl Wanted {
    /// Whether nothing of the database is wanted.
    pub(super) fn is_nothing(&self) -> bool {
        self.schemas.is_empty() && self.relations.is_empty()
    }
}

/// What is restored of one database.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The entries' numbers.
    pub(super) entries: BTreeSet<i64>,
    /// Tables whose rows are restored, if they have any.
    pub(super) with_rows: BTreeSet<ObjectName>,
    pub(super) sequences: BTreeSet<ObjectName>,
    pub(super) extensions: Vec<String>,
    /// Relations of the live database that what was chosen needs: with their kinds, as they are told.
    pub(super) used: BTreeSet<String>,
    /// What a person should know before.
    pub(super) warnings: Vec<String>,
    /// Why it must not be restored like this.
    pub(super) refused: Vec<String>,
}

/// Chooses. `at_hand` is what the live database has that parts are added to.
pub(super) fn choose(entries: &[Entry], wanted: &Wanted, at_hand: &BTreeSet<ObjectName>) -> Chosen {
    let mut choosing = Choosing::over(entries, at_hand);
    choosing.roots(wanted);
    choosing.bring_what_is_needed();
    while choosing.attach() {
        choosing.bring_what_is_needed();
    }
    choosing.finish()
}

struct Choosing<'a> {
    graph: Graph<'a>,
    at_hand: &'a BTreeSet<ObjectName>,
    chosen: BTreeSet<i64>,
    /// Chosen for their own sake: the rest is there because something needs it.
    wanted: BTreeSet<i64>,
    looked_at: BTreeSet<i64>,
    left_out: BTreeSet<i64>,
    used: BTreeSet<i64>,
    warnings: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl<'a> Choosing<'a> {
    fn over(entries: &'a [Entry], at_hand: &'a BTreeSet<ObjectName>) -> Self {
        Self {
            graph: Graph::over(entries),
            at_hand,
            chosen: BTreeSet::new(),
            wanted: BTreeSet::new(),
            looked_at: BTreeSet::new(),
            left_out: BTreeSet::new(),
            used: BTreeSet::new(),
            warnings: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    /// What was asked for by name, and the partitions of it.
    fn roots(&mut self, wanted: &Wanted) {
        for entry in self.graph.entries {
            let kind = entry.kind.as_str();
            let own = !OF_TABLES.contains(&kind) && !OF_ENTRIES.contains(&kind) && !NEVER.contains(&kind);
            let whole = match kind {
                "SCHEMA" => wanted.schemas.contains(&entry.tag),
                "INDEX" | "STATISTICS" => false,
                _ => own && wanted.schemas.contains(&entry.schema),
            };
            let single = relation(entry).is_some_and(|name| wanted.relations.contains(&name));
            if whole || single {
                self.wanted.insert(entry.id);
            }
        }
        let mut found = true;
        while found {
            found = false;
            for (partition, parents) in &self.graph.attached {
                if parents.iter().any(|parent| self.wanted.contains(parent)) {
                    found |= self.wanted.insert(*partition);
                }
            }
        }
        self.chosen.extend(&self.wanted);
    }

    /// Whatever the chosen can't be made without, and what that can't be made without.
    fn bring_what_is_needed(&mut self) {
        let mut waiting: Vec<i64> = self.chosen.difference(&self.looked_at).copied().collect();
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.graph.by_id.get(&id).copied() else {
                continue;
            };
            if !self.looked_at.insert(id) {
                continue;
            }
            let schema = self.graph.schemas.get(entry.schema.as_str()).copied();
            let needs = entry.needs.iter().copied().chain(schema);
            for need in needs {
                if self.can_do_without(entry, need) {
                    continue;
                }
                if self.is_at_hand(need) {
                    self.used.insert(need);
                    continue;
                }
                if self.graph.by_id.contains_key(&need) && self.chosen.insert(need) {
                    waiting.push(need);
                    self.tell_of_empty(entry, need);
                }
            }
        }
    }

    /// Whether it is not restored, being there already.
    fn is_at_hand(&self, id: i64) -> bool {
        let name = self.graph.by_id.get(&id).and_then(|entry| relation(entry));
        !self.wanted.contains(&id) && name.is_some_and(|name| self.at_hand.contains(&name))
    }

    /// Whether the entry is made without what its list of needs names.
    fn can_do_without(&self, entry: &Entry, need: i64) -> bool {
        let Some(needed) = self.graph.by_id.get(&need) else {
            return true;
        };
        let kind = needed.kind.as_str();
        match entry.kind.as_str() {
            // A partition is a table of its own until it is attached.
            "TABLE" | "FOREIGN TABLE" => self
                .graph
                .attached
                .get(&entry.id)
                .is_some_and(|parents| parents.contains(&need)),
            // It is said afterwards whose a sequence is, unless it is an identity column's.
            "SEQUENCE" => kind == "TABLE" && entry.definition.trim_start().starts_with("CREATE SEQUENCE"),
            // The index of a partition stands by itself until it is attached.
            "CONSTRAINT" | "INDEX" => matches!(kind, "CONSTRAINT" | "INDEX"),
            of_entries if OF_ENTRIES.contains(&of_entries) => true,
            _ => false,
        }
    }

    fn tell_of_empty(&mut self, entry: &Entry, need: i64) {
        if let Some(needed) = self
            .graph
            .by_id
            .get(&need)
            .filter(|needed| needed.kind == "TABLE")
        {
            self.warnings.insert(format!(
                "table {} is restored without its rows, since {} can't be made without it; name it too if its rows are wanted",
                named(needed),
                self.graph.described(entry)
            ));
        }
    }

    /// What belongs to the chosen. Whether anything came.
    fn attach(&mut self) -> bool {
        let mut come = Vec::new();
        for entry in self.graph.entries {
            if self.chosen.contains(&entry.id) || self.left_out.contains(&entry.id) {
                continue;
            }
            if !self.belongs(entry) {
                continue;
            }
            match self.stranger(entry) {
                None => come.push(entry.id),
                Some(stranger) => {
                    self.left_out.insert(entry.id);
                    self.tell_of_left_out(entry, stranger);
                }
            }
        }
        self.chosen.extend(&come);
        !come.is_empty()
    }

    fn tell_of_left_out(&mut self, entry: &Entry, stranger: &Entry) {
        let (own, other) = (self.graph.described(entry), named(stranger));
        if policy::is_restrictive(entry) {
            self.refused.insert(format!(
                "{own} restricts which rows are seen and refers to {other}, which is not restored: without it more would be \
                 seen; name {other} too, or add the table to a database that has {other} (--into)"
            ));
            return;
        }
        let hidden = match entry.kind.as_str() {
            "POLICY" => ": rows that only it shows stay hidden",
            _ => "",
        };
        self.warnings.insert(format!(
            "{own} is left out, since it refers to {other}, which is not restored{hidden}"
        ));
    }

    /// Whether an entry belongs to something that is wanted; or, for what is only said of others, to anything that comes.
    fn belongs(&self, entry: &Entry) -> bool {
        match entry.kind.as_str() {
            "DEFAULT ACL" => false,
            kind if OF_TABLES.contains(&kind) || ["SEQUENCE", "INDEX", "STATISTICS"].contains(&kind) => {
                self.graph.owner(entry).is_some_and(|owner| {
                    // A domain means the same wherever it is used.
                    let of_domain = owner.kind == "DOMAIN" && self.chosen.contains(&owner.id);
                    of_domain || self.wanted.contains(&owner.id)
                })
            }
            "ACL" | "COMMENT" if entry.schema.is_empty() && entry.tag == "SCHEMA public" => {
                self.chosen.iter().any(|id| {
                    self.graph
                        .by_id
                        .get(id)
                        .is_some_and(|chosen| chosen.schema == "public")
                })
            }
            kind if OF_ENTRIES.contains(&kind) => {
                let mut there = entry
                    .needs
                    .iter()
                    .filter(|id| self.graph.by_id.contains_key(id))
                    .peekable();
                there.peek().is_some() && there.all(|id| self.chosen.contains(id))
            }
            "SEQUENCE OWNED BY" => self.graph.needed(entry, "SEQUENCE").is_some_and(|sequence| {
                self.chosen.contains(&sequence.id)
                    && self
                        .graph
                        .owner(sequence)
                        .is_some_and(|table| self.chosen.contains(&table.id))
            }),
            "MATERIALIZED VIEW DATA" => self
                .graph
                .needed(entry, "MATERIALIZED VIEW")
                .is_some_and(|view| self.chosen.contains(&view.id) && self.is_filled(view.id)),
            _ => false,
        }
    }

    /// What an entry that belongs to a table refers to, is a table or the like, and does not come with its rows. A live table
    /// will do, but not for a foreign key, which its rows might not satisfy.
    fn stranger(&self, entry: &Entry) -> Option<&'a Entry> {
        if !OF_TABLES.contains(&entry.kind.as_str()) && entry.kind != "STATISTICS" {
            return None;
        }
        let owner = self.graph.owner(entry).map(|owner| owner.id);
        let relations = entry.needs.iter().filter(|id| Some(**id) != owner);
        let mut relations = relations.filter_map(|id| self.graph.by_id.get(id).copied());
        relations.find(|needed| {
            let refers = matches!(
                needed.kind.as_str(),
                "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE"
            );
            let will_do = entry.kind != "FK CONSTRAINT" && self.is_at_hand(needed.id);
            refers && !self.wanted.contains(&needed.id) && !will_do
        })
    }

    /// Whether every table that a view stands on comes with its rows.
    fn is_filled(&self, view: i64) -> bool {
        let (mut waiting, mut seen) = (vec![view], BTreeSet::new());
        while let Some(id) = waiting.pop() {
            let Some(entry) = self.graph.by_id.get(&id).filter(|_| seen.insert(id)) else {
                continue;
            };
            match entry.kind.as_str() {
                _ if self.is_at_hand(id) => {}
                "TABLE" if !self.wanted.contains(&id) => return false,
                "TABLE" => {}
                _ => waiting.extend(&entry.needs),
            }
        }
        true
    }

    fn finish(mut self) -> Chosen {
        for (partition, parents) in &self.graph.attached {
            if self.wanted.contains(partition) && !parents.iter().any(|parent| self.wanted.contains(parent)) {
                let names = parents.iter().filter_map(|id| self.graph.by_id.get(id));
                let names: Vec<String> = names.map(|parent| named(parent)).collect();
                let partition = self
                    .graph
                    .by_id
                    .get(partition)
                    .map(|entry| named(entry))
                    .unwrap_or_default();
                self.warnings.insert(format!(
                    "{partition} becomes a table of its own: {}, whose partition it is, is not restored",
                    names.join(", ")
                ));
            }
        }
        let unfilled = self
            .graph
            .entries
            .iter()
            .filter(|entry| entry.kind == "MATERIALIZED VIEW DATA");
        let unfilled: Vec<&Entry> = unfilled
            .filter_map(|entry| self.graph.needed(entry, "MATERIALIZED VIEW"))
            .collect();
        for view in unfilled {
            if self.chosen.contains(&view.id) && !self.is_filled(view.id) {
                self.warnings.insert(format!(
                    "materialized view {} is not filled, since tables that it shows are restored without rows",
                    named(view)
                ));
            }
        }
        let of_kind = |ids: &BTreeSet<i64>, kind: &str| -> BTreeSet<ObjectName> {
            let entries = ids.iter().filter_map(|id| self.graph.by_id.get(id));
            entries
                .filter(|entry| entry.kind == kind)
                .filter_map(|entry| relation(entry))
                .collect()
        };
        let extensions = self.chosen.iter().filter_map(|id| self.graph.by_id.get(id));
        let extensions = extensions.filter(|entry| entry.kind == "EXTENSION");
        let used = self.used.iter().filter_map(|id| self.graph.by_id.get(id));
        let used = used.map(|entry| self.graph.described(entry));
        Chosen {
            used: used.collect(),
            refused: self.refused.into_iter().collect(),
            with_rows: of_kind(&self.wanted, "TABLE"),
            sequences: of_kind(&self.chosen, "SEQUENCE"),
            extensions: extensions.map(|entry| entry.tag.clone()).collect(),
            warnings: self.warnings.into_iter().collect(),
            entries: self.chosen,
        }
    }
}
