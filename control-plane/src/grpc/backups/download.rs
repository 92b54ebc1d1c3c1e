//! DownloadBackup: a part of a backup, from an agent to whoever calls, with nothing kept in between.

use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::download_backup_response::Message;
use futures::{Stream, StreamExt as _, stream};
use tonic::Status;

use crate::domain::access::Mandate;
use crate::domain::download::{ScriptPart, Wanted};
use crate::domain::field::Checks;
use crate::domain::restore::BackupChoice;
use crate::grpc::ask::{ask, failed, nonsense};
use crate::grpc::error::bad_request;
use crate::grpc::stream::{Messages, Reader, until_stop, while_allowed};
use crate::grpc::{Shared, decode};
use crate::sessions::{Answer, Broken, Incoming, Question};

/// What a download concerns, for the audit log.
pub(super) fn subject(asked: &v1::DownloadBackupRequest) -> String {
    let part = match (asked.globals, asked.database.as_str()) {
        (true, _) => ", roles".to_owned(),
        (false, "") => String::new(),
        (false, name) => format!(", database {name}"),
    };
    format!("{}{part}", asked.backup)
}

/// Has the agent begin, and passes on what comes.
pub(super) async fn begin(
    shared: &Shared,
    mandate: &Mandate,
    reader: Reader,
    asked: v1::DownloadBackupRequest,
) -> Result<Messages<v1::DownloadBackupResponse>, Status> {
    let mut checks = Checks::new();
    let choice = checks.take(BackupChoice::parse(&asked.backup, &asked.datasource));
    let wanted = checks.take(Wanted::parse(&asked.database, asked.globals));
    let (choice, wanted) = decode::checked(checks, choice.zip(wanted)).map_err(bad_request)?;
    let choice = shared.services.reach.chosen(mandate, choice).await?;
    let connected: Vec<_> = shared
        .sessions
        .all()
        .iter()
        .map(|session| session.agent())
        .collect();
    let downloads = &shared.services.downloads;
    let download = downloads.prepare(&choice, wanted, &connected).await?;
    let (agent, agent_name) = (download.agent, download.agent_name.to_string());
    let (backup, part) = (download.backup, download.part.clone());
    let most = shared.facts.downloads_per_agent;
    let opened = shared.sessions.transfers().open(agent, most);
    let (transfer, incoming) = opened.map_err(|_| busy(&agent_name, most))?;
    let question = Question::SendBackup(transfer, Box::new(download));
    let bytes = match ask(shared, agent, &agent_name, question).await? {
        Ok(Answer::Sending { bytes }) => bytes,
        Ok(_) => return Err(nonsense(&agent_name).into()),
        Err(failure) => return Err(failed(&failure).into()),
    };
    tracing::info!(backup.id = %backup, agent.id = %agent, transfer.id = %transfer, bytes, "a backup is downloaded");
    let start = Message::Start(v1::DownloadStart {
        backup_id: backup.to_string(),
        database: match part {
            ScriptPart::Database(name) => name,
            ScriptPart::Globals => String::new(),
        },
        bytes,
        agent: agent_name.clone(),
    });
    let rest = Rest {
        incoming,
        agent_name,
        left: bytes,
    };
    let messages = stream::iter([Ok(response(start))]).chain(rest.messages());
    Ok(until_stop(while_allowed(messages, reader), shared.stop.clone()))
}

/// What is still to come.
struct Rest {
    incoming: Incoming,
    agent_name: String,
    /// Bytes that the agent has announced and not sent yet.
    left: u64,
}

impl Rest {
    /// One message for each piece. An end without an error is that of a whole script.
    fn messages(self) -> impl Stream<Item = Result<v1::DownloadBackupResponse, Status>> + Send + 'static {
        stream::try_unfold(self, |mut rest| async move {
            let next = rest.next().await?;
            Ok::<_, Status>(next.map(|piece| (response(Message::Piece(piece)), rest)))
        })
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>, ApiError> {
        let next = self.incoming.next().await;
        let next = next.map_err(|broken| told(&broken, &self.agent_name))?;
        let fits = match &next {
            Some(piece) => {
                let left = self.left.checked_sub(piece.len() as u64);
                self.left = left.unwrap_or_default();
                left.is_some()
            }
            None => self.left == 0,
        };
        match fits {
            true => Ok(next),
            false => Err(nonsense(&self.agent_name)),
        }
    }
}

fn response(message: Message) -> v1::DownloadBackupResponse {
    v1::DownloadBackupResponse {
        message: Some(message),
    }
}

fn busy(agent: &str, most: usize) -> ApiError {
    let message = format!(
        "agent {agent} serves {most} downloads already, which is as many as it may at the same time \
         (`agents.downloads_per_agent`): wait for one to end"
    );
    ApiError::new(ErrorCode::ResourceExhausted, "TOO_MANY_DOWNLOADS", message)
        .retry_after(Duration::from_secs(30))
}

fn told(broken: &Broken, agent: &str) -> ApiError {
    let error = |code, reason, message| ApiError::new(code, reason, message);
    match broken {
        Broken::NotBegun => error(
            ErrorCode::DeadlineExceeded,
            "AGENT_SILENT",
            format!("agent {agent} did not begin to send: its log may tell why"),
        ),
        Broken::AgentLeft => error(
            ErrorCode::Unavailable,
            "AGENT_LOST",
            format!(
                "agent {agent} stopped sending in the middle: begin again when it is back; its log may tell why"
            ),
        ),
        Broken::Ended => error(
            ErrorCode::FailedPrecondition,
            "AGENT_REVOKED",
            format!("agent {agent} was revoked in the middle"),
        ),
        Broken::Stalled => error(
            ErrorCode::DeadlineExceeded,
            "DOWNLOAD_STALLED",
            format!("{broken}: save the script to a file first"),
        ),
        Broken::Failed(failure) => failed(failure),
    }
}
