//! A restore: databases from streams.
//!
//! Whatever can be found out before anything is touched is found out before. A database is always made anew, marked as
//! ours until it is whole, and dropped if anything fails. Only when all of them are filled and compared are they put in
//! their places, all in one transaction; in [`RestoreMode::Replace`] the old ones are dropped after that.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use tokio_util::sync::CancellationToken;

use super::clients::{self, ClientSearch};
use super::connect;
use super::marker::SessionMarker;
use super::run::Run;
use super::server::Server;
use crate::engines::StreamSource;
use crate::engines::progress::{Progress, Stage};

mod archive;
mod compare;
mod create;
mod frame;
mod halfway;
mod load;
mod one;
mod passes;
mod place;
mod plan;
mod precheck;
mod scripts;
mod statements;
mod statistics;

use archive::Archive;
use halfway::Halfway;
use one::One;
use place::Finished;
use plan::Plan;

/// What to restore, and where to.
#[derive(Clone)]
pub struct RestoreRequest {
    /// The server.
    pub target: ConnectionTarget,
    /// The backup's streams.
    pub source: Arc<dyn StreamSource>,
    /// The databases to restore, as the manifest describes them; streams of others are not read.
    pub databases: Vec<DatabaseDescription>,
    /// Other names for some of them: old to new.
    pub names: BTreeMap<String, String>,
    /// What becomes of a database of that name.
    pub mode: RestoreMode,
    /// Leave out owners and grants: everything belongs to the user who restores.
    pub no_owner: bool,
    /// What to do about roles that the target lacks.
    pub missing_roles: MissingRoles,
    /// Leave databases that a failure leaves unfinished, for a person to look into. A cancelled restore leaves nothing.
    pub keep_unfinished: bool,
    /// How many connections load rows and build indexes at once, at least 1.
    pub jobs: usize,
    /// The source's `server_version_num`, from the manifest.
    pub source_version_num: u32,
    /// What our sessions are called on the server.
    pub marker: SessionMarker,
    /// Where client programs are looked for.
    pub clients: ClientSearch,
    /// How long a client program that was asked to stop may take before it is killed.
    pub client_grace: Duration,
    /// A directory for the schema archive and a password file; exists, belongs to the agent.
    pub work_dir: PathBuf,
}

/// What becomes of a database that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreMode {
    /// There must be none.
    CreateNew,
    /// The new one takes its place once it is whole and compared; the old one is dropped last.
    Replace,
    /// It does not matter: a fresh name is used (`dg_scratch_…`), and the database is dropped again unless it is to be kept.
    Scratch {
        /// Leave it there.
        keep: bool,
    },
}

/// What to do about roles that own or may use things and do not exist at the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingRoles {
    /// Refuse, naming them.
    #[default]
    Refuse,
    /// Create them, without a password and unable to log in.
    Create,
}

impl fmt::Debug for RestoreRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestoreRequest")
            .field("target", &self.target)
            .field("databases", &self.databases)
            .field("names", &self.names)
            .field("mode", &self.mode)
            .field("marker", &self.marker)
            .finish_non_exhaustive()
    }
}

/// A database that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredDatabase {
    /// Its name in the backup.
    pub from: String,
    /// Its name at the target.
    pub to: String,
    /// Whether it is still there: not after [`RestoreMode::Scratch`] without `keep`.
    pub kept: bool,
}

/// A table whose rows were restored and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTable {
    /// The database's name in the backup.
    pub database: String,
    /// The schema.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The rows that the manifest counts.
    pub expected_rows: u64,
    /// The rows that the target has.
    pub restored_rows: u64,
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct RestoreReport {
    /// The version as the target says it.
    pub server_version: String,
    /// The databases.
    pub databases: Vec<RestoredDatabase>,
    /// The tables, with their counts; all equal, else the restore has failed.
    pub tables: Vec<RestoredTable>,
    /// The programs that took part.
    pub tools: Vec<ToolUse>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
}

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
    let work = Box::pin(restore_all(&run, &request, &plans, &halfway));
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
    plans: &[Plan],
    halfway: &Halfway,
) -> Result<RestoreReport, Failure> {
    run.stage(Stage::Probing);
    let mut session = run.connect_for_maintenance().await?;
    let server = Server::ask(&mut session).await?;
    let available = clients::find(&request.clients).await;
    let (_, warning) = clients::choose(&available, server.version_num)?;
    let findings = precheck::check(&mut session, request, &server, plans).await?;
    halfway::sweep(run, &mut session).await?;
    let abandoned = halfway::sweep_abandoned(run, &mut session).await?;
    precheck::create_roles(&mut session, &findings.create_roles).await?;
    let mut report = RestoreReport {
        server_version: server.version.clone(),
        databases: Vec::new(),
        tables: Vec::new(),
        tools: Vec::new(),
        warnings: warning
            .into_iter()
            .chain(findings.warnings.iter().cloned())
            .chain(abandoned)
            .collect(),
    };
    let mut finished = Vec::new();
    for plan in plans {
        let archive = Archive::fetch(
            run,
            &*request.source,
            plan.archive,
            &available,
            server.version_num,
        )
        .await?;
        let one = One {
            run,
            request,
            findings: &findings,
            plan,
            archive,
        };
        let made = one.restore(&mut session, &server, halfway, &mut report).await?;
        finished.extend(made.map(|made| Finished { plan, made }));
    }
    let warnings = place::put(run, request, &mut session, &finished, halfway).await?;
    report.warnings.extend(warnings);
    connect::close(session).await;
    Ok(report)
}
