//! A restore: databases from streams.
//!
//! Whatever can be found out before anything is touched is found out before. A database is always made anew, marked as ours
//! until it is whole, and dropped if anything fails. [`RestoreMode::Replace`] makes it beside the live one; only when all are
//! filled, counted and complete are they put in place ([`swap`]).

use std::sync::Arc;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::mysql::MySqlConnection;
use tokio_util::sync::CancellationToken;

use super::run::{Programs, Run};
use super::server::Server;
use super::sessions::Registry;
use super::{clients, connect};
use crate::engines::progress::{Progress, Stage};
use crate::engines::restore::{RestoreMode, RestoreReport, RestoreRequest, RestoredDatabase};

mod compare;
mod halfway;
mod load;
mod objects;
mod part;
mod plan;
mod precheck;
mod rewrite;
mod script;
mod swap;

use halfway::Halfway;
use load::Loader;
use part::Part;
use plan::Plan;
use precheck::Findings;
use rewrite::{Manner, Rewriter};

/// Restores, as [`DatabaseEngine::restore`](crate::engines::engine::DatabaseEngine::restore) says.
pub(super) async fn restore(
    request: RestoreRequest,
    cancel: CancellationToken,
    progress: Arc<dyn Progress>,
    registry: Registry,
) -> Result<RestoreReport, Failure> {
    let suffix = format!("{:08x}", rand::random::<u32>());
    let plans = part::narrow(&request, plan::plan(&request, &suffix)?).await?;
    let run = Run::new(
        request.target.clone(),
        request.marker.clone(),
        &request.work_dir,
        request.client_grace,
        registry,
        progress,
    );
    if request.plan_only {
        return run
            .see_through(&cancel, Box::pin(plan_alone(&run, &request, &plans)))
            .await;
    }
    let halfway = Halfway::default();
    let prepared = run
        .see_through(&cancel, Box::pin(prepare(&run, &request, &plans, &halfway)))
        .await;
    // Nothing interrupts what comes then: it is short, and either done or undone.
    let outcome = match prepared {
        Ok(prepared) => {
            run.see_through(
                &CancellationToken::new(),
                Box::pin(put(&run, &plans, &halfway, prepared)),
            )
            .await
        }
        Err(failure) => Err(failure),
    };
    let Err(mut failure) = outcome else { return outcome };
    if request.keep_unfinished && !cancel.is_cancelled() {
        let kept = halfway.keep_all();
        if !kept.is_empty() {
            failure.message = format!(
                "{}; left as far as they came: {}",
                failure.message,
                kept.join(", ")
            );
        }
    }
    halfway.drop_all(&run).await;
    Err(failure)
}

/// What is ready to be put in place.
struct Prepared {
    programs: Programs,
    server: Server,
    mode: RestoreMode,
    /// What is left to do for each database, in the plans' order.
    endings: Vec<Ending>,
    report: RestoreReport,
}

/// What gives a database its last form.
struct Ending {
    /// How its programs are changed.
    manner: Manner,
    /// What makes the places of its views.
    views: Vec<u8>,
    /// What comes after its rows.
    after: Vec<u8>,
    /// What of it goes into a live database, if that is where it goes.
    part: Option<Part>,
}

impl Ending {
    fn script(&self) -> Result<Vec<u8>, Failure> {
        let after = Rewriter::new(&self.manner).rewrite(&self.after)?.script;
        Ok([self.views.clone(), after].concat())
    }
}

/// What is known before anything is touched.
struct Surveyed {
    session: MySqlConnection,
    server: Server,
    programs: Programs,
    findings: Findings,
    warnings: Vec<Warning>,
}

async fn survey(run: &Run, request: &RestoreRequest, plans: &[Plan]) -> Result<Surveyed, Failure> {
    run.stage(Stage::Probing);
    let mut session = run.connect().await?;
    let server = Server::ask(&mut session, run.flavour).await?;
    let found = clients::find(&request.clients, run.flavour).await;
    let (client, warning) = clients::choose(&found, run.flavour, server.version_num)?;
    let programs = run.programs(client, server.encrypted)?;
    let findings = precheck::check(&mut session, request, &server, plans).await?;
    let of_parts = plans.iter().flat_map(|plan| &plan.part);
    let of_parts = of_parts.flat_map(|part| part.warnings.clone());
    let warnings = warning.into_iter().chain(of_parts);
    Ok(Surveyed {
        warnings: warnings.chain(findings.warnings.iter().cloned()).collect(),
        session,
        server,
        programs,
        findings,
    })
}

/// Looks whether it could be restored, and what would be.
async fn plan_alone(run: &Run, request: &RestoreRequest, plans: &[Plan]) -> Result<RestoreReport, Failure> {
    let surveyed = survey(run, request, plans).await?;
    connect::close(surveyed.session).await;
    Ok(plan::report(request, &surveyed.server, plans, surveyed.warnings))
}

async fn prepare(
    run: &Run,
    request: &RestoreRequest,
    plans: &[Plan],
    halfway: &Halfway,
) -> Result<Prepared, Failure> {
    let Surveyed {
        mut session,
        server,
        programs,
        findings,
        warnings,
    } = survey(run, request, plans).await?;
    let swept = halfway::sweep(run, &programs, &mut session).await?;
    precheck::create_accounts(&mut session, &findings.create_accounts).await?;
    let mut prepared = Prepared {
        mode: request.mode,
        endings: Vec::new(),
        report: RestoreReport {
            planned: false,
            server_version: server.version.clone(),
            databases: Vec::new(),
            tables: Vec::new(),
            tools: vec![load::tool(&programs)],
            warnings: warnings.into_iter().chain(swept).collect(),
        },
        programs,
        server,
    };
    for plan in plans {
        fill(
            run,
            request,
            plan,
            halfway,
            &findings,
            &mut session,
            &mut prepared,
        )
        .await?;
    }
    connect::close(session).await;
    Ok(prepared)
}

/// Makes one database, under the name where it is beside, and fills it.
async fn fill(
    run: &Run,
    request: &RestoreRequest,
    plan: &Plan,
    halfway: &Halfway,
    findings: &Findings,
    session: &mut MySqlConnection,
    prepared: &mut Prepared,
) -> Result<(), Failure> {
    let name = || plan.description.name.clone();
    let manner = Manner {
        from: name(),
        to: plan.to.clone(),
        no_owner: request.no_owner,
        events_rest: plan.beside != plan.to || matches!(request.mode, RestoreMode::Scratch { .. }),
    };
    let after = match &plan.part {
        Some(part) => part.after.clone(),
        None => load::gather(&*request.source, plan.after).await?,
    };
    halfway.create(run, session, plan).await?;
    let loader = Loader {
        run,
        programs: &prepared.programs,
        database: &plan.beside,
    };
    run.stage(Stage::Schema { database: name() });
    let before = match &plan.part {
        Some(part) => part.before.clone(),
        None => load::gather(&*request.source, plan.before).await?,
    };
    loader.run_text(&before, "the schema").await?;
    run.stage(Stage::Rows {
        database: name(),
        tables: plan.tables.len(),
        bytes: plan.row_bytes(),
    });
    load::load_rows(&loader, &request.source, &plan.tables, request.jobs).await?;
    run.stage(Stage::Comparing { database: name() });
    prepared
        .report
        .tables
        .extend(compare::count_tables(run, plan, request.jobs).await?);
    run.stage(Stage::Indexing { database: name() });
    let rewritten = Rewriter::new(&manner).rewrite(&after)?;
    loader
        .run_text(&rewritten.script, "what comes after the rows")
        .await?;
    prepared.report.warnings.extend(rewritten.warnings(&manner));
    if manner.events_rest && rewritten.events > 0 && plan.beside == plan.to {
        prepared.report.warnings.push(findings.events_rest(&plan.to));
    }
    let views = rewrite::places_of_views(&before)?;
    let mut part = plan.part.clone().filter(|_| request.mode == RestoreMode::Into);
    if let Some(part) = &mut part {
        part.leave_out(&findings.used)?;
    }
    prepared.endings.push(Ending {
        manner: Manner {
            events_rest: matches!(request.mode, RestoreMode::Scratch { .. }),
            ..manner
        },
        views,
        after: part.as_ref().map_or(after, |part| part.after.clone()),
        part,
    });
    Ok(())
}

/// Gives the databases their names, or drops them where that is all that was wanted.
async fn put(
    run: &Run,
    plans: &[Plan],
    halfway: &Halfway,
    prepared: Prepared,
) -> Result<RestoreReport, Failure> {
    let Prepared {
        programs,
        server,
        mode,
        endings,
        mut report,
    } = prepared;
    let mut session = run.connect().await?;
    for (plan, ending) in plans.iter().zip(&endings) {
        run.stage(Stage::Swapping {
            database: plan.to.clone(),
        });
        match mode {
            RestoreMode::Scratch { keep: false } => halfway.discard(&mut session, &plan.beside).await?,
            RestoreMode::Replace if precheck::exists(&mut session, &plan.to).await? => {
                let swap = swap::Swap {
                    run,
                    programs: &programs,
                    server: &server,
                    plan,
                };
                swap.swap(&mut session, &ending.script()?).await?;
                halfway.discard(&mut session, &plan.beside).await?;
            }
            RestoreMode::Into => {
                let part = ending.part.as_ref().ok_or_else(without_part)?;
                let added = (plan, part);
                swap::move_into(run, &programs, &mut session, added, &ending.script()?, halfway).await?
            }
            RestoreMode::Replace => {
                // There is nothing to replace: the name is free.
                swap::move_to_free_name(run, &programs, &mut session, plan, &ending.script()?, halfway)
                    .await?;
            }
            RestoreMode::CreateNew | RestoreMode::Scratch { keep: true } => {
                halfway.complete(&mut session, &plan.beside).await?
            }
        }
        report.databases.push(RestoredDatabase {
            from: plan.description.name.clone(),
            to: plan.to.clone(),
            kept: mode != (RestoreMode::Scratch { keep: false }),
            bytes: plan.row_bytes(),
        });
    }
    connect::close(session).await;
    Ok(report)
}

/// Only chosen tables go into a live database.
fn without_part() -> Failure {
    Failure::new(
        FailureKind::Internal,
        "a whole database was to go into one that lives",
    )
}
