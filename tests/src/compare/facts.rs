//! What was found out about a database: named facts of several kinds, each a text that is equal or not.

use std::{collections::BTreeMap, fmt};

/// What a fact is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Kind {
    Database,
    Schema,
    Table,
    MaterializedView,
    Sequence,
    LargeObject,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Table => "rows of table",
            Self::MaterializedView => "materialised view",
            Self::Sequence => "sequence",
            Self::LargeObject => "large object",
        })
    }
}

/// Everything found out about one database.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) all: BTreeMap<(Kind, String), String>,
    /// Rows read, of tables and materialised views.
    pub(super) rows: u64,
}

impl Facts {
    pub(super) fn add(&mut self, kind: Kind, name: String, value: String) {
        self.all.insert((kind, name), value);
    }

    pub(super) fn count(&self, kind: Kind) -> usize {
        self.all.keys().filter(|(of, _)| *of == kind).count()
    }
}
