//! The statements that make the user of backups: it may read all that a backup holds, and change nothing.
//!
//! They can be run again. What they grant is what a probe asks for ([`crate::engines`]).

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dataguardian_core::engine::Engine;
use dataguardian_core::secret::Secret;
use ring::{digest, hmac, pbkdf2};

use super::FoundServer;

/// Rounds of the password's hash, as PostgreSQL itself makes it.
const ROUNDS: NonZeroU32 = match NonZeroU32::new(4096) {
    Some(rounds) => rounds,
    None => NonZeroU32::MIN,
};

/// The statements, for the client of that server. PostgreSQL is given the password's hash and not the password, which would be
/// in its log; MySQL and MariaDB leave passwords out of theirs by themselves.
pub fn statements(server: &FoundServer, password: Option<&Secret>, salt: [u8; 16]) -> String {
    match server.engine {
        Engine::Postgres => postgres(server.user(), password.map(|password| scram(password, salt))),
        Engine::MySql => mysql(server, password, "SHOW_ROUTINE, RELOAD, REPLICATION CLIENT"),
        Engine::MariaDb => mysql(server, password, "RELOAD, BINLOG MONITOR"),
    }
}

fn postgres(user: &str, verifier: Option<String>) -> String {
    let password = verifier.map_or_else(String::new, |verifier| format!(" PASSWORD '{verifier}'"));
    format!(
        r#"-- A user for backups, which reads everything and changes nothing.
DO $dataguardian$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{user}') THEN
        CREATE ROLE "{user}" LOGIN;
    END IF;
    IF pg_catalog.current_setting('server_version_num')::int >= 140000 THEN
        GRANT pg_read_all_data TO "{user}";
    ELSE
        RAISE WARNING 'PostgreSQL 13 has no role that may read all: grant USAGE on each schema, and SELECT on its tables and sequences';
    END IF;
END
$dataguardian$;
ALTER ROLE "{user}" LOGIN BYPASSRLS{password};
"#
    )
}

fn mysql(server: &FoundServer, password: Option<&Secret>, more: &str) -> String {
    let quoted = password.map_or_else(String::new, |password| {
        password.expose().replace('\\', "\\\\").replace('\'', "''")
    });
    let mut text = "-- A user for backups, which reads everything and changes nothing.\n".to_owned();
    for account in server.accounts() {
        text.push_str(&format!(
            "CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{quoted}';\nALTER USER {account} IDENTIFIED BY '{quoted}';\n"
        ));
        for privileges in ["SELECT, SHOW VIEW, TRIGGER, EVENT", more] {
            text.push_str(&format!("GRANT {privileges} ON *.* TO {account};\n"));
        }
    }
    text
}

/// What PostgreSQL keeps of a password (RFC 5803, and `pg_authid` in its documentation). The password is of plain characters,
/// which RFC 4013 leaves as they are.
fn scram(password: &Secret, salt: [u8; 16]) -> String {
    let mut salted = [0; digest::SHA256_OUTPUT_LEN];
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        ROUNDS,
        &salt,
        password.expose().as_bytes(),
        &mut salted,
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let stored = digest::digest(&digest::SHA256, client.as_ref());
    let server = hmac::sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;

    fn server(engine: Engine, host: &str) -> FoundServer {
        FoundServer {
            engine,
            place: Place::Tcp {
                host: host.to_owned(),
                port: 1,
            },
        }
    }

    #[test]
    fn a_password_is_hashed_as_postgresql_does_it() {
        // The example of RFC 7677, section 3: user "user", password "pencil".
        let salt: [u8; 16] = STANDARD
            .decode("W22ZaJ0SNY7soEsUEjb6gQ==")
            .unwrap()
            .try_into()
            .unwrap();
        let expected = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
            wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(scram(&Secret::new("pencil"), salt), expected);
    }

    #[test]
    fn postgresql_never_sees_the_password() {
        let secret = Secret::new("the-password");
        let text = statements(&server(Engine::Postgres, "127.0.0.1"), Some(&secret), [7; 16]);
        assert!(
            !text.contains("the-password") && text.contains("BYPASSRLS PASSWORD 'SCRAM-SHA-256$"),
            "{text}"
        );
        let peer = FoundServer {
            engine: Engine::Postgres,
            place: Place::PostgresSocket {
                folder: "/run/postgresql".into(),
                port: 5432,
            },
        };
        let text = statements(&peer, None, [7; 16]);
        assert!(
            text.contains("\"dataguardian-agent\"") && !text.contains("PASSWORD '"),
            "{text}"
        );
    }

    #[test]
    fn accounts_are_those_that_the_agent_comes_from() {
        let secret = Secret::new("p'w\\");
        let text = |host: &str| statements(&server(Engine::MariaDb, host), Some(&secret), [0; 16]);
        let here = text("127.0.0.1");
        assert!(
            here.contains("'dataguardian'@'localhost'") && here.contains("'dataguardian'@'::1'"),
            "{here}"
        );
        assert!(here.contains("IDENTIFIED BY 'p''w\\\\';"), "{here}");
        let elsewhere = text("192.0.2.7");
        assert!(
            elsewhere.contains("'dataguardian'@'192.0.2.7'") && !elsewhere.contains("localhost"),
            "{elsewhere}"
        );
    }
}
