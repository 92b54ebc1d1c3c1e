//! Ports for servers.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use anyhow::{Context as _, Result};

/// Below what Linux gives to outgoing connections (`ip_local_port_range`, from 32768 on): so none of them takes the port of a
/// server that is not up yet, or away for a while.
const RANGE: Range<u16> = 10_000..32_000;
/// Enough even where most of the range is in use.
const ATTEMPTS: usize = 1000;

/// Different ports of 127.0.0.1 that nobody listens on just now.
///
/// # Errors
/// If there are not enough.
pub fn free<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut taken = Vec::with_capacity(COUNT);
    for _ in 0..ATTEMPTS {
        if taken.len() == COUNT {
            break;
        }
        let port = rand::random_range(RANGE);
        // Held until all are found, so that none is found twice.
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            taken.push((port, listener));
        }
    }
    let ports: Vec<u16> = taken.into_iter().map(|(port, _)| port).collect();
    ports
        .try_into()
        .ok()
        .context("not enough free ports on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ports_are_free_different_and_no_outgoing_connections() -> Result<()> {
        let ports = free::<20>()?;
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        for port in ports {
            assert!(RANGE.contains(&port), "{port}");
            TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        }
        Ok(())
    }
}
