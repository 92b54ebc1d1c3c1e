//! What a restore brought back, or would bring back, as people read it.

use std::time::Duration;

use dataguardian_core::object_choice::ObjectPath;
use dataguardian_proto::v1;

use super::table::{Field, List, Look};
use super::text::{self, bytes, count, counted};

const RESTORED: List<5> = List {
    titles: ["database", "restored as", "tables", "rows", "now"],
    spare: &["tables"],
    none: "",
};

const PLANNED: List<5> = List {
    titles: ["database", "to be restored as", "tables", "rows", "bytes"],
    spare: &["tables"],
    none: "",
};

const PLANNED_TABLES: List<2> = List {
    titles: ["table", "rows"],
    spare: &[],
    none: "",
};

/// How many tables of a plan are shown: of each database the largest come first.
const TABLES_SHOWN: usize = 20;

/// Restores that moved less tell nothing about a server's pace.
const TELLING: u64 = 8 << 20;

/// Which databases came back as what, and whether every row did; or what would come back.
pub(super) fn restored(report: &v1::RestoreReport, look: Look) -> String {
    match report.planned {
        true => planned(report, look),
        false => done(report, look),
    }
}

fn done(report: &v1::RestoreReport, look: Look) -> String {
    let row = |database: &v1::RestoredDatabase| {
        [
            Field::text(&database.from),
            Field::text(&database.to),
            Field::number(count(database.tables)),
            Field::number(count(database.rows)),
            Field::text(if database.dropped {
                "compared and dropped"
            } else {
                "there"
            }),
        ]
    };
    let mut text = RESTORED.show(look, &report.databases.iter().map(row).collect::<Vec<_>>());
    let wrong: Vec<_> = report
        .tables
        .iter()
        .filter(|table| table.expected_rows != table.restored_rows)
        .collect();
    for table in &wrong {
        text += &format!(
            "{}: {} restored, {} expected\n",
            text::cell(&name(table)),
            counted(table.restored_rows, "row", "rows"),
            count(table.expected_rows),
        );
    }
    if wrong.is_empty() && !report.tables.is_empty() {
        text += "Every table has as many rows as when it was backed up.\n";
    }
    text
}

/// A table's name as `--table` takes it.
fn name(table: &v1::RestoredTable) -> String {
    ObjectPath::of(&[&table.database, &table.schema, &table.name]).to_string()
}

fn planned(report: &v1::RestoreReport, look: Look) -> String {
    let database = |database: &v1::RestoredDatabase| {
        [
            Field::text(&database.from),
            Field::text(&database.to),
            Field::number(count(database.tables)),
            Field::number(count(database.rows)),
            Field::number(bytes(database.bytes)),
        ]
    };
    let table = |table: &v1::RestoredTable| {
        [
            Field::text(&name(table)),
            Field::number(count(table.expected_rows)),
        ]
    };
    let mut text = PLANNED.show(look, &report.databases.iter().map(database).collect::<Vec<_>>());
    let shown: Vec<_> = report.tables.iter().take(TABLES_SHOWN).map(table).collect();
    if !shown.is_empty() {
        text += &format!("\n{}", PLANNED_TABLES.show(look, &shown));
    }
    let all: u64 = report.databases.iter().map(|database| database.tables).sum();
    match all.saturating_sub(shown.len().try_into().unwrap_or(u64::MAX)) {
        0 => {}
        more => text += &format!("and {}\n", counted(more, "more table", "more tables")),
    }
    text + "Nothing stands in the way, as far as can be told beforehand. Nothing was restored.\n"
}

/// How long what is planned would take at the pace of the restores before it.
pub(crate) fn estimate(planned: &v1::RestoreReport, earlier: &[v1::Execution]) -> String {
    let size: u64 = planned.databases.iter().map(|database| database.bytes).sum();
    match Pace::of(earlier) {
        None => {
            "How long it would take is not known: no restore into there has moved 8 MiB yet.\n".to_owned()
        }
        Some(pace) => format!(
            "It would take about {}: {} into there ran at {}/s.\n",
            text::length(pace.takes(size)),
            counted(pace.restores, "restore", "restores"),
            bytes(pace.per_second()),
        ),
    }
}

/// What restores have moved in what time.
struct Pace {
    restores: u64,
    bytes: u64,
    time: Duration,
}

impl Pace {
    /// Of completed restores that moved enough to tell; none if there are none.
    fn of(executions: &[v1::Execution]) -> Option<Self> {
        let mut pace = Self {
            restores: 0,
            bytes: 0,
            time: Duration::ZERO,
        };
        for execution in executions {
            let moved = execution
                .progress
                .as_ref()
                .map_or(0, |progress| progress.raw_bytes);
            let is_real = execution.kind() == v1::ExecutionKind::Restore
                && !execution.plan_only
                && execution.state() == v1::ExecutionState::Completed;
            let ended = execution
                .ended_at
                .as_ref()
                .filter(|_| is_real && moved >= TELLING);
            if let Some(took) =
                ended.and_then(|ended| text::between(execution.started_at.as_ref(), Some(ended)))
            {
                pace.restores += 1;
                pace.bytes = pace.bytes.saturating_add(moved);
                pace.time = pace.time.saturating_add(took);
            }
        }
        (!pace.time.is_zero()).then_some(pace)
    }

    fn per_second(&self) -> u64 {
        let millis = self.time.as_millis().max(1);
        u64::try_from(u128::from(self.bytes) * 1000 / millis).unwrap_or(u64::MAX)
    }

    fn takes(&self, size: u64) -> Duration {
        let millis = u128::from(size) * self.time.as_millis() / u128::from(self.bytes.max(1));
        Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)).max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(tables: u64) -> v1::RestoreReport {
        v1::RestoreReport {
            databases: vec![v1::RestoredDatabase {
                from: "shop".into(),
                to: "shop_restored".into(),
                dropped: false,
                tables,
                rows: 1_200_000,
                bytes: 64 << 20,
            }],
            tables: (0..tables)
                .map(|number| v1::RestoredTable {
                    database: "shop".into(),
                    schema: "public".into(),
                    name: format!("t{number}"),
                    expected_rows: 100 - number,
                    restored_rows: 0,
                })
                .collect(),
            rows: 1_200_000,
            planned: true,
        }
    }

    fn ran(mebibytes: u64, seconds: i64, plan_only: bool) -> v1::Execution {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        v1::Execution {
            kind: v1::ExecutionKind::Restore.into(),
            state: v1::ExecutionState::Completed.into(),
            started_at: at(1_795_482_000),
            ended_at: at(1_795_482_000 + seconds),
            progress: Some(v1::Progress {
                raw_bytes: mebibytes << 20,
                ..Default::default()
            }),
            plan_only,
            ..Default::default()
        }
    }

    #[test]
    fn a_plan_shows_what_would_come_back() {
        insta::assert_snapshot!(restored(&plan(22), Look::PLAIN));
    }

    #[test]
    fn a_plan_takes_as_long_as_restores_before_it_would_have_taken() {
        let earlier = [
            ran(100, 10, false),
            ran(60, 10, false),
            ran(1, 3600, false),
            ran(900, 1, true),
        ];
        assert_eq!(
            estimate(&plan(1), &earlier),
            "It would take about 8.0 s: 2 restores into there ran at 8.0 MiB/s.\n"
        );
        assert!(estimate(&plan(1), &earlier[2..]).contains("not known"));
    }
}
