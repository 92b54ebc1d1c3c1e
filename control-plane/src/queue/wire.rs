//! Signals as bytes, between replicas of one control plane: 18 to 70 bytes each.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | the version of this layout: 1 |
//! | 16 | which process sent it, drawn at its start: nobody heeds what comes back to him |
//! | 1 | the kind |
//! | 0 to 52 | the kind's ids, as the 16 bytes of each UUID; of a fence the attempt too, as four bytes, the greatest first |
//!
//! What can't be read (a newer replica's, or nobody's) means the same as [`Message::LookAnew`]: something happened.

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ExecutionId, LeaseToken, ReplicaId, RequestId};
use uuid::Uuid;

use super::Signal;
use crate::domain::addressee::Addressee;
use crate::domain::worker::Worker;

const VERSION: u8 = 1;

/// What one replica tells the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// Something happened.
    Signal(Signal),
    /// The sender could not tell all that happened: look at everything that is waited for.
    LookAnew,
}

/// The bytes of no message that we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message that can't be read")]
pub(super) struct Unreadable;

/// A message as bytes.
pub(super) fn encode(sender: Uuid, message: Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(70);
    bytes.push(VERSION);
    bytes.extend(sender.as_bytes());
    let (kind, ids): (u8, &[&Uuid]) = match &message {
        Message::LookAnew => (0, &[]),
        Message::Signal(Signal::WorkQueued(agent, Worker::Backup)) => (1, &[agent.as_uuid()]),
        Message::Signal(Signal::WorkQueued(agent, Worker::Restore)) => (2, &[agent.as_uuid()]),
        Message::Signal(Signal::ExecutionChanged(execution)) => (3, &[execution.as_uuid()]),
        Message::Signal(Signal::LogsAppended(execution)) => (4, &[execution.as_uuid()]),
        Message::Signal(Signal::CancelRequested(agent, fence)) => (
            5,
            &[
                agent.as_uuid(),
                fence.execution.as_uuid(),
                fence.lease_token.as_uuid(),
            ],
        ),
        Message::Signal(Signal::AgentRevoked(agent)) => (6, &[agent.as_uuid()]),
        Message::Signal(Signal::AgentRebuilt(agent)) => (7, &[agent.as_uuid()]),
        Message::Signal(Signal::BackupDeleted) => (8, &[]),
        Message::Signal(Signal::AuthoritiesChanged) => (9, &[]),
        Message::Signal(Signal::SchedulesChanged) => (10, &[]),
        Message::Signal(Signal::RetentionDue) => (11, &[]),
        Message::Signal(Signal::Asked(Addressee::Agent(agent))) => (12, &[agent.as_uuid()]),
        Message::Signal(Signal::Answered(request)) => (13, &[request.as_uuid()]),
        Message::Signal(Signal::Asked(Addressee::Replica(replica))) => (14, &[replica.as_uuid()]),
    };
    bytes.push(kind);
    for id in ids {
        bytes.extend(id.as_bytes());
    }
    if let Message::Signal(Signal::CancelRequested(_, fence)) = message {
        bytes.extend(fence.attempt.to_be_bytes());
    }
    bytes
}

/// Who sent it, and what.
pub(super) fn decode(bytes: &[u8]) -> Result<(Uuid, Message), Unreadable> {
    let mut rest = Rest(bytes);
    let [version] = rest.take()?;
    if version != VERSION {
        return Err(Unreadable);
    }
    let sender = rest.id()?;
    let [kind] = rest.take()?;
    let message = match kind {
        0 => Message::LookAnew,
        1 => Message::Signal(Signal::WorkQueued(rest.agent()?, Worker::Backup)),
        2 => Message::Signal(Signal::WorkQueued(rest.agent()?, Worker::Restore)),
        3 => Message::Signal(Signal::ExecutionChanged(rest.execution()?)),
        4 => Message::Signal(Signal::LogsAppended(rest.execution()?)),
        5 => {
            let (agent, execution) = (rest.agent()?, rest.execution()?);
            let lease_token = LeaseToken::from_uuid(rest.id()?);
            let attempt = u32::from_be_bytes(rest.take()?);
            let fence = Fence {
                execution,
                attempt,
                lease_token,
            };
            Message::Signal(Signal::CancelRequested(agent, fence))
        }
        6 => Message::Signal(Signal::AgentRevoked(rest.agent()?)),
        7 => Message::Signal(Signal::AgentRebuilt(rest.agent()?)),
        8 => Message::Signal(Signal::BackupDeleted),
        9 => Message::Signal(Signal::AuthoritiesChanged),
        10 => Message::Signal(Signal::SchedulesChanged),
        11 => Message::Signal(Signal::RetentionDue),
        12 => Message::Signal(Signal::Asked(Addressee::Agent(rest.agent()?))),
        13 => Message::Signal(Signal::Answered(RequestId::from_uuid(rest.id()?))),
        14 => Message::Signal(Signal::Asked(Addressee::Replica(ReplicaId::from_uuid(
            rest.id()?,
        )))),
        _ => return Err(Unreadable),
    };
    match rest.0 {
        [] => Ok((sender, message)),
        _ => Err(Unreadable),
    }
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const COUNT: usize>(&mut self) -> Result<[u8; COUNT], Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn id(&mut self) -> Result<Uuid, Unreadable> {
        self.take().map(Uuid::from_bytes)
    }

    fn agent(&mut self) -> Result<AgentId, Unreadable> {
        self.id().map(AgentId::from_uuid)
    }

    fn execution(&mut self) -> Result<ExecutionId, Unreadable> {
        self.id().map(ExecutionId::from_uuid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all() -> Vec<Message> {
        let (agent, execution) = (AgentId::new(), ExecutionId::new());
        let fence = Fence {
            execution,
            attempt: 3,
            lease_token: LeaseToken::new(),
        };
        let signals = [
            Signal::WorkQueued(agent, Worker::Backup),
            Signal::WorkQueued(agent, Worker::Restore),
            Signal::ExecutionChanged(execution),
            Signal::LogsAppended(execution),
            Signal::CancelRequested(agent, fence),
            Signal::AgentRevoked(agent),
            Signal::AgentRebuilt(agent),
            Signal::BackupDeleted,
            Signal::AuthoritiesChanged,
            Signal::SchedulesChanged,
            Signal::RetentionDue,
            Signal::Asked(Addressee::Agent(agent)),
            Signal::Asked(Addressee::Replica(ReplicaId::new())),
            Signal::Answered(RequestId::new()),
        ];
        let mut all: Vec<Message> = signals.into_iter().map(Message::Signal).collect();
        all.push(Message::LookAnew);
        all
    }

    #[test]
    fn every_message_comes_back_and_is_short() {
        let sender = Uuid::new_v4();
        for message in all() {
            let bytes = encode(sender, message);
            assert_eq!(decode(&bytes), Ok((sender, message)));
            assert!(bytes.len() <= 70, "{message:?}: {}", bytes.len());
        }
    }

    #[test]
    fn what_is_cut_off_or_of_another_version_is_not_read() {
        for message in all() {
            let bytes = encode(Uuid::new_v4(), message);
            for length in 0..bytes.len() {
                assert_eq!(decode(&bytes[..length]), Err(Unreadable), "{message:?}");
            }
            assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(Unreadable));
            assert_eq!(decode(&[&[2], &bytes[1..]].concat()), Err(Unreadable));
        }
    }

    proptest! {
        #[test]
        fn anything_may_come(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            if let Ok((sender, message)) = decode(&bytes) {
                prop_assert_eq!(encode(sender, message), bytes);
            }
        }
    }
}
