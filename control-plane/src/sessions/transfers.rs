//! Scripts on their way from an agent to a call that waits for them on this replica.
//!
//! A transfer is opened by the call, claimed once by the agent that it is for, and over as soon as one of them goes. Between them
//! are at most [`AHEAD`] pieces: whoever reads slowly slows the agent down. What must never happen: a script that is not whole
//! ends as if it were, or another agent's bytes come out of a transfer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{AgentId, TransferId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pieces that were taken from the agent and not yet by the reader.
const AHEAD: usize = 2;
/// An agent that was asked begins within this time.
const CLAIM: Duration = Duration::from_secs(60);
/// A reader takes the next piece within this time: a database that builds an index out of the script may be long about it.
const READER_PATIENCE: Duration = Duration::from_secs(6 * 3600);

/// The open transfers of this replica. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Transfers(Arc<Mutex<HashMap<TransferId, Open>>>);

#[derive(Debug)]
struct Open {
    agent: AgentId,
    /// What the agent gets when it comes; none once it came.
    unclaimed: Option<Unclaimed>,
    /// Of an agent whose identity was ended.
    ended: CancellationToken,
    /// Of a reader that takes nothing.
    stalled: CancellationToken,
}

#[derive(Debug)]
struct Unclaimed {
    pieces: mpsc::Sender<Part>,
    claimed: oneshot::Sender<()>,
    until: Instant,
}

#[derive(Debug)]
enum Part {
    Piece(Vec<u8>),
    Whole,
    Failed(Failure),
}

/// As many transfers of that agent are open as may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent sends as many scripts as it may already")]
pub struct Busy;

/// Why a script is not whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The agent did not begin.
    #[error("the agent did not begin to send within {} s", CLAIM.as_secs())]
    NotBegun,
    /// The agent went away.
    #[error("the agent went away in the middle")]
    AgentLeft,
    /// The agent's identity was ended.
    #[error("the agent's identity was ended")]
    Ended,
    /// Nothing was read for too long.
    #[error("nothing was read for {} h", READER_PATIENCE.as_secs() / 3600)]
    Stalled,
    /// The agent can't read any further.
    #[error("{0}")]
    Failed(Failure),
}

/// Why a piece was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Nobody waits for it any more.
    #[error("nobody waits for it any more")]
    Left,
    /// Whoever waits did not take anything for too long.
    #[error("nothing was taken for {} s", READER_PATIENCE.as_secs())]
    Slow,
}

/// The end at which the call reads. The transfer is over when it is dropped.
#[derive(Debug)]
pub struct Incoming {
    id: TransferId,
    pieces: mpsc::Receiver<Part>,
    /// Until the agent came.
    claimed: Option<oneshot::Receiver<()>>,
    ended: CancellationToken,
    stalled: CancellationToken,
    transfers: Transfers,
}

/// The end at which the agent's bytes come in.
#[derive(Debug)]
pub struct Outgoing {
    pieces: mpsc::Sender<Part>,
    ended: CancellationToken,
    stalled: CancellationToken,
}

impl Transfers {
    /// Opens one for that agent, which may have `most` at the same time.
    pub fn open(&self, agent: AgentId, most: usize) -> Result<(TransferId, Incoming), Busy> {
        let mut open = self.lock();
        if open.values().filter(|open| open.agent == agent).count() >= most {
            return Err(Busy);
        }
        let id = TransferId::new();
        let (sender, pieces) = mpsc::channel(AHEAD);
        let (claimed, claims) = oneshot::channel();
        let (ended, stalled) = (CancellationToken::new(), CancellationToken::new());
        let unclaimed = Unclaimed {
            pieces: sender,
            claimed,
            until: Instant::now() + CLAIM,
        };
        open.insert(
            id,
            Open {
                agent,
                unclaimed: Some(unclaimed),
                ended: ended.clone(),
                stalled: stalled.clone(),
            },
        );
        let incoming = Incoming {
            id,
            pieces,
            claimed: Some(claims),
            ended,
            stalled,
            transfers: self.clone(),
        };
        Ok((id, incoming))
    }

    /// The agent comes for it: works once, for the agent that it is for, and not for long. Whoever else tries changes nothing.
    pub fn claim(&self, agent: AgentId, id: TransferId) -> Option<Outgoing> {
        let mut open = self.lock();
        let open = open.get_mut(&id).filter(|open| open.agent == agent)?;
        let unclaimed = open.unclaimed.take_if(|it| Instant::now() < it.until)?;
        unclaimed.claimed.send(()).ok()?;
        Some(Outgoing {
            pieces: unclaimed.pieces,
            ended: open.ended.clone(),
            stalled: open.stalled.clone(),
        })
    }

    /// Ends all of an agent's.
    pub(crate) fn end_of(&self, agent: AgentId) {
        for open in self.lock().values().filter(|open| open.agent == agent) {
            open.ended.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TransferId, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Incoming {
    /// The next piece; none when it was whole. To be asked no more after an error.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let ended = self.ended.clone();
        let next = ended.run_until_cancelled(self.next_part()).await;
        match next.ok_or(Broken::Ended)?? {
            Part::Piece(piece) => Ok(Some(piece)),
            Part::Whole => Ok(None),
            Part::Failed(failure) => Err(Broken::Failed(failure)),
        }
    }

    async fn next_part(&mut self) -> Result<Part, Broken> {
        if let Some(claimed) = self.claimed.take() {
            let claimed = tokio::time::timeout(CLAIM, claimed).await;
            let begun = claimed.is_ok_and(|claimed| claimed.is_ok());
            if !begun {
                return Err(Broken::NotBegun);
            }
        }
        let part = self.pieces.recv().await;
        part.ok_or_else(|| {
            // Whoever cut it off leaves as well, and may be heard leaving first.
            match (self.ended.is_cancelled(), self.stalled.is_cancelled()) {
                (true, _) => Broken::Ended,
                (false, true) => Broken::Stalled,
                (false, false) => Broken::AgentLeft,
            }
        })
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.transfers.lock().remove(&self.id);
    }
}

impl Outgoing {
    /// Passes a piece on, once there is room for it.
    pub async fn piece(&self, piece: Vec<u8>) -> Result<(), NotTaken> {
        self.part(Part::Piece(piece)).await
    }

    /// All was passed on.
    pub async fn whole(self) -> Result<(), NotTaken> {
        self.part(Part::Whole).await?;
        self.taken().await
    }

    /// The agent can't read any further.
    pub async fn failed(self, failure: Failure) -> Result<(), NotTaken> {
        self.part(Part::Failed(failure)).await?;
        self.taken().await
    }

    /// Waits until nobody waits any more, so that an agent which may as well stop need not wait for the next piece to learn it.
    pub async fn left(&self) {
        tokio::select! {
            () = self.pieces.closed() => {}
            () = self.ended.cancelled() => {}
        }
    }

    async fn part(&self, part: Part) -> Result<(), NotTaken> {
        let passing = tokio::time::timeout(READER_PATIENCE, self.pieces.send(part));
        match self.ended.run_until_cancelled(passing).await {
            Some(Ok(Ok(()))) => Ok(()),
            Some(Err(_)) => {
                self.stalled.cancel();
                Err(NotTaken::Slow)
            }
            Some(Ok(Err(_))) | None => Err(NotTaken::Left),
        }
    }

    /// The last word stays where it is until it is taken, or is lost with its reader.
    async fn taken(&self) -> Result<(), NotTaken> {
        match tokio::time::timeout(READER_PATIENCE, self.left()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(NotTaken::Slow),
        }
    }
}

#[cfg(test)]
mod tests;
