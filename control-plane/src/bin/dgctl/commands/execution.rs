//! `dgctl execution`.

mod logs;

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use self::logs::Logs;
use super::{Context, request_id, required};
use crate::error::{Error, Result};
use crate::output::Format;
use crate::output::execution as shown;
use crate::paging::Limit;
use crate::progress;
use crate::values::StateWord;
use crate::watch::{News, Watch};

/// `dgctl execution …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List executions, newest first
    List(List),
    /// Show an execution
    Get(Named),
    /// Show an execution's log
    Logs(Logs),
    /// Follow an execution to its end; exit status 1 unless it completed, a backup with all its databases
    Watch(Named),
    /// End an execution: at once if it waits, by its agent if it runs
    Cancel(Named),
    /// Do again what failed, was cancelled or was skipped: a backup of its job as the job is now, or the same restore or
    /// verification
    Retry(Retry),
}

/// `dgctl execution list`
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those of this job; name or id
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Only those of this datasource; name or id
    #[arg(long, value_name = "DATASOURCE")]
    datasource: Option<String>,
    /// Only those in this state; may be given several times
    #[arg(long = "state", value_enum, value_name = "STATE")]
    states: Vec<StateWord>,
    #[command(flatten)]
    limit: Limit,
}

/// `dgctl execution retry`
#[derive(Debug, Args)]
pub(crate) struct Retry {
    /// The execution's id
    id: String,
    /// Follow the new one to its end; exit status 1 unless it completed, a backup with all its databases
    #[arg(long)]
    wait: bool,
}

/// An execution.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The execution's id
    id: String,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Get(named) => {
                let request = v1::GetExecutionRequest { id: named.id };
                let reply = context
                    .api()
                    .await?
                    .executions()
                    .get_execution(request)
                    .await?
                    .into_inner();
                let execution = required(reply.execution.clone(), "execution")?;
                context
                    .output
                    .show(&reply, |_, look| shown::describe(&execution, look))
            }
            Self::Logs(logs) => Box::pin(logs.run(context)).await,
            Self::Watch(named) => Box::pin(named.watch(context)).await,
            Self::Retry(retry) => Box::pin(retry.run(context)).await,
            Self::Cancel(named) => {
                let request = v1::CancelExecutionRequest { id: named.id };
                let reply = context
                    .api()
                    .await?
                    .executions()
                    .cancel_execution(request)
                    .await?
                    .into_inner();
                let execution = required(reply.execution.clone(), "execution")?;
                context
                    .output
                    .show(&reply, |_, look| shown::describe(&execution, look))
            }
        }
    }
}

impl List {
    async fn run(self, context: &Context) -> Result<()> {
        let executions = context.api().await?.executions();
        let wanted = v1::ListExecutionsRequest {
            job: self.job.unwrap_or_default(),
            datasource: self.datasource.unwrap_or_default(),
            states: self
                .states
                .into_iter()
                .map(|word| v1::ExecutionState::from(word).into())
                .collect(),
            ..Default::default()
        };
        let reply: v1::ListExecutionsResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut executions = executions.clone();
                let request = v1::ListExecutionsRequest {
                    page_size,
                    page_token,
                    ..wanted.clone()
                };
                async move { executions.list_executions(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| shown::table(&reply.executions, look))
    }
}

impl Retry {
    async fn run(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let request = v1::RetryExecutionRequest {
            id: self.id,
            request_id: request_id(),
        };
        let mut reply = api.executions().retry_execution(request).await?.into_inner();
        let execution = required(reply.execution.clone(), "execution")?;
        if !self.wait {
            return context.output.show(&reply, |_, _| shown::queued(&execution));
        }
        let ended = progress::wait(&api, &execution.id).await?;
        reply.execution = Some(ended.clone());
        progress::conclude(&context.output, &reply, ended)
    }
}

impl Named {
    async fn watch(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let execution = match context.output.format() {
            Format::Table => progress::wait(&api, &self.id).await?,
            Format::Json | Format::Yaml => self.stream(&api, context).await?,
        };
        if context.output.format() == Format::Table {
            context
                .output
                .line(shown::outcome(&execution, context.output.look()).trim_end())?;
        }
        progress::must_have_completed(execution)
    }

    /// Each change as a message on a line of its own.
    async fn stream(&self, api: &crate::connect::Api, context: &Context) -> Result<v1::Execution> {
        let mut watch = Watch::new(api, self.id.as_str());
        let mut last = None;
        while let Some(news) = watch.next().await? {
            if let News::Changed(execution) = news {
                let reply = v1::WatchExecutionResponse {
                    execution: Some(*execution),
                };
                context.output.stream(&reply, |_, _| String::new())?;
                last = reply.execution;
            }
        }
        last.ok_or(Error::Incomplete("execution"))
    }
}
