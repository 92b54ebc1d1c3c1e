//! Nagle's algorithm (RFC 896), which keeps small messages back.
//!
//! The driver leaves it on, and has no option for it. The message that ends a COPY has five bytes: the
//! kernel keeps it back until the rows before it are acknowledged, which the server's kernel puts off by 40 ms (RFC 1122,
//! 4.2.3.2). A restore of 2,000 small tables would wait for most of a minute. The driver does not give its socket away either,
//! so it is looked for among the process's own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use rustix::net::{getpeername, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// Turns it off (`TCP_NODELAY`, tcp(7)) for every TCP connection of this process to that port, whichever servers they are of: none of them
/// is worse for it. Where the system refuses (a container may not be allowed to copy its own descriptors), all works as before,
/// slower.
pub(super) fn turn_off(port: u16) {
    match try_to(port) {
        Ok(0) => tracing::debug!(port, "no TCP connection to this port is ours"),
        Ok(connections) => tracing::trace!(port, connections, "small messages are sent at once"),
        Err(error) => tracing::debug!(%error, "small messages to the database server may be delayed"),
    }
}

fn try_to(port: u16) -> io::Result<usize> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let mut connections = 0;
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Some(descriptor) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let descriptor: RawFd = descriptor;
        // A copy, since whoever owns the descriptor may close it meanwhile.
        let Ok(copy) = pidfd_getfd(&own, descriptor, PidfdGetfdFlags::empty()) else {
            continue;
        };
        // What is no connected socket has no peer.
        let peer = getpeername(&copy)
            .ok()
            .flatten()
            .and_then(|peer| SocketAddr::try_from(peer).ok());
        if peer.is_some_and(|peer| peer.port() == port) && sockopt::set_tcp_nodelay(&copy, true).is_ok() {
            connections += 1;
        }
    }
    Ok(connections)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn the_connections_to_that_port_and_no_others_lose_their_delay() -> io::Result<()> {
        let (here, elsewhere) = (
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        );
        let ours = TcpStream::connect(here.local_addr()?)?;
        let other = TcpStream::connect(elsewhere.local_addr()?)?;
        assert!(!ours.nodelay()? && !other.nodelay()?);

        assert_eq!(try_to(here.local_addr()?.port())?, 1);
        assert!(ours.nodelay()? && !other.nodelay()?);
        Ok(())
    }
}
