//! Sending a part of a backup, as one SQL script, to whoever downloads it through the control plane.
//!
//! The answer says that the backup could be opened, and how long the script is. The script itself goes over a call of its own, which
//! lives as long as its reader wants it: nobody has to wait for the session, and the session for nobody. Nothing is sent that was not
//! checked, and a script that is not whole never ends with the word that it is.

use std::time::Duration;

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::TransferId;
use dataguardian_proto::agent::v1::{self, send_backup_question, send_backup_request};
use dataguardian_proto::convert::InvalidField;
use dataguardian_proto::status::ApiError;
use dataguardian_repository::read::BackupReader;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::malformed;
use crate::control_plane::{Client, ControlPlane};
use crate::patience;
use crate::repositories::StoredBackup;
use crate::rescue::{Part, Script};
use crate::runner::Host;
use crate::runner::verify::executor;
use crate::runner::work::{RepositoryPlace, id, places, protection, trusted_keys};

/// Bytes in one message.
const PIECE: usize = 256 << 10;
/// How long the control plane may take to say that it listens.
const OPENING: Duration = Duration::from_secs(30);
/// How many connections are tried for the replica that waits.
const REPLICAS: usize = 10;
/// Messages that wait for the connection to take them.
const WAITING: usize = 1;

/// Pieces of a script, and why it ends where it does not end well.
type Pieces = BoxStream<'static, Result<Bytes, Failure>>;

/// Opens the backup, and has its script sent.
pub(super) async fn begin(
    host: &Host,
    asked: v1::SendBackupQuestion,
) -> Result<v1::SendBackupAnswer, Failure> {
    host.config.permit_download()?;
    let wanted = Wanted::read(asked).map_err(|error| malformed(&error))?;
    let reader = wanted.open(host).await?.with_executor(executor(&host.cpu));
    let script = Script::of(reader, &wanted.part)?;
    let bytes = script.len();
    let (transfer, backup) = (wanted.transfer, wanted.stored.backup);
    let control_plane = host.control_plane.clone();
    host.sending.spawn(async move {
        match send(&control_plane, transfer, script.pieces()).await {
            Ok(Sent::Whole) => {
                tracing::info!(backup.id = %backup, transfer.id = %transfer, bytes, "a backup was sent to be downloaded");
            }
            Ok(Sent::Broken(failure)) => {
                tracing::warn!(backup.id = %backup, transfer.id = %transfer, %failure, "a backup that is downloaded can't be read");
            }
            Err(status) => {
                let error = ApiError::from(&status);
                tracing::warn!(
                    backup.id = %backup, transfer.id = %transfer, reason = error.reason, %error,
                    "a download ended early: nothing more is read"
                );
            }
        }
    });
    Ok(v1::SendBackupAnswer { bytes })
}

/// What is to be sent.
struct Wanted {
    transfer: TransferId,
    stored: StoredBackup,
    places: Vec<RepositoryPlace>,
    part: Part,
}

impl Wanted {
    fn read(asked: v1::SendBackupQuestion) -> Result<Self, InvalidField> {
        let part = match asked.part {
            Some(send_backup_question::Part::Database(name)) => Part::Database(name),
            Some(send_backup_question::Part::Globals(v1::GlobalsPart {})) => Part::Globals,
            None => return Err(InvalidField::new("part", "must be given")),
        };
        Ok(Self {
            transfer: id("transfer_id", &asked.transfer_id)?,
            stored: StoredBackup {
                datasource: id("datasource_id", &asked.datasource_id)?,
                backup: id("backup_id", &asked.backup_id)?,
                protection: protection(&asked.datasource_keys)?,
                trusted: trusted_keys(asked.trusted_keys)?,
            },
            places: places(asked.repositories)?,
            part,
        })
    }

    /// The backup, from the first copy that is whole; if none is, from the first that can be opened: what is missing there may
    /// not be needed, and is named if it is.
    async fn open(&self, host: &Host) -> Result<BackupReader, Failure> {
        let mut last = Failure::new(
            FailureKind::StorageUnreachable,
            "the backup has no copy that this agent reaches",
        );
        let mut incomplete = None;
        for place in &self.places {
            match self.stored.open_copy(host, place).await {
                Ok((reader, missing)) if missing.is_empty() => return Ok(reader),
                Ok((reader, missing)) => {
                    tracing::warn!(
                        storage = place.name,
                        missing = missing.len(),
                        "a copy of a backup is not whole"
                    );
                    incomplete.get_or_insert(reader);
                }
                Err(failure) => {
                    tracing::warn!(storage = place.name, %failure, "a copy of a backup can't be read");
                    last = failure;
                }
            }
        }
        incomplete.ok_or(last)
    }
}

/// What was sent, with word of it.
#[derive(Debug)]
enum Sent {
    /// All of it.
    Whole,
    /// As much as could be read.
    Broken(Failure),
}

/// Sends it all, or as much as can be read: an error says that nobody takes any more.
async fn send(control_plane: &ControlPlane, transfer: TransferId, pieces: Pieces) -> Result<Sent, Status> {
    let ((outgoing, mut answers), _client) = open(control_plane, transfer).await?;
    let feeding = feed(pieces, outgoing);
    tokio::pin!(feeding);
    let sent = tokio::select! {
        // After the last word an answer is none too early.
        biased;
        sent = &mut feeding => sent,
        answer = answers.message() => {
            answer?;
            return Err(Status::aborted("it was answered before its end"));
        }
    };
    answers.message().await?;
    Ok(sent)
}

/// A call: what takes the pieces, and its answers.
type Call = (
    mpsc::Sender<v1::SendBackupRequest>,
    Streaming<v1::SendBackupResponse>,
);

/// Opens the call at the replica that waits for the transfer: a balancer is asked until it gives that one. The connections that led
/// elsewhere stand meanwhile, so that a balancer that counts them gives another.
async fn open(control_plane: &ControlPlane, transfer: TransferId) -> Result<(Call, Client), Status> {
    let mut elsewhere = Vec::new();
    loop {
        let mut client = control_plane.client_apart();
        match open_on(&mut client, transfer).await {
            Err(status) if is_elsewhere(&status) && elsewhere.len() + 1 < REPLICAS => elsewhere.push(client),
            Err(status) => return Err(status),
            Ok(call) => return Ok((call, client)),
        }
    }
}

fn is_elsewhere(status: &Status) -> bool {
    ApiError::from(status).reason == "TRANSFER_NOT_FOUND"
}

async fn open_on(client: &mut Client, transfer: TransferId) -> Result<Call, Status> {
    let (outgoing, messages) = mpsc::channel(WAITING);
    let begin = send_backup_request::Message::TransferId(transfer.to_string());
    // It is the first, so there is room for it.
    let begun = outgoing.try_send(request(begin));
    begun.map_err(|error| Status::internal(error.to_string()))?;
    let opening = patience::timeout(OPENING, client.send_backup(ReceiverStream::new(messages)));
    let opened = opening
        .await
        .map_err(|_| Status::deadline_exceeded("the control plane does not answer"))?;
    Ok((outgoing, opened?.into_inner()))
}

/// Hands all of it to the call, and how it ended. Waits for ever when the call has ended: that is heard elsewhere, with the reason.
async fn feed(mut pieces: Pieces, outgoing: mpsc::Sender<v1::SendBackupRequest>) -> Sent {
    let (sent, last) = loop {
        match pieces.next().await {
            Some(Ok(piece)) => {
                if !feed_piece(piece, &outgoing).await {
                    std::future::pending::<()>().await;
                }
            }
            Some(Err(failure)) => {
                let last = send_backup_request::Message::Failure((&failure).into());
                break (Sent::Broken(failure), last);
            }
            None => {
                let last = send_backup_request::Message::Whole(v1::SentWhole {});
                break (Sent::Whole, last);
            }
        }
    };
    drop(outgoing.send(request(last)).await);
    sent
}

/// Hands over one piece, in messages that are not too large; whether the call takes more.
async fn feed_piece(mut piece: Bytes, outgoing: &mpsc::Sender<v1::SendBackupRequest>) -> bool {
    while !piece.is_empty() {
        let part = piece.split_to(piece.len().min(PIECE));
        let part = send_backup_request::Message::Piece(part.into());
        if outgoing.send(request(part)).await.is_err() {
            return false;
        }
    }
    true
}

fn request(message: send_backup_request::Message) -> v1::SendBackupRequest {
    v1::SendBackupRequest {
        message: Some(message),
    }
}
