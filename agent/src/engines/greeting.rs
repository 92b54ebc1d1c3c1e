//! Which kind of server answers at an address. One that speaks another protocol than was expected makes errors that mislead: a
//! PostgreSQL server is "silent" for a client of MySQL, and MySQL's greeting is nonsense for a client of PostgreSQL.
//!
//! Not asked as a matter of course: MySQL counts who comes and does not log in, and shuts out a host that does it often.

use std::io;
use std::path::Path;
use std::time::Duration;

use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::ConnectionTarget;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::mysql::Flavour;

/// How long a server may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(3);
/// Whether TLS is to be had, as a client of PostgreSQL asks first
/// (<https://www.postgresql.org/docs/current/protocol-message-formats.html>, SSLRequest). MySQL speaks first, and to anybody.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// What of a greeting is looked at: a version is in its first bytes.
const MOST: usize = 128;

/// The kind of server at that address; none if it can't be told: nobody answers, it is a socket in a folder, or something else.
pub async fn engine_at(target: &ConnectionTarget) -> Option<Engine> {
    if target.host.starts_with('/') {
        return None;
    }
    let ask = async { first_words(TcpStream::connect((target.host.as_str(), target.port)).await?).await };
    kind_of(ask).await
}

/// The kind of server behind that socket file; none if it can't be told.
pub async fn engine_behind(socket: &Path) -> Option<Engine> {
    kind_of(async { first_words(UnixStream::connect(socket).await?).await }).await
}

async fn kind_of(ask: impl Future<Output = io::Result<Vec<u8>>>) -> Option<Engine> {
    match tokio::time::timeout(PATIENCE, ask).await {
        Ok(Ok(said)) => engine_of(&said),
        Ok(Err(_)) | Err(_) => None,
    }
}

async fn first_words(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Vec<u8>> {
    stream.write_all(&SSL_REQUEST).await?;
    let mut said = vec![0; MOST];
    let length = stream.read(&mut said).await?;
    said.truncate(length);
    Ok(said)
}

/// Whose first words these are.
fn engine_of(said: &[u8]) -> Option<Engine> {
    match said {
        // Yes, or no: one byte, and then it waits.
        [b'S' | b'N'] => Some(Engine::Postgres),
        // A packet's length and number, the protocol's version, the server's version, zero
        // (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_packets_protocol_handshake_v10.html>).
        [_, _, _, 0, 10, greeting @ ..] => {
            let version = greeting.split(|byte| *byte == 0).next().unwrap_or_default();
            let flavour = Flavour::of_version(&String::from_utf8_lossy(version));
            Some(flavour.engine())
        }
        _ => None,
    }
}

/// The failure as it is, or what is really the matter if the server is of another family than the datasource says.
pub(super) async fn explained(failure: Failure, target: &ConnectionTarget) -> Failure {
    let may_mislead = [
        FailureKind::DatabaseUnreachable,
        FailureKind::DatabaseConnectionLost,
        FailureKind::DatabaseTls,
        FailureKind::DatabaseError,
    ];
    if !may_mislead.contains(&failure.kind) {
        return failure;
    }
    match engine_at(target).await {
        Some(found) if found.is_of_mysql_family() != target.engine.is_of_mysql_family() => Failure::new(
            FailureKind::DatabaseError,
            format!(
                "the datasource says {}, and the server at {}:{} is {}: make a datasource with `dgctl datasource create {found}`",
                target.engine.product(),
                target.host,
                target.port,
                found.product()
            ),
        ),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_first_words() {
        let mysql = b"\x4a\0\0\0\x0a9.7.0\0rest";
        let mariadb = b"\x6a\0\0\0\x0a5.5.5-10.11.6-MariaDB-0+deb12u1\0rest";
        assert_eq!(engine_of(b"S"), Some(Engine::Postgres));
        assert_eq!(engine_of(b"N"), Some(Engine::Postgres));
        assert_eq!(engine_of(mysql), Some(Engine::MySql));
        assert_eq!(engine_of(mariadb), Some(Engine::MariaDb));
        for other in [
            &b""[..],
            b"SSH-2.0-OpenSSH",
            b"HTTP/1.1 400",
            b"\x15\x03\x01\0\x02",
        ] {
            assert_eq!(engine_of(other), None);
        }
    }
}
