//! Following one execution.

use std::time::Duration;

use dataguardian_core::ids::ExecutionId;

use crate::domain::execution::{Execution, Outlook, Progress};
use crate::queue::{Heard, Listener, Signal};
use crate::services::{Context, Error};

/// A lost signal costs at most this.
const PASS: Duration = Duration::from_secs(5);

/// Follows one execution.
#[derive(Debug)]
pub struct Watch {
    context: Context,
    id: ExecutionId,
    listener: Listener,
    last: Option<(i64, Option<Progress>, Outlook)>,
    ended: bool,
}

impl Watch {
    pub(super) fn new(context: Context, id: ExecutionId, listener: Listener) -> Self {
        Self {
            context,
            id,
            listener,
            last: None,
            ended: false,
        }
    }

    /// The execution as it is at first, then at its next change; none after the last one. Cancel-safe. Changes that follow
    /// each other closely may come as one.
    pub async fn next(&mut self) -> Result<Option<Execution>, Error> {
        while !self.ended {
            let execution = self.context.execution(self.id).await?;
            let seen = Some((
                execution.revision,
                execution.progress.clone(),
                execution.outlook.clone(),
            ));
            if seen != self.last {
                self.last = seen;
                self.ended = execution.state.is_terminal();
                return Ok(Some(execution));
            }
            self.listener
                .wait_for(PASS, |signal| signal == Signal::ExecutionChanged(self.id))
                .await;
        }
        Ok(None)
    }
}

impl Listener {
    /// Waits until a signal matters, may have been missed, or the time is over.
    pub(in crate::services) async fn wait_for(
        &mut self,
        at_most: Duration,
        matters: impl Fn(Signal) -> bool + Send,
    ) {
        let heard = async {
            loop {
                match self.next().await {
                    Heard::Signal(signal) if !matters(signal) => {}
                    Heard::Signal(_) | Heard::Missed => return,
                    // Only time goes on.
                    Heard::Closed => std::future::pending().await,
                }
            }
        };
        tokio::time::timeout(at_most, heard).await.ok();
    }
}
