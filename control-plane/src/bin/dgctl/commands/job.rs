//! `dgctl job`.

mod kept;
mod options;
pub(crate) mod retention;
pub(crate) mod schedule;
mod show;

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use self::options::Options;
use self::retention::{Preview, Words, confirm};
use self::schedule::{Next, Schedule};
use super::{Context, request_id, required};
use crate::error::{Error, Result};
use crate::output::execution as shown;
use crate::paging::Limit;
use crate::progress;
use crate::values::StrategyWord;

/// `dgctl job …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what to back up, and to where
    Create(Create),
    /// List jobs
    List(Limit),
    /// Show a job
    Get(Named),
    /// Change a job
    Update(Update),
    /// Show which backups stay and which would be deleted, by the job's retention or by another one
    Retention(Preview),
    /// Back up now
    Run(Run),
    /// Stop a job's schedule; what falls due meanwhile is not caught up
    Pause(Named),
    /// Let a job's schedule go on
    Resume(Named),
    /// Tell the next times in a schedule
    Next(Next),
    /// Remove a job; its backups stay
    Delete(Delete),
}

/// `dgctl job create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The job's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What to back up; name or id
    #[arg(long, value_name = "DATASOURCE")]
    datasource: String,
    /// Where to; name or id; may be given several times, in the order of use
    #[arg(long = "storage", value_name = "STORAGE", required = true)]
    storages: Vec<String>,
    /// How several storages are used [else: fallback]
    #[arg(long, value_enum, value_name = "STRATEGY")]
    strategy: Option<StrategyWord>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    schedule: Schedule,
    #[command(flatten)]
    retention: Words,
    /// Check everything, change nothing
    #[arg(long, help_heading = None::<&str>)]
    validate_only: bool,
}

/// `dgctl job update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Name or id
    job: String,
    /// Where to, from now on; may be given several times, in the order of use
    #[arg(long = "storage", value_name = "STORAGE")]
    storages: Vec<String>,
    /// How several storages are used
    #[arg(long, value_enum, value_name = "STRATEGY")]
    strategy: Option<StrategyWord>,
    #[command(flatten)]
    options: Options,
    #[command(flatten)]
    schedule: Schedule,
    #[command(flatten)]
    retention: Words,
    /// Never delete a backup by itself any more
    #[arg(long, help_heading = None::<&str>)]
    no_retention: bool,
    /// Do not ask; needed where there is no terminal, if backups would be deleted at once
    #[arg(long, help_heading = None::<&str>)]
    yes: bool,
}

/// A job.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    job: String,
}

/// `dgctl job run`
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Name or id
    job: String,
    /// Wait for the end; exit status 1 unless the backup completed with all its databases (0 done, 1 failed or partial)
    #[arg(long)]
    wait: bool,
}

/// `dgctl job delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    job: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List(limit) => list(limit, context).await,
            Self::Get(named) => {
                let request = v1::GetJobRequest { job: named.job };
                let reply = context.api().await?.jobs().get_job(request).await?.into_inner();
                let job = required(reply.job.clone(), "job")?;
                context.output.show(&reply, |_, look| show::describe(&job, look))
            }
            Self::Update(update) => Box::pin(update.run(context)).await,
            Self::Retention(preview) => Box::pin(preview.run(context)).await,
            Self::Run(run) => Box::pin(run.run(context)).await,
            Self::Pause(named) => pause(named, context).await,
            Self::Resume(named) => resume(named, context).await,
            Self::Next(next) => next.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let request = v1::CreateJobRequest {
            name: self.name,
            datasource: self.datasource,
            storages: self.storages,
            strategy: self
                .strategy
                .map_or(v1::Strategy::Unspecified, v1::Strategy::from)
                .into(),
            options: Some(self.options.change(v1::BackupOptions::default())),
            schedule: self.schedule.change(None)?,
            request_id: request_id(),
            validate_only: self.validate_only,
            retention: self.retention.change(None)?,
        };
        let reply = context
            .api()
            .await?
            .jobs()
            .create_job(request)
            .await?
            .into_inner();
        context.output.show(&reply, |reply, look| match &reply.job {
            Some(job) => show::describe(job, look),
            None => "All is well.".into(),
        })
    }
}

async fn pause(named: Named, context: &Context) -> Result<()> {
    let request = v1::PauseJobRequest { job: named.job };
    let mut jobs = context.api().await?.jobs();
    let reply = jobs.pause_job(request).await?.into_inner();
    let job = required(reply.job.clone(), "job")?;
    context.output.show(&reply, |_, look| show::describe(&job, look))
}

async fn resume(named: Named, context: &Context) -> Result<()> {
    let request = v1::ResumeJobRequest { job: named.job };
    let mut jobs = context.api().await?.jobs();
    let reply = jobs.resume_job(request).await?.into_inner();
    let job = required(reply.job.clone(), "job")?;
    context.output.show(&reply, |_, look| show::describe(&job, look))
}

async fn list(limit: Limit, context: &Context) -> Result<()> {
    let jobs = context.api().await?.jobs();
    let reply: v1::ListJobsResponse = limit
        .collect(|page_size, page_token| {
            let mut jobs = jobs.clone();
            async move {
                jobs.list_jobs(v1::ListJobsRequest {
                    page_size,
                    page_token,
                })
                .await
            }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| show::table(&reply.jobs, look))
}

impl Update {
    /// Options, and a schedule, are one field each to the server: what was not named keeps the value that it has now, and the etag makes sure
    /// that it still has it.
    async fn run(self, context: &Context) -> Result<()> {
        if self.no_retention && self.retention.is_given() {
            let message = "--no-retention does not go with words that say which backups stay";
            return Err(Error::usage(message));
        }
        let given = [
            ("storages", !self.storages.is_empty()),
            ("strategy", self.strategy.is_some()),
            ("options", self.options.is_given()),
            ("schedule", self.schedule.is_given()),
            ("retention", self.no_retention || self.retention.is_given()),
        ];
        let paths: Vec<String> = given
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| name.to_owned())
            .collect();
        if paths.is_empty() {
            return Err(Error::usage(
                "nothing to change was given; see `dgctl job update --help`",
            ));
        }
        let api = context.api().await?;
        let mut jobs = api.jobs();
        let before = jobs
            .get_job(v1::GetJobRequest { job: self.job })
            .await?
            .into_inner();
        let before = required(before.job, "job")?;
        let retention = self.retention.change(before.retention.as_ref())?;
        if let Some(retention) = &retention {
            confirm(context, &api, &before, retention, self.yes).await?;
        }
        let request = v1::UpdateJobRequest {
            job: before.id,
            storages: self.storages,
            strategy: self
                .strategy
                .map_or(v1::Strategy::Unspecified, v1::Strategy::from)
                .into(),
            options: Some(self.options.change(before.options.unwrap_or_default())),
            schedule: self.schedule.change(before.schedule)?,
            update_mask: Some(prost_types::FieldMask { paths }),
            etag: before.etag,
            retention,
        };
        let reply = jobs.update_job(request).await?.into_inner();
        let job = required(reply.job.clone(), "job")?;
        context.output.show(&reply, |_, look| show::describe(&job, look))
    }
}

impl Run {
    async fn run(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let request = v1::RunJobRequest {
            job: self.job,
            request_id: request_id(),
        };
        let mut reply = api.jobs().run_job(request).await?.into_inner();
        let execution = required(reply.execution.clone(), "execution")?;
        if !self.wait {
            return context.output.show(&reply, |_, _| shown::queued(&execution));
        }
        let ended = progress::wait(&api, &execution.id).await?;
        reply.execution = Some(ended.clone());
        progress::conclude(&context.output, &reply, ended)
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        context.confirm(self.yes, &format!("Remove job {}? Its backups stay.", self.job))?;
        let request = v1::DeleteJobRequest {
            job: self.job.clone(),
        };
        let reply = context
            .api()
            .await?
            .jobs()
            .delete_job(request)
            .await?
            .into_inner();
        context.output.show(&reply, |_, _| {
            format!("Job {} is removed; its backups stay.", self.job)
        })
    }
}
