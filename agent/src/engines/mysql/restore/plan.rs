//! What is to be restored where: the streams of each database, sorted by what they are for.

use std::collections::BTreeSet;

use dataguardian_core::database::{DatabaseDescription, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamRole;

use super::part::Part;
use crate::engines::StoredStream;
use crate::engines::mysql::server::Server;
use crate::engines::restore::planned::{self, PlannedDatabase, PlannedTable};
use crate::engines::restore::{RestoreMode, RestoreReport, RestoreRequest};

/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// One database to restore.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) description: DatabaseDescription,
    /// The name that it gets in the end.
    pub(super) to: String,
    /// The name under which it is made: another one only if one of that name is to be replaced.
    pub(super) beside: String,
    /// The name under which the one that is replaced waits until all is well.
    pub(super) old: String,
    pub(super) before: usize,
    /// The streams of rows, the longest first.
    pub(super) tables: Vec<PlannedTable>,
    pub(super) after: usize,
    /// What is restored of the schema, if not all of it.
    pub(super) part: Option<Part>,
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
        let name = request.names.get(&description.name).unwrap_or(&description.name);
        let to = match request.mode {
            RestoreMode::Scratch { .. } => shortened("dg_scratch_", name, &format!("_{suffix}")),
            RestoreMode::CreateNew | RestoreMode::Replace => name.clone(),
            RestoreMode::Into => request.into.clone().unwrap_or_default(),
        };
        // A name may not end with a space, and characters beyond the basic plane are not taken.
        let fits = !to.is_empty() && to.chars().count() <= LONGEST_NAME && !to.ends_with(' ');
        if !fits || to.chars().any(|c| c == '\0' || u32::from(c) > 0xFFFF) {
            return Err(unfit(format!(
                "{to:?} can't be the name of a database, which has 1 to {LONGEST_NAME} characters, no space at its end and \
                 nothing beyond the basic plane of Unicode"
            )));
        }
        if !taken.insert(to.clone()) && request.mode != RestoreMode::Into {
            return Err(unfit(format!("two databases are to be restored as {to:?}")));
        }
        plans.push(plan_one(request, description, to, suffix)?);
    }
    if plans.is_empty() {
        return Err(unfit("no database is named".to_owned()));
    }
    Ok(plans)
}

fn plan_one(
    request: &RestoreRequest,
    description: &DatabaseDescription,
    to: String,
    suffix: &str,
) -> Result<Plan, Failure> {
    let streams = request.source.streams();
    let of_role = |role: StreamRole| {
        let own = move |(_, stream): &(usize, &StoredStream)| {
            stream.header.database.as_ref() == Some(&description.name) && stream.header.role == role
        };
        streams.iter().enumerate().filter(own)
    };
    let damaged = |what: &str| {
        let message = format!("the backup has no {what} of database {}", description.name);
        Failure::new(FailureKind::RepositoryDamaged, message)
    };
    let one = |role: StreamRole, what: &str| {
        of_role(role)
            .next()
            .map(|(index, _)| index)
            .ok_or_else(|| damaged(what))
    };
    let mut tables = Vec::new();
    for (stream, stored) in of_role(StreamRole::TableData) {
        let (Some(name), Some(rows)) = (stored.header.object.clone(), stored.end.rows) else {
            return Err(damaged("name or count of a table's rows"));
        };
        tables.push(PlannedTable {
            stream,
            name,
            bytes: stored.bytes,
            rows,
        });
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes));
    let beside = match request.mode {
        RestoreMode::Replace | RestoreMode::Into => shortened("", &to, &format!("_dg_new_{suffix}")),
        RestoreMode::CreateNew | RestoreMode::Scratch { .. } => to.clone(),
    };
    Ok(Plan {
        beside,
        old: shortened("", &to, &format!("_dg_old_{suffix}")),
        to,
        before: one(StreamRole::SchemaBeforeData, "schema")?,
        tables,
        after: one(StreamRole::SchemaAfterData, "rest of the schema")?,
        part: None,
        description: description.clone(),
    })
}

/// The name between a beginning and an end, cut so that the whole is no longer than a name may be.
fn shortened(beginning: &str, name: &str, end: &str) -> String {
    let room = LONGEST_NAME.saturating_sub(beginning.chars().count() + end.chars().count());
    let cut: String = name.chars().take(room).collect();
    format!("{beginning}{cut}{end}")
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
        let long = shortened("", &"ä".repeat(80), "_dg_new_1");
        assert!(
            long.chars().count() == LONGEST_NAME && long.ends_with("ä_dg_new_1"),
            "{long}"
        );
    }
}
