//! Restores chosen parts into a database that exists and lives on.
//!
//! Everything happens over one session in one transaction: tables, rows, counting, indexes and constraints are there when it is
//! committed, or nothing is, however it ends. Nothing that is there is changed, not even its grants or comments. A table that
//! has the name already is in the way and refused before; a type, a function, an extension or a schema that has it is used.

use std::collections::BTreeSet;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::object_choice::listed;
use dataguardian_core::stream::ObjectName;
use sqlx::PgConnection;

use super::archive::Manner;
use super::contents::Entry;
use super::graph::{is_said_of_others, named, relation};
use super::one::{One, sets_one_of};
use super::plan::Plan;
use super::{RestoreReport, RestoredDatabase, compare, load, scripts};
use crate::engines::postgres::encoding::Encoding;
use crate::engines::postgres::{connect, failure, quote};
use crate::engines::progress::Stage;

/// How many names a message has.
const SHOWN: usize = 20;
/// Where `pg_restore` and `psql` speak with each other: in a script's first and last lines.
const OUTSKIRTS: usize = 40;
/// A session speaks UTF-8, and what an `SQL_ASCII` database holds may be anything.
const NOT_UTF8: &str = "the schema has bytes that are not UTF-8, as a database with the encoding SQL_ASCII may: restore into a \
                        database of its own, with --database FROM=TO";
/// Lines there that the server is not to see: for `psql`, about an encoding that is ours to choose, or unknown to older servers.
const FOREIGN: [&str; 4] = [
    "\\restrict ",
    "\\unrestrict ",
    "SET client_encoding = ",
    "SET transaction_timeout = ",
];

/// The tables, views and sequences of a database.
pub(super) async fn relations(session: &mut PgConnection) -> Result<BTreeSet<ObjectName>, Failure> {
    const SQL: &str =
        "SELECT n.nspname::text, o.relname::text FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n
        ON n.oid = o.relnamespace WHERE o.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";
    let names: Vec<(String, String)> = sqlx::query_as(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("listing what is there"))?;
    Ok(names
        .into_iter()
        .map(|(schema, name)| ObjectName { schema, name })
        .collect())
}

/// That something is used as it is there.
pub(super) fn used(plan: &Plan, shown: &str) -> Warning {
    Warning {
        database: Some(plan.description.name.clone()),
        message: format!("{shown} is in {} already and is used as it is there", plan.to),
    }
}

/// What is not to be restored, being there already, and what to tell about it. A name that is taken is a failure.
pub(super) async fn look(
    session: &mut PgConnection,
    plan: &Plan,
    entries: &[Entry],
) -> Result<(BTreeSet<i64>, Vec<Warning>), Failure> {
    let (mut there, mut taken, mut used_ones) = (BTreeSet::new(), Vec::new(), Vec::new());
    for entry in entries {
        if !exists(session, entry).await? {
            continue;
        }
        let shown = format!("{} {}", entry.kind.to_lowercase(), named(entry));
        if relation(entry).is_some() || entry.kind == "INDEX" {
            taken.push(shown);
            continue;
        }
        there.insert(entry.id);
        if !["SCHEMA", "EXTENSION"].contains(&entry.kind.as_str()) {
            used_ones.push(shown);
        }
    }
    if !taken.is_empty() {
        let message = format!("{} has {} already", plan.to, listed(&taken, SHOWN));
        return Err(Failure::new(FailureKind::NamesTaken, message));
    }
    // Nothing is said of what is there: grants and comments stay as they are.
    let said = entries.iter().filter(|entry| {
        let of_schema = entry.schema.is_empty() && entry.tag == "SCHEMA public";
        is_said_of_others(entry) && (of_schema || entry.needs.iter().any(|need| there.contains(need)))
    });
    let said: Vec<i64> = said.map(|entry| entry.id).collect();
    there.extend(said);
    let warnings = used_ones.iter().map(|shown| used(plan, shown)).collect();
    Ok((there, warnings))
}

/// Whether something of that kind and name is there. What can't be found out shows when it is made, and undoes all.
async fn exists(session: &mut PgConnection, entry: &Entry) -> Result<bool, Failure> {
    const RELATION: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n
        ON n.oid = o.relnamespace WHERE n.nspname = $1 AND o.relname = $2)";
    const TYPE: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_type o JOIN pg_catalog.pg_namespace n
        ON n.oid = o.typnamespace WHERE n.nspname = $1 AND o.typname = $2)";
    const FUNCTION: &str = "SELECT EXISTS (SELECT FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace n
        ON n.oid = o.pronamespace WHERE n.nspname = $1
        AND o.proname || '(' || pg_catalog.oidvectortypes(o.proargtypes) || ')' = $2)";
    const SCHEMA: &str =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $2 AND $1 <> '-')";
    const EXTENSION: &str =
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = $2 AND $1 <> '-')";
    let sql = match entry.kind.as_str() {
        "INDEX" => RELATION,
        "TYPE" | "DOMAIN" | "SHELL TYPE" => TYPE,
        "FUNCTION" | "PROCEDURE" | "AGGREGATE" => FUNCTION,
        "SCHEMA" => SCHEMA,
        "EXTENSION" => EXTENSION,
        _ if relation(entry).is_some() => RELATION,
        _ => return Ok(false),
    };
    sqlx::query_scalar(sql)
        .bind(&entry.schema)
        .bind(&entry.tag)
        .fetch_one(session)
        .await
        .map_err(failure::at("looking for names that are taken"))
}

impl One<'_> {
    /// Restores into the database of the plan, which lives on.
    pub(super) async fn restore_into(&self, report: &mut RestoreReport) -> Result<(), Failure> {
        let Self {
            run, request, plan, ..
        } = self;
        let name = || plan.description.name.clone();
        let mut session = run.connect(&plan.to).await?;
        // Its one commit is all that the database's owner will hear: it is as durable as the server makes commits.
        load::let_triggers_rest(&mut session).await?;
        execute(&mut session, "BEGIN".to_owned(), "beginning").await?;
        run.stage(Stage::Schema { database: name() });
        self.run_section(&mut session, "pre-data", report).await?;
        run.stage(Stage::Rows {
            database: name(),
            tables: plan.tables.len(),
            bytes: plan.bytes,
        });
        load::load_within(&mut session, &request.source, &plan.tables).await?;
        if let Some(stream) = plan.sequences {
            let wanted = |statement: &str| sets_one_of(statement, plan.sequence_statements.as_ref());
            let what = "setting the sequences";
            scripts::run(&mut session, &*request.source, stream, &wanted, what).await?;
        }
        run.stage(Stage::Comparing { database: name() });
        report
            .tables
            .extend(compare::count_within(&mut session, plan).await?);
        run.stage(Stage::Indexing { database: name() });
        self.run_section(&mut session, "post-data", report).await?;
        execute(&mut session, "COMMIT".to_owned(), "committing").await?;
        report.databases.push(RestoredDatabase {
            from: name(),
            to: plan.to.clone(),
            kept: true,
            bytes: plan.row_bytes(),
        });
        for table in &plan.tables {
            let sql = format!(
                "ANALYZE {}",
                quote::qualified(&table.name.schema, &table.name.name)
            );
            if let Err(failure) = execute(&mut session, sql, "gathering statistics").await {
                report.warnings.push(Warning {
                    database: Some(name()),
                    message: format!("no statistics were gathered for {}: {failure}", table.name),
                });
            }
        }
        connect::close(session).await;
        Ok(())
    }

    async fn run_section(
        &self,
        session: &mut PgConnection,
        section: &str,
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        let manner = Manner {
            no_owner: self.request.no_owner,
            no_tablespaces: self.findings.no_tablespaces,
            jobs: 1,
        };
        let Some((script, tool)) = self.archive.script(self.run, section, manner).await? else {
            return Ok(());
        };
        report.tools.push(tool);
        let encoding = self.plan.description.encoding.as_deref().unwrap_or("UTF8");
        let encoding = Encoding::named(encoding);
        if encoding.is_as_it_comes() && std::str::from_utf8(&script).is_err() {
            return Err(Failure::new(FailureKind::ChoiceUnfit, NOT_UTF8));
        }
        let script = encoding.decode(session, &script).await?;
        let what = format!("restoring the {section} of the schema");
        execute(session, without_foreign_lines(&script), &what).await
    }
}

/// A script of `pg_restore` without what is not for the server.
fn without_foreign_lines(script: &str) -> String {
    let count = script.lines().count();
    let kept = script.lines().enumerate().filter(|(number, line)| {
        let outskirts = *number < OUTSKIRTS || number + OUTSKIRTS >= count;
        !(outskirts && FOREIGN.iter().any(|beginning| line.starts_with(beginning)))
    });
    kept.flat_map(|(_, line)| [line, "\n"]).collect()
}

async fn execute(session: &mut PgConnection, sql: String, what: &str) -> Result<(), Failure> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(session)
        .await
        .map(|_| ())
        .map_err(failure::at(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_keep_their_lines() {
        let filler = "SELECT 1;\n".repeat(2 * OUTSKIRTS);
        let body = "\\restrict inside a body\n";
        let script =
            format!("\\restrict x\nSET client_encoding = 'UTF8';\n{filler}{body}{filler}\\unrestrict x\n");
        assert_eq!(without_foreign_lines(&script), format!("{filler}{body}{filler}"));
    }
}
