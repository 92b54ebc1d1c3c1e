//! A restore: databases from streams.
//!
//! Whatever can be found out before anything is touched is found out before. A database is always made anew, marked as
//! ours until it is whole, and dropped if anything fails. Only when all of them are filled and compared are they put in
//! their places, all in one transaction; in [`RestoreMode::Replace`] the old ones are dropped after that.

use std::sync::Arc;

use dataguardian_core::failure::Failure;
use tokio_util::sync::CancellationToken;

use super::run::Run;
use super::server::Server;
use super::{clients, connect};
use crate::engines::progress::{Progress, Stage};
use crate::engines::restore::{
    MissingRoles, RestoreMode, RestoreReport, RestoreRequest, RestoredDatabase, RestoredTable,
};

mod archive;
mod choose;
mod compare;
pub(super) mod contents;
mod create;
mod frame;
mod graph;
mod halfway;
mod into;
mod load;
mod narrow;
mod one;
mod passes;
mod place;
mod plan;
mod policy;
mod precheck;
mod scripts;
mod statements;
mod statistics;
mod wanted;

use archive::Archive;
use halfway::Halfway;
use narrow::Narrowed;
use one::One;
use place::Finished;
use plan::Plan;

/// Restores. When `cancel` fires, processes and server sessions are ended and half-made databases dropped before this
/// returns; the failure then is of kind [`FailureKind::Superseded`](dataguardian_core::failure::FailureKind::Superseded),
/// for the caller to read in the light of its own token.
pub async fn restore(
    request: RestoreRequest,
    cancel: CancellationToken,
    progress: Arc<dyn Progress>,
) -> Result<RestoreReport, Failure> {
    let suffix = format!("{:08x}", rand::random::<u32>());
    let plans = plan::plan(&request, &suffix)?;
    let mut target = request.target.clone();
    target.maintenance_database = Some(outside(&request, &plans));
    let run = Run::new(
        target,
        request.marker.clone(),
        &request.work_dir,
        request.client_grace,
        progress,
    )?;
    let halfway = Halfway::default();
    let work = Box::pin(restore_all(&run, &request, plans, &halfway));
    let outcome = run.see_through(&cancel, work).await;
    let Err(mut failure) = outcome else { return outcome };
    if request.keep_unfinished && !cancel.is_cancelled() {
        let kept = halfway.keep_all(&run).await;
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

/// A database to be connected to while others are renamed: the usual one unless it is to be replaced itself.
fn outside(request: &RestoreRequest, plans: &[Plan]) -> String {
    let usual = connect::maintenance_database(&request.target);
    let replaced =
        |name: &str| request.mode == RestoreMode::Replace && plans.iter().any(|plan| plan.to == name);
    let fitting = [usual, "postgres", "template1"]
        .into_iter()
        .find(|name| !replaced(name));
    fitting.unwrap_or(usual).to_owned()
}

async fn restore_all(
    run: &Run,
    request: &RestoreRequest,
    plans: Vec<Plan>,
    halfway: &Halfway,
) -> Result<RestoreReport, Failure> {
    run.stage(Stage::Probing);
    let mut session = run.connect_for_maintenance().await?;
    let server = Server::ask(&mut session).await?;
    let available = clients::find(&request.clients).await;
    let (_, warning) = clients::choose(&available, server.version_num)?;
    let Narrowed {
        plans,
        mut archives,
        warnings: narrowed,
    } = narrow::narrow(run, request, plans, &mut session, &available, server.version_num).await?;
    for warning in &narrowed {
        run.warn(&warning.message);
    }
    let findings = precheck::check(&mut session, request, &server, &plans).await?;
    if request.plan_only {
        connect::close(session).await;
        let warnings = warning.into_iter().chain(narrowed).chain(findings.warnings);
        return Ok(plan::report(request, &server, &plans, warnings.collect()));
    }
    halfway::sweep(run, &mut session).await?;
    let abandoned = halfway::sweep_abandoned(run, &mut session).await?;
    precheck::create_roles(&mut session, &findings.create_roles).await?;
    let mut report = RestoreReport {
        planned: false,
        server_version: server.version.clone(),
        databases: Vec::new(),
        tables: Vec::new(),
        tools: Vec::new(),
        warnings: warning
            .into_iter()
            .chain(narrowed)
            .chain(findings.warnings.iter().cloned())
            .chain(abandoned)
            .collect(),
    };
    let mut finished = Vec::new();
    for plan in &plans {
        let archive = match archives.remove(&plan.archive) {
            Some(archive) => archive,
            None => {
                let source = &*request.source;
                Archive::fetch(run, source, plan, &available, server.version_num).await?
            }
        };
        let one = One {
            run,
            request,
            findings: &findings,
            plan,
            archive,
        };
        if request.mode == RestoreMode::Into {
            one.restore_into(&mut report).await?;
            continue;
        }
        let made = one.restore(&mut session, &server, halfway, &mut report).await?;
        finished.extend(made.map(|made| Finished { plan, made }));
    }
    let warnings = place::put(run, request, &mut session, &finished, halfway).await?;
    report.warnings.extend(warnings);
    connect::close(session).await;
    Ok(report)
}
