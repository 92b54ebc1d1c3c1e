//! The PROXY protocol, versions 1 and 2: a balancer says first on whose behalf it connects, so that limits and the audit log
//! name the caller and not the balancer (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
//!
//! It is spoken by the addresses that the operator names, and by them always; anybody else could claim to be anybody. Exactly
//! the header is read: what follows it belongs to TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use ppp::{HeaderResult, v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What the binary header begins with.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// A binary header without addresses.
const MIN_BINARY: usize = 16;
/// The longest header taken: addresses, and some room for what a balancer adds.
const MAX_BINARY: usize = 4096;
/// The longest header in text, its line's end included.
const MAX_TEXT: usize = 107;

/// Who may say on whose behalf it connects.
#[derive(Debug, Clone)]
pub(super) struct Proxies(Arc<[IpNet]>);

impl Proxies {
    pub(super) fn new(trusted: &[IpNet]) -> Self {
        Self(trusted.into())
    }

    /// Who calls over this connection.
    ///
    /// # Errors
    /// Where a proxy should have said so and did not.
    pub(super) async fn caller(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        remote: SocketAddr,
    ) -> io::Result<SocketAddr> {
        if !self.trusts(remote.ip()) {
            return Ok(remote);
        }
        let header = read_header(stream).await?;
        // A proxy that connects for itself, to see whether we live, names nobody.
        Ok(source(&header)?.unwrap_or(remote))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut header = vec![0; SIGNATURE.len()];
    stream.read_exact(&mut header).await?;
    if header == SIGNATURE {
        header.resize(MIN_BINARY, 0);
        stream.read_exact(&mut header[SIGNATURE.len()..]).await?;
        let more = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if MIN_BINARY + more > MAX_BINARY {
            return Err(invalid("its header is too long"));
        }
        header.resize(MIN_BINARY + more, 0);
        stream.read_exact(&mut header[MIN_BINARY..]).await?;
    } else if header.starts_with(b"PROXY ") {
        while !header.ends_with(b"\r\n") {
            if header.len() == MAX_TEXT {
                return Err(invalid("its header is too long"));
            }
            header.push(stream.read_u8().await?);
        }
    } else {
        return Err(invalid("it does not begin with a header of the PROXY protocol"));
    }
    Ok(header)
}

/// On whose behalf; none if the header names no address.
fn source(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let named = |address: IpAddr, port| Some(SocketAddr::new(address, port));
    Ok(match HeaderResult::parse(header) {
        HeaderResult::V1(parsed) => match parsed.map_err(invalid)?.addresses {
            v1::Addresses::Tcp4(tcp) => named(tcp.source_address.into(), tcp.source_port),
            v1::Addresses::Tcp6(tcp) => named(tcp.source_address.into(), tcp.source_port),
            v1::Addresses::Unknown => None,
        },
        HeaderResult::V2(parsed) => {
            let parsed = parsed.map_err(invalid)?;
            match (parsed.command, parsed.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(tcp)) => {
                    named(tcp.source_address.into(), tcp.source_port)
                }
                (v2::Command::Proxy, v2::Addresses::IPv6(tcp)) => {
                    named(tcp.source_address.into(), tcp.source_port)
                }
                _ => None,
            }
        }
    })
}

fn invalid(problem: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "192.0.2.9:4000";

    /// What a connection from `remote` that begins so is taken for, and what is left of it.
    async fn caller(remote: &str, begins: &[u8]) -> io::Result<(String, Vec<u8>)> {
        let proxies = Proxies::new(&["192.0.2.0/28".parse().unwrap(), "2001:db8::/32".parse().unwrap()]);
        let mut stream = begins;
        let caller = proxies.caller(&mut stream, remote.parse().unwrap()).await?;
        Ok((caller.to_string(), stream.to_vec()))
    }

    fn binary(command: v2::Command, addresses: impl Into<v2::Addresses>) -> Vec<u8> {
        let command = v2::Version::Two | command;
        v2::Builder::with_addresses(command, v2::Protocol::Stream, addresses)
            .build()
            .unwrap()
    }

    fn v4() -> v2::IPv4 {
        v2::IPv4::new([203, 0, 113, 7], [192, 0, 2, 9], 5555, 8443)
    }

    #[tokio::test]
    async fn a_trusted_proxy_names_the_caller_and_nothing_after_the_header_is_taken() {
        let with_rest = |mut header: Vec<u8>| {
            header.extend_from_slice(b"\x16\x03\x01");
            header
        };
        let cases = [
            (
                b"PROXY TCP4 203.0.113.7 192.0.2.9 5555 8443\r\n".to_vec(),
                "203.0.113.7:5555",
            ),
            (
                b"PROXY TCP6 2001:db8::7 2001:db8::9 5555 8443\r\n".to_vec(),
                "[2001:db8::7]:5555",
            ),
            (b"PROXY UNKNOWN\r\n".to_vec(), PROXY),
            (binary(v2::Command::Proxy, v4()), "203.0.113.7:5555"),
            (binary(v2::Command::Local, v4()), PROXY),
        ];
        for (header, expected) in cases {
            let found = caller(PROXY, &with_rest(header)).await.unwrap();
            assert_eq!(found, (expected.to_owned(), b"\x16\x03\x01".to_vec()));
        }
        let over_v6 = caller(
            "[::ffff:192.0.2.9]:1",
            b"PROXY TCP4 203.0.113.7 192.0.2.9 5 8\r\n",
        )
        .await;
        assert_eq!(over_v6.unwrap().0, "203.0.113.7:5");
    }

    #[tokio::test]
    async fn nobody_else_names_a_caller() {
        let header = b"PROXY TCP4 203.0.113.7 192.0.2.9 5555 8443\r\n";
        let found = caller("198.51.100.1:1", header).await.unwrap();
        assert_eq!(found, ("198.51.100.1:1".to_owned(), header.to_vec()));
    }

    #[tokio::test]
    async fn a_trusted_proxy_without_a_header_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200], b"\r\n"].concat();
        let huge = [SIGNATURE.as_slice(), &[0x21, 0x11, 0xff, 0xff], &[0; 70_000]].concat();
        let cases: [&[u8]; 6] = [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00",
            b"PROXY TCP4 somewhere 192.0.2.9 5555 8443\r\n",
            b"PROXY TCP4 203.0.113.7 192.0.2.9 5555",
            b"",
            &long,
            &huge,
        ];
        for begins in cases {
            assert!(caller(PROXY, begins).await.is_err(), "{begins:?}");
        }
    }
}
