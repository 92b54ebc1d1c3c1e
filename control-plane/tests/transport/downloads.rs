use std::time::Duration;

use dataguardian_control_plane::sessions::{Broken, Incoming};
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{AgentId, TransferId};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_client::AgentServiceClient;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::send_backup_request::Message as Sent;

use crate::agent::TestAgent;
use crate::server::{Server, Signed, refused};

/// An agent's call, begun with a transfer's id.
struct Sending {
    outgoing: mpsc::Sender<wire::SendBackupRequest>,
    answers: Streaming<wire::SendBackupResponse>,
}

impl Sending {
    async fn begin(server: &Server, agent: &TestAgent, transfer: TransferId) -> Result<Self, Status> {
        Self::begin_with(server, agent, Sent::TransferId(transfer.to_string())).await
    }

    async fn begin_with(server: &Server, agent: &TestAgent, first: Sent) -> Result<Self, Status> {
        let (outgoing, requests) = mpsc::channel(1);
        outgoing.send(message(first)).await.unwrap();
        let call = agent
            .client(server)
            .send_backup(ReceiverStream::new(requests))
            .await;
        Ok(Self {
            outgoing,
            answers: call?.into_inner(),
        })
    }

    async fn say(&self, said: Sent) {
        self.outgoing.send(message(said)).await.unwrap();
    }

    /// How the control plane ends it: fine, or with a reason.
    async fn end(mut self) -> Result<(), ApiError> {
        let waiting = tokio::time::timeout(Duration::from_secs(20), self.answers.message());
        let answer = waiting.await.expect("the call ends");
        answer.map(drop).map_err(|status| ApiError::from(&status))
    }
}

fn message(message: Sent) -> wire::SendBackupRequest {
    wire::SendBackupRequest {
        message: Some(message),
    }
}

async fn scene() -> (Server, Signed, TestAgent) {
    let server = Server::start().await;
    let admin = server.administrator().await;
    let agent = TestAgent::enroll(&server, &admin, "db1").await;
    (server, admin, agent)
}

fn open(server: &Server, agent: &TestAgent) -> (TransferId, Incoming) {
    let id: AgentId = agent.id.parse().unwrap();
    server.sessions.transfers().open(id, 1).unwrap()
}

async fn next(incoming: &mut Incoming) -> Result<Option<Vec<u8>>, Broken> {
    let next = tokio::time::timeout(Duration::from_secs(20), incoming.next());
    next.await.expect("something comes")
}

#[tokio::test]
async fn a_transfer_is_its_own_agents_and_good_once() {
    let (server, admin, agent) = Box::pin(scene()).await;
    let other = TestAgent::enroll(&server, &admin, "db2").await;
    let (id, mut incoming) = open(&server, &agent);
    let not_found = |outcome: Result<Sending, Status>| {
        let error = refused(outcome);
        assert_eq!(
            (error.code, error.reason.as_str()),
            (ErrorCode::NotFound, "TRANSFER_NOT_FOUND")
        );
    };
    not_found(Sending::begin(&server, &other, id).await);
    not_found(Sending::begin(&server, &agent, TransferId::new()).await);
    let sending = Sending::begin(&server, &agent, id)
        .await
        .expect("whoever tried has changed nothing");
    not_found(Sending::begin(&server, &agent, id).await);
    sending.say(Sent::Piece(b"CREATE TABLE".to_vec())).await;
    sending.say(Sent::Piece(b" t ();".to_vec())).await;
    sending.say(Sent::Whole(wire::SentWhole {})).await;
    assert_eq!(next(&mut incoming).await, Ok(Some(b"CREATE TABLE".to_vec())));
    assert_eq!(next(&mut incoming).await, Ok(Some(b" t ();".to_vec())));
    assert_eq!(next(&mut incoming).await, Ok(None));
    drop(incoming);
    assert_eq!(sending.end().await, Ok(()));
    not_found(Sending::begin(&server, &agent, id).await);
}

#[tokio::test]
async fn what_does_not_end_with_its_word_is_broken() {
    let (server, _, agent) = Box::pin(scene()).await;
    let failure = v1::Failure {
        reason: "REPOSITORY_DAMAGED".to_owned(),
        message: "pack abc is damaged".to_owned(),
        ..v1::Failure::default()
    };
    let too_long = Sent::Piece(vec![0; (1 << 20) + 1]);
    let again = Sent::TransferId(TransferId::new().to_string());
    for (last, field) in [
        (Some(too_long), "piece"),
        (Some(again), "transfer_id"),
        (None, "message"),
    ] {
        let (id, mut incoming) = open(&server, &agent);
        let sending = Sending::begin(&server, &agent, id).await.unwrap();
        sending.say(Sent::Piece(b"half".to_vec())).await;
        assert_eq!(next(&mut incoming).await, Ok(Some(b"half".to_vec())));
        if let Some(last) = last {
            sending.say(last).await;
        }
        // Or it hangs up without a word.
        let Sending {
            outgoing,
            mut answers,
        } = sending;
        drop(outgoing);
        let error = refused(answers.message().await);
        assert_eq!(error.fields[0].field, field);
        assert_eq!(next(&mut incoming).await, Err(Broken::AgentLeft), "{field}");
        drop(incoming);
    }
    let (id, mut incoming) = open(&server, &agent);
    let sending = Sending::begin(&server, &agent, id).await.unwrap();
    sending.say(Sent::Failure(failure)).await;
    match next(&mut incoming).await {
        Err(Broken::Failed(failure)) => assert_eq!(
            (failure.kind, failure.message.as_str()),
            (FailureKind::RepositoryDamaged, "pack abc is damaged")
        ),
        other => panic!("not that failure: {other:?}"),
    }
}

#[tokio::test]
async fn an_agent_learns_at_once_that_nobody_waits_any_more() {
    let (server, _, agent) = Box::pin(scene()).await;
    let (id, mut incoming) = open(&server, &agent);
    let sending = Sending::begin(&server, &agent, id).await.unwrap();
    sending.say(Sent::Piece(vec![1])).await;
    assert_eq!(next(&mut incoming).await, Ok(Some(vec![1])));
    drop(incoming);
    assert_eq!(sending.end().await.unwrap_err().reason, "DOWNLOAD_ENDED");
}

#[tokio::test]
async fn a_slow_reader_holds_the_agent_up_and_not_its_session() {
    const PIECES: u64 = 1000;
    let (server, _, agent) = Box::pin(scene()).await;
    let mut session = agent.open_session(&server).await.unwrap();
    let (id, mut incoming) = open(&server, &agent);
    let sending = Sending::begin(&server, &agent, id).await.unwrap();
    let piece = vec![7; 256 << 10];
    let mut sent = 0;
    // Nothing is read, so what is on the way fills up, long before it is all.
    let full = loop {
        let sending = sending.outgoing.send(message(Sent::Piece(piece.clone())));
        match tokio::time::timeout(Duration::from_secs(2), sending).await {
            Ok(taken) => taken.unwrap(),
            Err(_) => break true,
        }
        sent += 1;
        if sent == PIECES {
            break false;
        }
    };
    assert!(
        full && sent < PIECES / 2,
        "{sent} pieces were taken that nobody read"
    );
    let beat = wire::Heartbeat {
        sequence: 1,
        ..wire::Heartbeat::default()
    };
    session.say(wire::session_request::Message::Heartbeat(beat)).await;
    let heard = session.next().await.unwrap();
    assert!(matches!(
        heard,
        Some(wire::session_response::Message::HeartbeatSeen(_))
    ));
    for _ in 0..sent {
        assert_eq!(next(&mut incoming).await.unwrap().unwrap().len(), piece.len());
    }
}

#[tokio::test]
async fn a_revoked_agent_sends_nothing_more() {
    let (server, admin, agent) = Box::pin(scene()).await;
    let (id, mut incoming) = open(&server, &agent);
    let sending = Sending::begin(&server, &agent, id).await.unwrap();
    sending.say(Sent::Piece(vec![1])).await;
    assert_eq!(next(&mut incoming).await, Ok(Some(vec![1])));
    let request = v1::RevokeAgentRequest {
        agent: "db1".to_owned(),
    };
    AgentServiceClient::new(admin)
        .revoke_agent(request)
        .await
        .unwrap();
    assert_eq!(next(&mut incoming).await, Err(Broken::Ended));
    drop(incoming);
    assert_eq!(sending.end().await.unwrap_err().reason, "DOWNLOAD_ENDED");
}

#[tokio::test]
async fn what_first_comes_must_be_a_transfer() {
    let (server, _, agent) = Box::pin(scene()).await;
    for first in [Sent::Piece(vec![1]), Sent::TransferId("x".to_owned())] {
        let error = refused(Sending::begin_with(&server, &agent, first).await);
        assert_eq!(error.fields[0].field, "transfer_id");
    }
}

#[tokio::test]
async fn bad_downloads_name_their_fields_and_what_is_not_there() {
    let (_server, admin, _) = Box::pin(scene()).await;
    let mut backups = BackupServiceClient::new(admin);
    let bad = v1::DownloadBackupRequest {
        backup: "latest".to_owned(),
        database: "shop".to_owned(),
        globals: true,
        ..v1::DownloadBackupRequest::default()
    };
    let fields = crate::server::bad_fields(backups.download_backup(bad).await);
    assert_eq!(fields, ["datasource", "globals"]);
    let unknown = v1::DownloadBackupRequest {
        backup: dataguardian_core::ids::BackupId::new().to_string(),
        ..v1::DownloadBackupRequest::default()
    };
    assert_eq!(
        refused(backups.download_backup(unknown).await).reason,
        "BACKUP_NOT_FOUND"
    );
}
