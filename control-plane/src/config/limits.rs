//! How much one listener takes on.

use std::time::Duration;

use serde::Deserialize;

use super::InvalidSetting;

/// Limits of a listener. Beyond them a caller waits or is turned away; the server itself goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectionLimits {
    /// Open connections.
    pub max_connections: usize,
    /// Open connections of one address (of one /64 network with IPv6).
    pub max_connections_per_address: usize,
    /// TLS handshakes at the same time.
    pub max_handshakes: usize,
    /// TLS handshakes of one address at the same time; further ones wait.
    pub max_handshakes_per_address: usize,
    /// Milliseconds that a handshake may take.
    pub handshake_timeout_ms: u64,
    /// Calls at the same time on one connection.
    pub max_streams: u32,
    /// Milliseconds that a unary call may take. Streams have no such end.
    pub request_timeout_ms: u64,
    /// Milliseconds between HTTP/2 pings on a silent connection.
    pub keepalive_interval_ms: u64,
    /// Milliseconds that the answer to a ping may take before the connection is closed.
    pub keepalive_timeout_ms: u64,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            max_connections_per_address: 1024,
            max_handshakes: 64,
            max_handshakes_per_address: 16,
            handshake_timeout_ms: 10_000,
            max_streams: 128,
            request_timeout_ms: 60_000,
            keepalive_interval_ms: 20_000,
            keepalive_timeout_ms: 10_000,
        }
    }
}

impl ConnectionLimits {
    /// The time a handshake may take.
    pub const fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }

    /// The time a unary call may take.
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// The time between pings.
    pub const fn keepalive_interval(&self) -> Duration {
        Duration::from_millis(self.keepalive_interval_ms)
    }

    /// The time a ping may take.
    pub const fn keepalive_timeout(&self) -> Duration {
        Duration::from_millis(self.keepalive_timeout_ms)
    }

    pub(super) fn validate(&self, key: &'static str) -> Result<(), InvalidSetting> {
        let numbers = [
            ("max_connections", self.max_connections as u64),
            (
                "max_connections_per_address",
                self.max_connections_per_address as u64,
            ),
            ("max_handshakes", self.max_handshakes as u64),
            (
                "max_handshakes_per_address",
                self.max_handshakes_per_address as u64,
            ),
            ("handshake_timeout_ms", self.handshake_timeout_ms),
            ("max_streams", u64::from(self.max_streams)),
            ("request_timeout_ms", self.request_timeout_ms),
            ("keepalive_interval_ms", self.keepalive_interval_ms),
            ("keepalive_timeout_ms", self.keepalive_timeout_ms),
        ];
        match numbers
            .into_iter()
            .find(|&(_, value)| value == 0 || value > 86_400_000)
        {
            Some((name, value)) => Err(InvalidSetting::new(
                key,
                format!("{name} is {value}: it must be 1 to 86400000"),
            )),
            None => Ok(()),
        }
    }
}

/// How many streams (watches, logs that are followed, downloads) callers of the API have open at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StreamLimits {
    /// All callers together.
    pub max_streams: u32,
    /// One user, whichever way signed in; an address, of those who are not.
    pub max_streams_per_caller: u32,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            max_streams: 2048,
            max_streams_per_caller: 256,
        }
    }
}

impl StreamLimits {
    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let problem = match (self.max_streams, self.max_streams_per_caller) {
            (0, _) => "max_streams is 0: it must be at least 1",
            (_, 0) => "max_streams_per_caller is 0: it must be at least 1",
            _ => return Ok(()),
        };
        Err(InvalidSetting::new("api.streams", problem))
    }
}
