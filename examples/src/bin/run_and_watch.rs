//! Lists the jobs; with a job's name, runs it and follows it to its end:
//! `cargo run -p dataguardian-examples --bin run_and_watch -- nightly`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use dataguardian_examples::{Connection, connect};
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::{
    Execution, ExecutionState, ListJobsRequest, RunJobRequest, WatchExecutionRequest,
};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let connection = connect().await?;
    let Some(job) = std::env::args().nth(1) else {
        list_jobs(connection).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let ended = run(connection, job).await?;
    if ended.state() == ExecutionState::Completed {
        println!("backup {} is there", ended.backup_id);
        return Ok(ExitCode::SUCCESS);
    }
    let failure = ended.failure.unwrap_or_default();
    println!("{}: {} ({})", failure.reason, failure.message, failure.advice);
    Ok(ExitCode::FAILURE)
}

async fn list_jobs(connection: Connection) -> Result<()> {
    let mut jobs = JobServiceClient::new(connection);
    let mut page_token = String::new();
    loop {
        let request = ListJobsRequest {
            page_size: 100,
            page_token,
        };
        let page = jobs.list_jobs(request).await?.into_inner();
        for job in page.jobs {
            println!(
                "{}: {} into {}",
                job.name,
                job.datasource,
                job.storages.join(", ")
            );
        }
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        page_token = page.next_page_token;
    }
}

/// A run is an execution: the call returns it at once, and a stream tells what becomes of it.
async fn run(connection: Connection, job: String) -> Result<Execution> {
    let mut jobs = JobServiceClient::new(connection.clone());
    // With an id of its own the request may be sent again after a lost connection: it will not run twice.
    let request = RunJobRequest {
        job,
        request_id: Uuid::new_v4().to_string(),
    };
    let queued = jobs
        .run_job(request)
        .await?
        .into_inner()
        .execution
        .context("no execution")?;

    let mut executions = ExecutionServiceClient::new(connection);
    let request = WatchExecutionRequest {
        id: queued.id.clone(),
    };
    let mut changes = executions.watch_execution(request).await?.into_inner();
    let mut last = queued;
    while let Some(change) = changes.message().await? {
        last = change.execution.context("no execution")?;
        let progress = last.progress.clone().unwrap_or_default();
        println!(
            "{:?} {}: {} bytes, {} rows",
            last.state(),
            progress.stage,
            progress.raw_bytes,
            progress.rows
        );
    }
    Ok(last)
}
