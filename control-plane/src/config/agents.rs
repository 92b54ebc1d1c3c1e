//! The listener for agents, and what they are told of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::{ConnectionLimits, InvalidSetting};

/// Settings of the agent listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AgentsConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// `host:port` as agents reach it. If absent: where it listens, or, where that is every address, the host that an
    /// agent was enrolled at.
    pub address: Option<String>,
    /// Milliseconds between an agent's heartbeats; three missing ones close its session.
    pub heartbeat_interval_ms: u64,
    /// Seconds that an agent's certificate is good for; it is renewed after a third of that.
    pub certificate_life_seconds: u64,
    /// Seconds within which all agents fetch a new certificate after a rotation of the authority.
    pub renew_within_seconds: u64,
    /// Downloads of backups that one agent serves at the same time.
    pub downloads_per_agent: usize,
    /// Balancers that say by the PROXY protocol on whose behalf they connect, as networks (`10.0.0.0/8`). A connection from
    /// one of them has to begin so.
    pub trusted_proxies: Vec<IpNet>,
    /// Limits.
    pub limits: ConnectionLimits,
}

impl Default for AgentsConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8444)),
            address: None,
            heartbeat_interval_ms: 10_000,
            certificate_life_seconds: 24 * 3600,
            renew_within_seconds: 300,
            downloads_per_agent: 1,
            trusted_proxies: Vec::new(),
            limits: ConnectionLimits::default(),
        }
    }
}

impl AgentsConfig {
    /// The time between heartbeats.
    pub const fn heartbeat_interval(&self) -> Duration {
        Duration::from_millis(self.heartbeat_interval_ms)
    }

    /// How long an agent's certificate is good for.
    pub const fn certificate_life(&self) -> Duration {
        Duration::from_secs(self.certificate_life_seconds)
    }

    /// Within what time all agents fetch a new certificate after a rotation of the authority.
    pub const fn renew_within(&self) -> Duration {
        Duration::from_secs(self.renew_within_seconds)
    }

    /// Host and port that agents are told, given where the listener was bound. An empty host is the one enrolled at.
    pub fn advertised(&self, bound: SocketAddr) -> (String, u16) {
        if let Some((host, port)) = self.address.as_deref().and_then(split) {
            return (host.to_owned(), port);
        }
        let host = if bound.ip().is_unspecified() {
            String::new()
        } else {
            bound.ip().to_string()
        };
        (host, bound.port())
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        if let Some(address) = &self.address
            && split(address).is_none()
        {
            let problem = format!("{address:?} is not HOST:PORT; put an IPv6 address in brackets");
            return Err(InvalidSetting::new("agents.address", problem));
        }
        if !(100..=600_000).contains(&self.heartbeat_interval_ms) {
            let problem = format!("is {}: it must be 100 to 600000", self.heartbeat_interval_ms);
            return Err(InvalidSetting::new("agents.heartbeat_interval_ms", problem));
        }
        if !(3..=30 * 86_400).contains(&self.certificate_life_seconds) {
            let problem = format!("is {}: it must be 3 to 2592000", self.certificate_life_seconds);
            return Err(InvalidSetting::new("agents.certificate_life_seconds", problem));
        }
        if self.renew_within_seconds > 3600 {
            let problem = format!("is {}: it must be 0 to 3600", self.renew_within_seconds);
            return Err(InvalidSetting::new("agents.renew_within_seconds", problem));
        }
        if !(1..=16).contains(&self.downloads_per_agent) {
            let problem = format!("is {}: it must be 1 to 16", self.downloads_per_agent);
            return Err(InvalidSetting::new("agents.downloads_per_agent", problem));
        }
        self.limits.validate("agents.limits")
    }
}

/// `host:port` or `[v6]:port`.
fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok().filter(|&port| port != 0)?;
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    (!host.is_empty() && host.len() <= 253).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_are_told() {
        let told = |address: Option<&str>, bound: &str| {
            let config = AgentsConfig {
                address: address.map(str::to_owned),
                ..AgentsConfig::default()
            };
            config.advertised(bound.parse().unwrap())
        };
        assert_eq!(told(None, "127.0.0.1:9000"), ("127.0.0.1".into(), 9000));
        assert_eq!(told(None, "0.0.0.0:8444"), (String::new(), 8444));
        assert_eq!(
            told(Some("dg.example.org:443"), "0.0.0.0:8444"),
            ("dg.example.org".into(), 443)
        );
        assert_eq!(
            told(Some("[2001:db8::1]:443"), "0.0.0.0:8444"),
            ("2001:db8::1".into(), 443)
        );
    }

    #[test]
    fn addresses_that_are_none() {
        for bad in [
            "",
            "host",
            "host:",
            "host:0",
            "host:65536",
            ":1",
            "2001:db8::1:443",
            "[::1:443",
        ] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
