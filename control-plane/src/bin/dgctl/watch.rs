//! Follows one execution to its end, through lost connections and restarts of the server.

use dataguardian_proto::v1;
use tonic::Streaming;

use crate::connect::Api;
use crate::error::{Error, Result};
use crate::patience::{Patience, is_passing};
use crate::values::is_terminal;

/// An execution being followed.
#[derive(Debug)]
pub(crate) struct Watch<'a> {
    api: &'a Api,
    id: String,
    stream: Option<Streaming<v1::WatchExecutionResponse>>,
    revision: Option<i64>,
    ended: bool,
    patience: Patience,
}

/// What is new about it.
#[derive(Debug)]
pub(crate) enum News {
    /// It changed, or this is the first look at it.
    Changed(Box<v1::Execution>),
    /// The connection is lost; it is being tried again.
    OutOfSight,
}

impl<'a> Watch<'a> {
    /// Follows the execution with this id.
    pub(crate) fn new(api: &'a Api, id: impl Into<String>) -> Self {
        Self {
            api,
            id: id.into(),
            stream: None,
            revision: None,
            ended: false,
            patience: Patience::default(),
        }
    }

    /// The next news; none after a state that nothing follows.
    pub(crate) async fn next(&mut self) -> Result<Option<News>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            match self.receive().await {
                Ok(Some(execution)) => {
                    self.patience.restore();
                    self.ended = is_terminal(execution.state());
                    // After a reconnection the first message may tell nothing new.
                    if self.revision.is_none_or(|seen| execution.revision > seen) || self.ended {
                        self.revision = Some(execution.revision);
                        return Ok(Some(News::Changed(Box::new(execution))));
                    }
                }
                // The server ended the stream although the execution goes on: it is shutting down.
                Ok(None) => {
                    self.stream = None;
                    return self
                        .lost(tonic::Status::unavailable("the server ended the stream"))
                        .await;
                }
                Err(status) if is_passing(&status) => {
                    self.stream = None;
                    return self.lost(status).await;
                }
                Err(status) => return Err(status.into()),
            }
        }
    }

    async fn receive(&mut self) -> Result<Option<v1::Execution>, tonic::Status> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let request = v1::WatchExecutionRequest { id: self.id.clone() };
                none.insert(self.api.executions().watch_execution(request).await?.into_inner())
            }
        };
        let message = stream.message().await?;
        Ok(message.and_then(|message| message.execution))
    }

    async fn lost(&mut self, status: tonic::Status) -> Result<Option<News>> {
        if self.patience.wait().await {
            return Ok(Some(News::OutOfSight));
        }
        Err(Error::LostSight {
            execution: self.id.clone(),
            source: Box::new(status),
        })
    }
}
