//! What a dump leaves out because its job says so, settled so that what remains can be restored.
//!
//! A left-out table that a view needs, or a sequence that a column's default needs, stays, though without rows: what refers to
//! it could not be made again, and the restore would fail on it years later. Foreign keys to what is left out stay: restores
//! do not check them, which is told.

use std::collections::BTreeSet;

use dataguardian_core::database::{LeftOut, Warning, listed, told_of_unmatched};
use dataguardian_core::failure::Failure;
use sqlx::mysql::MySqlConnection;

use super::connect::ask;
use super::describe::{self, Relation};
use super::quote;
use crate::engines::patterns::Patterns;

/// What a dump is asked to leave out.
#[derive(Debug, Clone)]
pub(super) struct Exclusions {
    pub(super) tables: Patterns,
    pub(super) rows: Patterns,
}

/// A table's database and its name.
pub(super) type Name = (String, String);

/// What is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Tables and views that are left out altogether.
    pub(super) tables: BTreeSet<Name>,
    /// Tables whose rows are left out.
    pub(super) rows: BTreeSet<Name>,
    /// What was to be left out altogether and stays, with what needs it.
    kept: Vec<(Name, Name)>,
}

/// A view, or a column's default, that may refer to tables.
#[derive(Debug, Clone)]
struct Definition {
    of: Name,
    /// As the server keeps it: every name in backticks, and with its database's.
    text: String,
}

/// Settles what is left out of the databases.
pub(super) async fn settle(
    session: &mut MySqlConnection,
    databases: &[String],
    relations: &[Relation],
    exclusions: &Exclusions,
) -> Result<(Settled, Vec<Warning>), Failure> {
    if exclusions.tables.is_empty() && exclusions.rows.is_empty() {
        return Ok((Settled::default(), Vec::new()));
    }
    let chosen = describe::listed(databases);
    let definitions = definitions(session, &chosen).await?;
    let settled = among(relations, &definitions, exclusions);
    let mut warnings = settled.warnings(databases);
    let keys = foreign_keys(session, &chosen, &settled).await?;
    let names = || {
        relations
            .iter()
            .map(|relation| (&*relation.database, &*relation.name))
    };
    let mut unmatched = exclusions.tables.unmatched(names());
    unmatched.extend(exclusions.rows.unmatched(names()));
    warnings.extend(told_of_unmatched(&unmatched));
    warnings.extend(listed(&keys).map(|keys| Warning {
        database: None,
        message: format!("foreign keys to what is left out stay, and no restore checks them: {keys}"),
    }));
    Ok((settled, warnings))
}

fn among(relations: &[Relation], definitions: &[Definition], exclusions: &Exclusions) -> Settled {
    let matching = |patterns: &Patterns| -> BTreeSet<Name> {
        let matching = relations
            .iter()
            .filter(|relation| patterns.matches(&relation.database, &relation.name));
        matching
            .map(|relation| (relation.database.clone(), relation.name.clone()))
            .collect()
    };
    let mut settled = Settled {
        tables: matching(&exclusions.tables),
        rows: matching(&exclusions.rows),
        kept: Vec::new(),
    };
    loop {
        let stays = |definition: &&Definition| !settled.tables.contains(&definition.of);
        let needed = settled.tables.iter().find_map(|name| {
            let shown = format!("{}.{}", quote::name(&name.0), quote::name(&name.1));
            let mut staying = definitions.iter().filter(stays);
            let needing = staying.find(|definition| definition.text.contains(&shown))?;
            Some((name.clone(), needing.of.clone()))
        });
        let Some((name, because)) = needed else { break };
        settled.tables.remove(&name);
        settled.rows.insert(name.clone());
        settled.kept.push((name, because));
    }
    let views: BTreeSet<Name> = relations
        .iter()
        .filter(|relation| relation.is_view)
        .map(|relation| (relation.database.clone(), relation.name.clone()))
        .collect();
    settled
        .rows
        .retain(|name| !settled.tables.contains(name) && !views.contains(name));
    settled
}

impl Settled {
    /// For a database's description.
    pub(super) fn left_out(&self, database: &str) -> LeftOut {
        let names = |names: &BTreeSet<Name>| {
            let own = names.iter().filter(|name| name.0 == database);
            own.map(|name| name.1.clone()).collect()
        };
        LeftOut {
            tables: names(&self.tables),
            rows: names(&self.rows),
            archive_entries: Vec::new(),
        }
    }

    fn warnings(&self, databases: &[String]) -> Vec<Warning> {
        let told = databases.iter().filter_map(|database| {
            Some(Warning {
                database: Some(database.clone()),
                message: self.left_out(database).told()?,
            })
        });
        let kept = self.kept.iter().map(|(name, because)| Warning {
            database: Some(name.0.clone()),
            message: {
                let without = match self.rows.contains(name) {
                    true => ", though without rows",
                    false => "",
                };
                format!(
                    "{} is not left out{without}, since {}.{} needs it",
                    name.1, because.0, because.1
                )
            },
        });
        told.chain(kept).collect()
    }
}

async fn definitions(session: &mut MySqlConnection, chosen: &str) -> Result<Vec<Definition>, Failure> {
    let sql = format!(
        "SELECT table_schema, table_name, view_definition FROM information_schema.views WHERE table_schema IN ({chosen}) \
         UNION ALL SELECT table_schema, table_name, column_default FROM information_schema.columns \
         WHERE table_schema IN ({chosen}) AND column_default LIKE '%nextval(%'"
    );
    let rows = ask(session, sql, "reading what needs left-out tables").await?;
    let definition = |row: &super::connect::TextRow| Definition {
        of: (row.text(0), row.text(1)),
        text: row.text(2),
    };
    Ok(rows.iter().map(definition).collect())
}

/// Foreign keys of tables with rows to what has none, or is not there.
async fn foreign_keys(
    session: &mut MySqlConnection,
    chosen: &str,
    settled: &Settled,
) -> Result<Vec<String>, Failure> {
    let sql = format!(
        "SELECT constraint_schema, table_name, unique_constraint_schema, referenced_table_name, constraint_name \
         FROM information_schema.referential_constraints WHERE constraint_schema IN ({chosen}) ORDER BY 1, 2, 5"
    );
    let rows = ask(session, sql, "looking for foreign keys to left-out rows").await?;
    let dangling = rows.iter().filter(|row| {
        let (table, referred) = ((row.text(0), row.text(1)), (row.text(2), row.text(3)));
        let lacking = |name: &Name| settled.tables.contains(name) || settled.rows.contains(name);
        lacking(&referred) && !lacking(&table)
    });
    Ok(dangling
        .map(|row| {
            let [schema, table, other, referred, name] = [0, 1, 2, 3, 4].map(|column| row.text(column));
            format!("{name} of {schema}.{table} to {other}.{referred}")
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(tables: &[&str], rows: &[&str]) -> Settled {
        let relation = |name: &str| {
            let mut relation = Relation::table("shop", name);
            relation.is_view = ["newest", "report"].contains(&name);
            relation
        };
        let relations = ["item", "sale", "log", "newest", "report"].map(relation);
        let view = |name: &str, text: &str| Definition {
            of: ("shop".into(), name.into()),
            text: text.into(),
        };
        let definitions = [
            view("newest", "select `shop`.`log`.`id` AS `id` from `shop`.`log`"),
            view("report", "select `newest`.`id` AS `id` from `shop`.`newest`"),
        ];
        let patterns = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|&text| text.into()).collect();
            Patterns::new(&texts).unwrap()
        };
        let exclusions = Exclusions {
            tables: patterns(tables),
            rows: patterns(rows),
        };
        among(&relations, &definitions, &exclusions)
    }

    fn names(of: &BTreeSet<Name>) -> Vec<&str> {
        of.iter().map(|name| name.1.as_str()).collect()
    }

    #[test]
    fn what_nothing_needs_is_left_out() {
        let settled = settled(&["shop.log", "new*", "report"], &["item", "log"]);
        assert_eq!(names(&settled.tables), ["log", "newest", "report"]);
        assert_eq!(names(&settled.rows), ["item"]);
        assert!(settled.kept.is_empty());
    }

    #[test]
    fn what_a_view_needs_stays_without_rows() {
        let settled = settled(&["log", "newest"], &[]);
        assert!(settled.tables.is_empty());
        assert_eq!(names(&settled.rows), ["log"]);
        let told: Vec<String> = settled
            .warnings(&["shop".into()])
            .into_iter()
            .map(|warning| warning.message)
            .collect();
        assert_eq!(
            told,
            [
                "left out, as the job says: the rows of log",
                "newest is not left out, since shop.report needs it",
                "log is not left out, though without rows, since shop.newest needs it",
            ]
        );
    }
}
