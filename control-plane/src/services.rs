//! The use cases: load, ask the domain, save, wake; one transaction each. Domain records in and out, no messages of the wire.
//!
//! [`Services::start`] builds them all over one [`Context`]. Everything is cheap to clone. What each offers:
//!
//! | service | for whom | functions |
//! |---|---|---|
//! | [`installation`] | start | `Installation::load_or_create(&store, &key_source, &clock, make_authority)`: identity, vault, CA, signing key, repository keys |
//! | [`auth`] | AuthService, interceptor | `provide_setup_token(dir)`, `setup`, `login`, `verify_bearer`, `logout` |
//! | [`access`] | AccessService | users, roles, bindings, API tokens |
//! | [`reach`] | all handlers | whether a caller may do what it asks to the thing that it names |
//! | [`agents`] | AgentService (admin) | `create_join_token`, `get`, `list`, `revoke` |
//! | [`enrollment`] | EnrollmentService, RenewCertificate, handshakes | `enroll`, `renew`, `identify(agent, serial)` |
//! | [`sessions`] | agents' streams | `open` (epoch), `heard` (in memory), `save_heard` (batch) |
//! | [`datasources`] | DatasourceService | `create`, `validate`, `get`, `list`, `update`, `delete`, `target` |
//! | [`storages`] | StorageService | `begin_create` → an agent prepares → `finish_create`, `get`, `list`, `delete` |
//! | [`jobs`] | JobService | `create`, `validate`, `get`, `list`, `update`, `delete`, `run` |
//! | [`schedules`] | JobService, the `scheduler` loop | `fire`, `pause`, `resume`, `ahead`, `preview` |
//! | [`restores`] | RestoreService | `start` |
//! | [`executions`] | ExecutionService | `get`, `list`, `watch`, `cancel`, `expire` (reconciler) |
//! | [`logs`] | TailLogs, AppendLogs | `append`, `tail` |
//! | [`progress`] | AttemptProgress | `report` (in memory), `save` (batch) |
//! | [`assignments`] | agents' streams | `claim`, `accept`, `decline`, `verdicts` |
//! | [`attempts`] | ReportPacks, CompleteAttempt, ConfirmCommit | `report_packs`, `complete`, `confirm_commit` |
//! | [`commits`] | FetchManifest, the `commit` loop | `manifest`, `unfinished`, `give_up` |
//! | [`cleanup`] | the `cleanup` loop, RunCleanup | `suspected`, `places`, `plan`, `note`, `carry_out`, `deleted` |
//! | [`retention`] | PreviewRetention, the `retention` and `cleanup` loops | `preview`, `apply_due`, `apply_all` |
//! | [`ageing`] | the `cleanup` loop | `forget` |
//! | [`deletion`] | BackupService, the `delete_backups` loop | `validate`, `delete`, `pin`, `unpin`, `leaving`, `gone`, `failed` |
//! | [`leadership`] | the `keep_leases` loop, loops that only one replica runs | `keep`, `tenure`, `resign` |
//! | [`imports`] | ImportBackups | `missing`, `enter` |
//! | [`downloads`] | DownloadBackup | `prepare` |
//! | [`backups`] | BackupService | `get`, `list`, `manifest`, `streams` |
//! | [`verifications`] | VerifyBackup, the `verify_copies` loop | `start`; `enter`, `presence_work`, `objects_work` and what came of them; `notices` |
//! | [`health`] | the `health` loop, DatasourceService, StorageService, SystemService | `due`, `record`, `of_datasources`, `of_storages`, `history` |
//! | [`notifications`] | NotificationService, the `notify`, `deliver_notifications` and `ping` loops | channels and rules; `watch`; `claim`, `close`; `due_pings` |
//! | [`keys`] | SystemService | `show`, `rotate`, `notice`, `of_datasource` |
//! | [`recovery`] | SystemService | `make_kit`, `made_at` |
//! | [`audit`] | interceptor | `append`, `list` |
//!
//! When an agent comes: `sessions.open`, then `assignments.verdicts` once, then `assignments.claim` as often as there may be work.
//!
//! Every agent call takes the [`AgentId`](dataguardian_core::ids::AgentId) out of the certificate first and refuses what is
//! not that agent's own as a stale fence. Errors: [`Error`] with `code()`, `reason()`, `public_message()`, `fields()`,
//! `retry_after()`.
//!
//! Loops that somebody must run: `executions.expire` (every second or two), `progress.save` and `sessions.save_heard` (every
//! few seconds; both keep in memory what is newer), `auth.forget_expired` (hourly). Whoever holds an agent's stream listens to
//! [`crate::queue::Queue`] and calls `assignments.claim` on `WorkQueued`, on free slots, and at least every 5 s.

pub mod access;
pub mod ageing;
pub mod agents;
mod alerts;
pub mod assignments;
pub mod attempts;
pub mod audit;
pub mod auth;
pub mod authorities;
pub mod backups;
pub mod cleanup;
pub mod commits;
mod context;
pub mod copies;
pub mod datasources;
pub mod deletion;
pub mod downloads;
pub mod enrollment;
mod error;
pub mod executions;
pub mod health;
pub mod imports;
pub mod installation;
pub mod jobs;
pub mod keys;
pub mod leadership;
pub mod logs;
mod lookup;
pub mod notifications;
pub mod overview;
pub mod payload;
pub mod progress;
pub mod reach;
pub mod recovery;
pub mod relay;
pub mod replicas;
pub mod reset;
pub mod restores;
pub mod retention;
pub mod schedules;
pub mod sessions;
pub mod storages;
pub mod tally;
mod transition;
pub mod verifications;

pub use context::Context;
pub use error::{Error, Noun};

/// All use cases, over one context. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// Who calls.
    pub auth: auth::Auth,
    /// Users, their roles and API tokens.
    pub access: access::Access,
    /// Whether a caller may do what it asks.
    pub reach: reach::Reach,
    /// Agents, as administrators see them.
    pub agents: agents::Agents,
    /// How a host becomes an agent.
    pub enrollment: enrollment::Enrollment,
    /// Agents' sessions.
    pub sessions: sessions::Sessions,
    /// Datasources.
    pub datasources: datasources::Datasources,
    /// Storages.
    pub storages: storages::Storages,
    /// Jobs.
    pub jobs: jobs::Jobs,
    /// Schedules of jobs.
    pub schedules: schedules::Schedules,
    /// Restores.
    pub restores: restores::Restores,
    /// Executions.
    pub executions: executions::Executions,
    /// Their logs.
    pub logs: logs::Logs,
    /// Their progress.
    pub progress: progress::Progress,
    /// Work on its way to agents.
    pub assignments: assignments::Assignments,
    /// What agents report.
    pub attempts: attempts::Attempts,
    /// Commits that their attempts left unfinished.
    pub commits: commits::Commits,
    /// What no backup needs in the storages.
    pub cleanup: cleanup::Cleanup,
    /// Backups on their way out, and pins.
    pub deletion: deletion::Deletion,
    /// Which backups of a job stay.
    pub retention: retention::Retention,
    /// What is old enough to be forgotten.
    pub ageing: ageing::Ageing,
    /// Backups that are in storages and not in the catalogue.
    pub imports: imports::Imports,
    /// Downloads of backups.
    pub downloads: downloads::Downloads,
    /// What only one replica does at a time.
    pub leadership: leadership::Leadership,
    /// Questions to agents that are with other replicas.
    pub relay: relay::Relay,
    /// The other replicas.
    pub replicas: replicas::Replicas,
    /// Copies of backups that are to be.
    pub copies: copies::Copies,
    /// How datasources and storages do.
    pub health: health::Health,
    /// Who is told what.
    pub notifications: notifications::Notifications,
    /// Verifications.
    pub verifications: verifications::Verifications,
    /// Backups.
    pub backups: backups::Backups,
    /// The figures of the whole installation.
    pub overview: overview::Overview,
    /// The certificate authorities.
    pub authorities: authorities::Authorities,
    /// The keys that backups' keys come from.
    pub keys: keys::Keys,
    /// Recovery kits.
    pub recovery: recovery::Recovery,
    /// The audit log.
    pub audit: audit::Audit,
}

impl Services {
    /// Builds them.
    pub async fn start(context: Context) -> Result<Self, Error> {
        let auth = auth::Auth::start(context.clone()).await?;
        Ok(Self {
            access: access::Access::new(context.clone(), auth.passwords()),
            auth,
            reach: reach::Reach::new(context.clone()),
            agents: agents::Agents::new(context.clone()),
            enrollment: enrollment::Enrollment::new(context.clone()),
            sessions: sessions::Sessions::new(context.clone()),
            datasources: datasources::Datasources::new(context.clone()),
            storages: storages::Storages::new(context.clone()),
            jobs: jobs::Jobs::new(context.clone()),
            schedules: schedules::Schedules::new(context.clone()),
            restores: restores::Restores::new(context.clone()),
            executions: executions::Executions::new(context.clone()),
            logs: logs::Logs::new(context.clone()),
            progress: progress::Progress::new(context.clone()),
            assignments: assignments::Assignments::new(context.clone()),
            attempts: attempts::Attempts::new(context.clone()),
            commits: commits::Commits::new(context.clone()),
            cleanup: cleanup::Cleanup::new(context.clone()),
            deletion: deletion::Deletion::new(context.clone()),
            retention: retention::Retention::new(context.clone()),
            ageing: ageing::Ageing::new(context.clone()),
            imports: imports::Imports::new(context.clone()),
            downloads: downloads::Downloads::new(context.clone()),
            leadership: leadership::Leadership::new(context.clone()),
            relay: relay::Relay::new(context.clone()),
            replicas: replicas::Replicas::new(context.clone()),
            copies: copies::Copies::new(context.clone()),
            health: health::Health::new(context.clone()),
            notifications: notifications::Notifications::new(context.clone()),
            verifications: verifications::Verifications::new(context.clone()),
            backups: backups::Backups::new(context.clone()),
            overview: overview::Overview::new(context.clone()),
            authorities: authorities::Authorities::new(context.clone()),
            keys: keys::Keys::new(context.clone()),
            recovery: recovery::Recovery::new(context.clone()),
            audit: audit::Audit::new(context),
        })
    }
}
