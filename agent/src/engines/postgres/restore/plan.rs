//! What is to be restored where: the streams of each database, sorted by what they are for.

use std::collections::BTreeSet;

use dataguardian_core::database::{DatabaseDescription, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamRole;

use super::{RestoreMode, RestoreReport, RestoreRequest};
use crate::engines::StoredStream;
use crate::engines::postgres::server::Server;
use crate::engines::restore::planned::{self, PlannedDatabase, PlannedTable};

/// The longest name, in bytes (`NAMEDATALEN` - 1).
const LONGEST_NAME: usize = 63;

/// One database to restore.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) description: DatabaseDescription,
    /// The name that it gets in the end.
    pub(super) to: String,
    /// The name under which it is made.
    pub(super) beside: String,
    /// The stream of the schema archive.
    pub(super) archive: usize,
    /// The streams of rows, the longest first.
    pub(super) tables: Vec<PlannedTable>,
    pub(super) sequences: Option<usize>,
    /// How the only statements begin that set a sequence, if not all are restored.
    pub(super) sequence_statements: Option<BTreeSet<String>>,
    pub(super) large_objects: Option<usize>,
    /// All streams' length.
    pub(super) bytes: u64,
}

impl Plan {
    /// How long the rows are.
    pub(super) fn row_bytes(&self) -> u64 {
        planned::row_bytes(&self.tables)
    }
}

/// What would be restored, for a request that wants to know no more.
pub(super) fn report(
    request: &RestoreRequest,
    server: &Server,
    plans: &[Plan],
    warnings: Vec<Warning>,
) -> RestoreReport {
    let databases = plans.iter().map(|plan| PlannedDatabase {
        from: &plan.description.name,
        to: &plan.to,
        tables: &plan.tables,
    });
    planned::report(request, &server.version, databases, warnings)
}

/// Plans every database of the request. `suffix` makes fresh names.
pub(super) fn plan(request: &RestoreRequest, suffix: &str) -> Result<Vec<Plan>, Failure> {
    let mut taken = BTreeSet::new();
    let mut plans = Vec::new();
    for description in &request.databases {
        let to = final_name(request, description, suffix);
        if to.is_empty() || to.len() > LONGEST_NAME || to.contains('\0') {
            return Err(unfit(format!(
                "{to:?} can't be the name of a database, which has 1 to {LONGEST_NAME} bytes"
            )));
        }
        if !taken.insert(to.clone()) && request.mode != RestoreMode::Into {
            return Err(unfit(format!("two databases are to be restored as {to:?}")));
        }
        plans.push(plan_one(request.source.streams(), description, to, suffix)?);
    }
    if plans.is_empty() {
        return Err(unfit("no database is named".to_owned()));
    }
    Ok(plans)
}

fn final_name(request: &RestoreRequest, description: &DatabaseDescription, suffix: &str) -> String {
    let name = request.names.get(&description.name).unwrap_or(&description.name);
    match request.mode {
        RestoreMode::Scratch { .. } => shortened("dg_scratch_", name, &format!("_{suffix}")),
        RestoreMode::CreateNew | RestoreMode::Replace => name.clone(),
        RestoreMode::Into => request.into.clone().unwrap_or_default(),
    }
}

fn plan_one(
    streams: &[StoredStream],
    description: &DatabaseDescription,
    to: String,
    suffix: &str,
) -> Result<Plan, Failure> {
    let own =
        |(_, stream): &(usize, &StoredStream)| stream.header.database.as_ref() == Some(&description.name);
    let of_role = |role: StreamRole| {
        streams
            .iter()
            .enumerate()
            .filter(own)
            .filter(move |(_, stream)| stream.header.role == role)
    };
    let Some((archive, _)) = of_role(StreamRole::SchemaArchive).next() else {
        return Err(Failure::new(
            FailureKind::RepositoryDamaged,
            format!(
                "the backup has no schema archive of database {}",
                description.name
            ),
        ));
    };
    let mut tables = Vec::new();
    for (stream, stored) in of_role(StreamRole::TableData) {
        let (Some(name), Some(rows)) = (stored.header.object.clone(), stored.end.rows) else {
            return Err(Failure::new(
                FailureKind::RepositoryDamaged,
                format!("stream {stream} holds the rows of no table, or does not count them"),
            ));
        };
        tables.push(PlannedTable {
            stream,
            name,
            bytes: stored.bytes,
            rows,
        });
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    Ok(Plan {
        beside: shortened("", &to, &format!("_dg_new_{suffix}")),
        to,
        archive,
        tables,
        sequence_statements: None,
        sequences: of_role(StreamRole::Sequences).next().map(|(index, _)| index),
        large_objects: of_role(StreamRole::LargeObjects).next().map(|(index, _)| index),
        bytes: streams
            .iter()
            .enumerate()
            .filter(own)
            .map(|(_, stream)| stream.bytes)
            .sum(),
        description: description.clone(),
    })
}

/// The name between a beginning and an end, cut so that the whole is no longer than a name may be.
pub(super) fn shortened(beginning: &str, name: &str, end: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(beginning.len() + end.len());
    let mut cut = name.len().min(room);
    while !name.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{beginning}{}{end}", &name[..cut])
}

pub(super) fn unfit(message: String) -> Failure {
    Failure::new(FailureKind::TargetUnfit, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(shortened("a_", "shop", "_z"), "a_shop_z");
        let long = shortened("", &"ä".repeat(40), "_dg_new_1");
        assert!(
            long.len() <= LONGEST_NAME && long.ends_with("ä_dg_new_1"),
            "{long}"
        );
    }
}
