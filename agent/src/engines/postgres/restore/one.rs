//! The restore of one database, up to the point where it only has to be put in its place.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;
use dataguardian_failpoints::failpoint;
use sqlx::PgConnection;

use super::archive::{Archive, Manner};
use super::halfway::{self, Halfway, Made};
use super::plan::Plan;
use super::precheck::Findings;
use super::{
    RestoreMode, RestoreReport, RestoreRequest, RestoredDatabase, compare, create, load, scripts, statistics,
};
use crate::engines::postgres::run::Run;
use crate::engines::postgres::server::Server;
use crate::engines::postgres::{connect, large_objects};
use crate::engines::progress::Stage;

/// One database of a restore, with all that is known about it.
pub(super) struct One<'a> {
    pub(super) run: &'a Run,
    pub(super) request: &'a RestoreRequest,
    pub(super) findings: &'a Findings,
    pub(super) plan: &'a Plan,
    pub(super) archive: Archive,
}

impl One<'_> {
    /// Makes it beside, fills it, compares it. A scratch database that nobody wants to keep is dropped again; any other one
    /// is given back, to be put in its place.
    pub(super) async fn restore(
        &self,
        session: &mut PgConnection,
        server: &Server,
        halfway: &Halfway,
        report: &mut RestoreReport,
    ) -> Result<Option<Made>, Failure> {
        let Self { request, plan, .. } = self;
        let tablespaces = !self.findings.no_tablespaces;
        let made = create::create(session, request, server, plan, tablespaces, halfway).await?;
        failpoint!(RestoreCreated);
        let mut inside = self.run.connect(&plan.beside).await?;
        let warnings = create::apply_settings(&mut inside, plan, &self.findings.missing_roles).await?;
        connect::close(inside).await;
        report.warnings.extend(warnings);
        self.fill(report).await?;
        report
            .warnings
            .extend(create::complete(session, request, plan).await?);
        let kept = request.mode != (RestoreMode::Scratch { keep: false });
        report.databases.push(RestoredDatabase {
            from: plan.description.name.clone(),
            to: plan.to.clone(),
            kept,
            bytes: plan.row_bytes(),
        });
        if kept {
            return Ok(Some(made));
        }
        halfway::drop_database(self.run, session, &made.name).await?;
        halfway.done(&made.name);
        Ok(None)
    }

    async fn fill(&self, report: &mut RestoreReport) -> Result<(), Failure> {
        let Self {
            run, request, plan, ..
        } = self;
        let name = || plan.description.name.clone();
        let manner = Manner {
            no_owner: request.no_owner,
            no_tablespaces: self.findings.no_tablespaces,
            jobs: 1,
        };
        run.stage(Stage::Schema { database: name() });
        report.tools.push(
            self.archive
                .restore(run, "pre-data", &plan.beside, manner)
                .await?,
        );
        run.stage(Stage::Rows {
            database: name(),
            tables: plan.tables.len(),
            bytes: plan.row_bytes(),
        });
        let spread = load::load(run, &plan.beside, &request.source, &plan.tables, request.jobs).await?;
        self.run_scripts().await?;
        run.stage(Stage::Comparing { database: name() });
        report
            .tables
            .extend(compare::count_tables(run, plan, &spread, request.jobs).await?);
        run.stage(Stage::Indexing { database: name() });
        failpoint!(RestoreBeforeIndexes);
        let manner = Manner {
            jobs: request.jobs,
            ..manner
        };
        // Made before the event triggers come: those that fire at a login would fire on it.
        let mut session = run.connect(&plan.beside).await?;
        report.tools.push(
            self.archive
                .restore(run, "post-data", &plan.beside, manner)
                .await?,
        );
        report
            .warnings
            .extend(statistics::gather(&mut session, &plan.description.name).await?);
        connect::close(session).await;
        Ok(())
    }

    async fn run_scripts(&self) -> Result<(), Failure> {
        let Self {
            run, request, plan, ..
        } = self;
        let mut session = run.connect(&plan.beside).await?;
        if let Some(stream) = plan.sequences {
            scripts::run(
                &mut session,
                &*request.source,
                stream,
                &|statement| sets_one_of(statement, plan.sequence_statements.as_ref()),
                "setting the sequences",
            )
            .await?;
        }
        if let Some(stream) = plan.large_objects {
            run.stage(Stage::LargeObjects {
                database: plan.description.name.clone(),
            });
            let without: &[&str] = if request.no_owner {
                &large_objects::OWNERSHIP
            } else {
                &[]
            };
            scripts::run(
                &mut session,
                &*request.source,
                stream,
                &|statement| !without.iter().any(|beginning| statement.starts_with(beginning)),
                "restoring large objects",
            )
            .await?;
            compare::count_large_objects(&mut session, &*request.source, stream).await?;
        }
        connect::close(session).await;
        Ok(())
    }
}

/// Whether a statement of the stream of sequences is about one that is restored.
pub(super) fn sets_one_of(statement: &str, restored: Option<&BTreeSet<String>>) -> bool {
    // Behind the last two commas are the value and whether it was used.
    let beginning = statement.rsplitn(3, ", ").nth(2);
    restored.is_none_or(|restored| beginning.is_some_and(|beginning| restored.contains(beginning)))
}
