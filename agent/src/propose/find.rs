//! Which servers run on this host: what listens, as the kernel lists it, and what it says it is.
//!
//! Only sockets with the names that servers give them, and ports in the neighbourhood of the usual ones, are asked: whatever else
//! runs here is left alone.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use dataguardian_core::engine::Engine;
use dataguardian_core::target::{ConnectionTarget, TlsMode};

use super::{FoundServer, Place};
use crate::engines::greeting::{engine_at, engine_behind};

/// Ports that servers of a host get, the first one's and those of its neighbours.
const USUAL_PORTS: [RangeInclusive<u16>; 2] = [5432..=5499, 3306..=3399];
const POSTGRES_SOCKET: &str = ".s.PGSQL.";
const MYSQL_SOCKETS: [&str; 3] = ["mysqld.sock", "mysql.sock", "mariadb.sock"];

/// The servers that listen on this host, each once.
pub async fn on_this_host() -> Vec<FoundServer> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let sockets = sockets(&read("/proc/net/unix"));
    let mut addresses = addresses(&read("/proc/net/tcp"));
    addresses.extend(self::addresses(&read("/proc/net/tcp6")));
    let ports_of_sockets: BTreeSet<u16> = sockets.iter().filter_map(port_of).collect();
    let mut found = Vec::new();
    for (host, port) in reachable(&addresses) {
        let usual = USUAL_PORTS.iter().any(|ports| ports.contains(&port));
        if usual || ports_of_sockets.contains(&port) {
            found.extend(ask(Place::Tcp { host, port }).await);
        }
    }
    for socket in sockets {
        found.extend(ask(socket).await);
    }
    once_each(found)
}

/// The server at a place that a person names: `HOST:PORT`, or the path of a socket.
///
/// # Errors
/// What is wrong with the place, in words.
pub async fn at(word: &str) -> Result<FoundServer, String> {
    let place = parse(word).ok_or_else(|| {
        format!(
            "{word} is no HOST:PORT and no socket of a database server, such as /run/postgresql/.s.PGSQL.5432"
        )
    })?;
    let found = ask(place).await;
    found.ok_or_else(|| format!("no PostgreSQL, MySQL or MariaDB answers at {word}"))
}

fn parse(word: &str) -> Option<Place> {
    if word.starts_with('/') {
        return socket(Path::new(word));
    }
    let (host, port) = word.rsplit_once(':')?;
    let host = host.trim_matches(['[', ']']);
    (!host.is_empty()).then_some(())?;
    Some(Place::Tcp {
        host: host.to_owned(),
        port: port.parse().ok()?,
    })
}

/// What answers there, if it is a server that can be backed up.
async fn ask(place: Place) -> Option<FoundServer> {
    let engine = match &place {
        Place::Tcp { host, port } => engine_at(&target(host, *port)).await?,
        Place::PostgresSocket { folder, port } => {
            engine_behind(&folder.join(format!("{POSTGRES_SOCKET}{port}"))).await?
        }
        Place::MySqlSocket(path) => engine_behind(path).await?,
    };
    Some(FoundServer { engine, place })
}

fn target(host: &str, port: u16) -> ConnectionTarget {
    ConnectionTarget {
        engine: Engine::Postgres,
        host: host.to_owned(),
        port,
        username: String::new(),
        password: None,
        credential_ref: None,
        service: None,
        tls: TlsMode::Prefer,
        tls_ca: None,
        maintenance_database: None,
    }
}

/// One server listens at several places: an address goes before a socket. PostgreSQL's say which belong together by the port;
/// MySQL's and MariaDB's do not, so that sockets count only if no address of that kind was found.
fn once_each(found: Vec<FoundServer>) -> Vec<FoundServer> {
    let mut kept: Vec<FoundServer> = Vec::new();
    for server in found {
        let known = kept.iter().any(|other| {
            let by_port = other.port() == server.port() || matches!(server.place, Place::MySqlSocket(_));
            other.engine == server.engine && by_port
        });
        if !known {
            kept.push(server);
        }
    }
    kept.sort();
    kept
}

/// The sockets of servers among those that listen (unix(7), /proc/net/unix).
fn sockets(listed: &str) -> Vec<Place> {
    const ACCEPTS: &str = "00010000";
    let mut found = BTreeSet::new();
    for line in listed.lines() {
        let mut fields = line.split_whitespace();
        let listens = fields.nth(3) == Some(ACCEPTS);
        let path = fields.nth(3);
        if let (true, Some(path)) = (listens, path) {
            found.extend(socket(Path::new(path)));
        }
    }
    found.into_iter().collect()
}

/// The server's socket that a path is by its name.
fn socket(path: &Path) -> Option<Place> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent().filter(|folder| folder.is_absolute())?;
    if let Some(port) = name.strip_prefix(POSTGRES_SOCKET) {
        return Some(Place::PostgresSocket {
            folder: folder.canonicalize().unwrap_or_else(|_| folder.to_owned()),
            port: port.parse().ok()?,
        });
    }
    let known = MYSQL_SOCKETS.contains(&name);
    known.then(|| Place::MySqlSocket(PathBuf::from(path)))
}

fn port_of(place: &Place) -> Option<u16> {
    match place {
        Place::PostgresSocket { port, .. } => Some(*port),
        Place::Tcp { .. } | Place::MySqlSocket(_) => None,
    }
}

/// The addresses that are listened on (proc(5), /proc/net/tcp and tcp6).
fn addresses(listed: &str) -> BTreeSet<(IpAddr, u16)> {
    const LISTEN: &str = "0A";
    let listening = listed.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        (fields.nth(1)? == LISTEN).then_some(())?;
        let (address, port) = local.split_once(':')?;
        Some((address_of(address)?, u16::from_str_radix(port, 16).ok()?))
    });
    listening.collect()
}

/// An address in hexadecimal digits, in words of four bytes that are turned round on this machine.
fn address_of(digits: &str) -> Option<IpAddr> {
    let mut bytes = hex::decode(digits).ok()?;
    if cfg!(target_endian = "little") {
        for word in bytes.chunks_mut(4) {
            word.reverse();
        }
    }
    if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        return Some(Ipv4Addr::from(four).into());
    }
    let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).ok()?;
    Some(Ipv6Addr::from(sixteen).to_canonical())
}

/// One address for each port, the nearest: whoever listens on all of them is reached at the host's own.
fn reachable(addresses: &BTreeSet<(IpAddr, u16)>) -> Vec<(String, u16)> {
    let ports: BTreeSet<u16> = addresses.iter().map(|(_, port)| *port).collect();
    let nearest = |port: u16| {
        let of_port = addresses
            .iter()
            .filter(|(_, of)| *of == port)
            .map(|(address, _)| *address);
        let here = of_port.map(|address| match address {
            any if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            other => other,
        });
        here.min_by_key(|address| (!address.is_loopback(), address.is_ipv6()))
    };
    ports
        .into_iter()
        .filter_map(|port| Some((nearest(port)?.to_string(), port)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(engine: Engine, port: u16) -> FoundServer {
        let host = "127.0.0.1".to_owned();
        FoundServer {
            engine,
            place: Place::Tcp { host, port },
        }
    }

    #[test]
    fn sockets_of_servers_are_known_by_their_names() {
        let listed = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            ffff0: 00000002 00000000 00010000 0001 01 31337 /nowhere/pg/.s.PGSQL.5433\n\
            ffff1: 00000002 00000000 00010000 0001 01 31338 /nowhere/mysqld/mysqld.sock\n\
            ffff1: 00000002 00000000 00010000 0001 01 31338 /nowhere/mysqld/mysqlx.sock\n\
            ffff2: 00000003 00000000 00000000 0001 03 31339 /nowhere/pg/.s.PGSQL.5432\n\
            ffff3: 00000003 00000000 00010000 0001 01 31340\n\
            ffff4: 00000003 00000000 00010000 0001 01 31341 @abstract/.s.PGSQL.1\n";
        let expected = [
            Place::PostgresSocket {
                folder: "/nowhere/pg".into(),
                port: 5433,
            },
            Place::MySqlSocket("/nowhere/mysqld/mysqld.sock".into()),
        ];
        assert_eq!(sockets(listed), expected);
    }

    #[test]
    fn addresses_are_read_as_the_kernel_writes_them() {
        let listed = "  sl  local_address rem_address   st\n\
               0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 0 0 1\n\
               1: 0100007F:1539 0100007F:9999 01 00000000:00000000 00:00000000 0 0 1\n\
               2: 00000000:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 0 0 1\n";
        let six = "  sl  local_address\n\
               0: 00000000000000000000000001000000:1538 00000000000000000000000000000000:0000 0A 0\n\
               1: 00000000000000000000000000000000:0CEB 00000000000000000000000000000000:0000 0A 0\n";
        let mut found = addresses(listed);
        found.extend(addresses(six));
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(
            reachable(&found),
            [
                at("127.0.0.1", 3306),
                at("127.0.0.1", 3307),
                at("127.0.0.1", 5432)
            ]
        );
    }

    #[test]
    fn a_server_at_several_places_is_one() {
        let socket = FoundServer {
            engine: Engine::Postgres,
            place: Place::PostgresSocket {
                folder: "/run/postgresql".into(),
                port: 5432,
            },
        };
        let mysql = FoundServer {
            engine: Engine::MySql,
            place: Place::MySqlSocket("/run/mysqld/mysqld.sock".into()),
        };
        let by_address = vec![tcp(Engine::Postgres, 5432), tcp(Engine::MySql, 3307)];
        let all = [by_address.clone(), vec![socket.clone(), mysql.clone()]].concat();
        assert_eq!(once_each(all), by_address);
        assert_eq!(
            once_each(vec![socket.clone(), mysql.clone()]),
            [socket, mysql],
            "the only way to each"
        );
    }

    #[test]
    fn places_are_read_as_people_write_them() {
        for word in ["127.0.0.1:5432", "[::1]:5432", "db.example.org:3306"] {
            let place = parse(word).unwrap();
            let server = FoundServer {
                engine: Engine::Postgres,
                place,
            };
            assert_eq!(server.word(), word);
        }
        for word in ["", "5432", ":5432", "db:port", "/run/postgresql", "/etc/passwd"] {
            assert_eq!(parse(word), None, "{word}");
        }
    }
}
