use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use tokio::sync::mpsc::Receiver;
use tonic::Status;

use super::*;

type Inbox = Receiver<Result<wire::SessionResponse, Status>>;

fn open(sessions: &Sessions, agent: AgentId, epoch: u64) -> (Result<SessionHandle, Outdated>, Inbox) {
    let (outbox, inbox) = outbox();
    (sessions.open(agent, epoch, FreeSlots(1), outbox), inbox)
}

fn question() -> Question {
    Question::TestDatasource {
        connection: ConnectionTarget {
            engine: dataguardian_core::engine::Engine::Postgres,
            host: "localhost".into(),
            port: 5432,
            username: "backup".into(),
            password: None,
            tls: TlsMode::Prefer,
            tls_ca: None,
            credential_ref: None,
            service: None,
            maintenance_database: None,
        },
        databases: DatabaseSelection::AllExcept(vec![]),
    }
}

async fn asked(inbox: &mut Inbox) -> RequestId {
    match inbox.recv().await.unwrap().unwrap().message.unwrap() {
        wire::session_response::Message::Question(question) => question.request_id.parse().unwrap(),
        other => panic!("not a question: {other:?}"),
    }
}

use dataguardian_core::ids::RequestId;

#[tokio::test]
async fn a_newer_session_replaces_an_older_one_and_never_the_other_way() {
    let (sessions, agent) = (Sessions::new(), AgentId::new());
    let (first, _inbox) = open(&sessions, agent, 1);
    let first = first.unwrap();
    let (second, _inbox) = open(&sessions, agent, 2);
    assert_eq!(first.ended().await, EndReason::Replaced);
    assert_eq!(open(&sessions, agent, 1).0.err(), Some(Outdated));
    sessions.forget(&first);
    assert_eq!(sessions.get(agent).unwrap().epoch(), 2);
    sessions.forget(&second.unwrap());
    assert!(!sessions.is_connected(agent) && sessions.count() == 0);
}

#[tokio::test]
async fn an_answer_finds_who_asked() {
    let (sessions, agent) = (Sessions::new(), AgentId::new());
    let (handle, mut inbox) = open(&sessions, agent, 1);
    let handle = handle.unwrap();
    let answering = async {
        let id = asked(&mut inbox).await;
        let failure = Failure::new(FailureKind::AgentPolicy, "not allowed");
        handle.answered(RequestId::new(), wire::answer::Answer::Failure((&failure).into()));
        handle.answered(id, wire::answer::Answer::Failure((&failure).into()));
        failure
    };
    let ask = sessions.ask(agent, question(), Duration::from_secs(5));
    let (answer, failure) = tokio::join!(ask, answering);
    assert_eq!(answer, Err(AskError::Failed(failure)));
}

#[tokio::test(start_paused = true)]
async fn a_question_is_not_waited_for_for_ever() {
    let (sessions, agent) = (Sessions::new(), AgentId::new());
    let timeout = Duration::from_secs(5);
    assert_eq!(
        sessions.ask(agent, question(), timeout).await,
        Err(AskError::NotConnected)
    );
    let (handle, mut inbox) = open(&sessions, agent, 1);
    assert_eq!(
        sessions.ask(agent, question(), timeout).await,
        Err(AskError::NoAnswer(timeout))
    );
    asked(&mut inbox).await;
    let ending = async {
        asked(&mut inbox).await;
        handle.unwrap().end(EndReason::Revoked);
    };
    let (answer, ()) = tokio::join!(sessions.ask(agent, question(), timeout), ending);
    assert_eq!(answer, Err(AskError::NotConnected));
}

#[tokio::test]
async fn an_agent_that_does_not_read_fills_its_outbox_and_nothing_else() {
    let (sessions, agent) = (Sessions::new(), AgentId::new());
    let (handle, _inbox) = open(&sessions, agent, 1);
    let handle = handle.unwrap();
    let seen = |sequence| wire::session_response::Message::HeartbeatSeen(wire::HeartbeatSeen { sequence });
    let sent = (0..1000)
        .take_while(|&sequence| handle.send(seen(sequence)).is_ok())
        .count();
    assert_eq!(sent, 64);
}

#[tokio::test]
async fn draining_tells_every_agent() {
    let (sessions, agent) = (Sessions::new(), AgentId::new());
    let (handle, mut inbox) = open(&sessions, agent, 1);
    sessions.drain(Duration::from_secs(3)).await;
    let told = inbox.recv().await.unwrap().unwrap().message.unwrap();
    assert!(matches!(told, wire::session_response::Message::Drain(_)));
    assert_eq!(handle.unwrap().ended().await, EndReason::Stopping);
}
