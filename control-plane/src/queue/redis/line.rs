//! One connection to Redis, from its beginning to its end. It is never mended: see [`super`].

use std::time::Duration;

use bytes::Bytes;
use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::{ClientLike as _, EventInterface as _, PubsubInterface as _};
use fred::types::config::{ConnectionConfig, PerformanceConfig, UnresponsiveConfig};
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

use super::RedisSettings;
use crate::queue::gate::Outage;

/// Messages that may wait to be heard.
const UNHEARD: usize = 4096;

/// A connection that listens. It ends with this.
pub(super) struct Line {
    client: Client,
    messages: broadcast::Receiver<fred::types::Message>,
    task: AbortOnDropHandle<Result<(), Error>>,
}

/// What comes by it.
pub(super) enum Arrived {
    /// A message.
    Payload(Bytes),
    /// Messages came faster than they were heard.
    Lagged,
    /// The end.
    End(Outage),
}

impl Line {
    /// Connects, signs in, listens to these channels and has a sign of life. `patience` is for each step.
    pub(super) async fn open(
        settings: &RedisSettings,
        channels: Vec<String>,
        patience: Duration,
    ) -> Result<Self, Outage> {
        let performance = PerformanceConfig {
            broadcast_channel_capacity: UNHEARD,
            ..PerformanceConfig::default()
        };
        let connection = ConnectionConfig {
            connection_timeout: patience,
            internal_command_timeout: patience,
            max_command_attempts: 1,
            unresponsive: UnresponsiveConfig {
                max_timeout: None,
                ..UnresponsiveConfig::default()
            },
            ..ConnectionConfig::default()
        };
        let client = Client::new(settings.client(), Some(performance), Some(connection), None);
        let messages = client.message_rx();
        let task = AbortOnDropHandle::new(client.connect());
        let mut line = Self {
            client,
            messages,
            task,
        };
        let channels_of_ours = channels.clone();
        let client = line.client.clone();
        // Sent as soon as there is a connection; without one the task ends and says why.
        line.wait_for(client.subscribe(channels))
            .await
            .map_err(|outage| match outage {
                Outage::Disconnected => Outage::Unreachable,
                other => other,
            })?;
        // One that still loads its data lets us listen, and answers nothing else.
        line.ping().await?;
        line.may_publish(channels_of_ours).await?;
        Ok(line)
    }

    /// What comes next. Cancel-safe.
    pub(super) async fn next(&mut self) -> Arrived {
        tokio::select! {
            ended = &mut self.task => Arrived::End(ended.map_or(Outage::Disconnected, |ended| why(ended.err()))),
            message = self.messages.recv() => match message {
                Ok(message) => Arrived::Payload(Bytes::copy_from_slice(message.value.as_bytes().unwrap_or_default())),
                Err(broadcast::error::RecvError::Lagged(_)) => Arrived::Lagged,
                Err(broadcast::error::RecvError::Closed) => Arrived::End(Outage::Disconnected),
            },
        }
    }

    /// An account may be allowed to listen and not to tell. Nobody can read this message, so whoever gets it looks at what he waits for.
    async fn may_publish(&mut self, channels: Vec<String>) -> Result<(), Outage> {
        for channel in channels {
            let client = self.client.clone();
            let told = client.publish::<i64, _, _>(channel, Bytes::new());
            self.wait_for(told).await?;
        }
        Ok(())
    }

    /// Asks for a sign of life.
    pub(super) async fn ping(&mut self) -> Result<(), Outage> {
        let client = self.client.clone();
        self.wait_for(client.ping::<()>(None)).await
    }

    /// Tells all who listen to that channel. False if it may not have come there.
    pub(super) fn publish(
        &self,
        channel: String,
        payload: Vec<u8>,
    ) -> impl Future<Output = bool> + Send + use<> {
        let client = self.client.clone();
        async move {
            let told = client.publish::<i64, _, _>(channel, Bytes::from(payload)).await;
            if let Err(error) = &told {
                tracing::debug!(kind = error.kind().to_str(), "a message did not go out");
            }
            told.is_ok()
        }
    }

    /// A command's answer, unless the connection ends before.
    async fn wait_for<T>(&mut self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Outage> {
        tokio::select! {
            ended = &mut self.task => Err(ended.map_or(Outage::Disconnected, |ended| why(ended.err()))),
            answer = answer => answer.map_err(|error| why(Some(error))),
        }
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

/// What an error says about Redis. Its own words go nowhere: they may repeat what was sent.
fn why(error: Option<Error>) -> Outage {
    let Some(error) = error else {
        return Outage::Disconnected;
    };
    tracing::debug!(kind = error.kind().to_str(), "redis");
    match error.kind() {
        ErrorKind::Auth => Outage::Refused,
        ErrorKind::Tls => Outage::Unreachable,
        ErrorKind::Timeout => Outage::Silent,
        ErrorKind::IO | ErrorKind::Canceled | ErrorKind::Routing => Outage::Disconnected,
        _ => Outage::Failing,
    }
}
