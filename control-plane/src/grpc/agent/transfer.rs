//! SendBackup: an agent's bytes into the transfer that waits for them.
//!
//! A piece is taken from the connection when there is room for it, so that a slow reader holds the agent up by HTTP/2's own
//! windows, and nothing piles up here. Whoever waits is never told that a script is whole by anything but the agent's word.

use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::{AgentId, TransferId};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::agent::v1::send_backup_request::Message;
use dataguardian_proto::status::ApiError;
use futures::stream;
use tonic::{Request, Response, Status, Streaming};

use crate::domain::field::BadField;
use crate::grpc::Shared;
use crate::grpc::call::agent;
use crate::grpc::stream::{Messages, until_stop};
use crate::sessions::{NotTaken, Outgoing};

/// How long the first message may take.
const FIRST: Duration = Duration::from_secs(10);
/// How long an agent may take for the next piece: its storage may be away for a while.
const NEXT: Duration = Duration::from_secs(10 * 60);
/// The largest piece, in bytes.
const MAX_PIECE: usize = 1 << 20;

/// Takes the transfer on. Its end is the answer's end.
pub(super) async fn receive(
    shared: &Shared,
    request: Request<Streaming<wire::SendBackupRequest>>,
) -> Result<Response<Messages<wire::SendBackupResponse>>, Status> {
    let agent = agent(&request)?;
    let mut incoming = request.into_inner();
    let transfer = transfer(&mut incoming).await?;
    let outgoing = claim(shared, agent, transfer)?;
    let passing = async move {
        pass_on(incoming, outgoing).await?;
        Ok::<_, Status>(wire::SendBackupResponse {})
    };
    Ok(Response::new(until_stop(
        stream::once(passing),
        shared.stop.clone(),
    )))
}

/// The transfer that the first message names.
async fn transfer(incoming: &mut Streaming<wire::SendBackupRequest>) -> Result<TransferId, Status> {
    let first = tokio::time::timeout(FIRST, incoming.message()).await;
    let first = first.map_err(|_| silent(FIRST))??;
    let problem = "must come first, and be a transfer's id";
    match first.and_then(|first| first.message) {
        Some(Message::TransferId(id)) => id
            .parse()
            .map_err(|_| BadField::new("transfer_id", problem).into()),
        _ => Err(BadField::new("transfer_id", problem).into()),
    }
}

fn claim(shared: &Shared, agent: AgentId, transfer: TransferId) -> Result<Outgoing, ApiError> {
    shared.sessions.transfers().claim(agent, transfer).ok_or_else(|| {
        ApiError::new(
            ErrorCode::NotFound,
            "TRANSFER_NOT_FOUND",
            "nobody waits for this transfer of this agent, or it has begun already: send nothing",
        )
    })
}

async fn pass_on(mut incoming: Streaming<wire::SendBackupRequest>, outgoing: Outgoing) -> Result<(), Status> {
    loop {
        let next = tokio::select! {
            next = tokio::time::timeout(NEXT, incoming.message()) => next.map_err(|_| silent(NEXT))??,
            () = outgoing.left() => return Err(not_taken(NotTaken::Left)),
        };
        match next.and_then(|next| next.message) {
            Some(Message::Piece(piece)) if piece.len() <= MAX_PIECE => {
                outgoing.piece(piece).await.map_err(not_taken)?;
            }
            Some(Message::Whole(wire::SentWhole {})) => return outgoing.whole().await.map_err(not_taken),
            Some(Message::Failure(failure)) => {
                return outgoing.failed(failure.into()).await.map_err(not_taken);
            }
            Some(Message::Piece(_)) => return Err(BadField::new("piece", "is longer than 1 MiB").into()),
            Some(Message::TransferId(_)) => return Err(BadField::new("transfer_id", "comes once").into()),
            None => return Err(BadField::new("message", "must say how it ended").into()),
        }
    }
}

fn silent(limit: Duration) -> ApiError {
    let message = format!("nothing came for {} s", limit.as_secs());
    ApiError::new(ErrorCode::DeadlineExceeded, "AGENT_SILENT", message)
}

fn not_taken(why: NotTaken) -> Status {
    let error = match why {
        NotTaken::Left => ApiError::new(
            ErrorCode::Aborted,
            "DOWNLOAD_ENDED",
            "nobody waits for the script any more: send nothing",
        ),
        NotTaken::Slow => ApiError::new(
            ErrorCode::DeadlineExceeded,
            "DOWNLOAD_STALLED",
            "whoever downloads took nothing for too long: send nothing",
        ),
    };
    error.into()
}
