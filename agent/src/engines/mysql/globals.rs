//! Users, roles and what they may do: what belongs to the server and to no database.

use std::fmt::Write as _;

use bytes::Bytes;
use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::mysql::MySqlConnection;

use super::connect::{TextRow, ask, ask_names, execute};
use super::flavour::Flavour;
use super::quote;
use super::server::Server;
use crate::engines::StreamSink;

/// Accounts that every server has for itself.
const OF_THE_SERVER: [&str; 4] = ["mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys"];

/// An account or role.
struct Account {
    user: String,
    host: String,
    is_role: bool,
}

impl Account {
    fn quoted(&self) -> String {
        if self.is_role {
            return quote::account(&self.user);
        }
        quote::account(&format!("{}@{}", self.user, self.host))
    }
}

/// Whether the user may read the accounts.
pub(super) fn may_read_accounts(server: &Server) -> bool {
    server.grants.on("mysql", "SELECT")
}

/// What is said where it may not.
pub(super) fn not_in_the_backup(server: &Server) -> Warning {
    Warning {
        database: None,
        message: format!(
            "users and their grants will not be in the backup: {} may not read them: GRANT SELECT ON `mysql`.* TO {}",
            server.grants.account,
            quote::account(&server.grants.account)
        ),
    }
}

/// Writes the stream, if the user may read what belongs into it.
pub(super) async fn send(
    session: &mut MySqlConnection,
    server: &Server,
    sink: &dyn StreamSink,
) -> Result<Option<Warning>, Failure> {
    if !may_read_accounts(server) {
        return Ok(Some(not_in_the_backup(server)));
    }
    let script = script(session, server.flavour).await?;
    let header = StreamHeader {
        role: StreamRole::Globals,
        database: None,
        object: None,
    };
    let mut writer = sink.open(header).await?;
    writer.write(Bytes::from(script)).await?;
    writer.finish(StreamEnd::default()).await?;
    Ok(None)
}

async fn script(session: &mut MySqlConnection, flavour: Flavour) -> Result<String, Failure> {
    const WHAT: &str = "reading users and grants";
    if flavour == Flavour::MySql {
        // Hashes may hold any byte.
        execute(session, "SET SESSION print_identified_with_as_hex = ON", WHAT).await?;
    }
    let roles = match flavour {
        Flavour::MySql => "'N'",
        Flavour::MariaDb => "is_role",
    };
    let sql = format!("SELECT user, host, {roles} FROM mysql.user ORDER BY user, host");
    let account = |row: &TextRow| Account {
        user: row.text(0),
        host: row.text(1),
        is_role: row.text(2) == "Y",
    };
    let accounts: Vec<Account> = ask(session, sql, WHAT).await?.iter().map(account).collect();
    let accounts = || {
        accounts
            .iter()
            .filter(|account| !OF_THE_SERVER.contains(&account.user.as_str()) && account.user != "PUBLIC")
    };
    let (mut plain, mut with_roles, mut grants) = (String::new(), String::new(), String::new());
    for account in accounts() {
        if account.is_role {
            add(
                &mut plain,
                &format!("CREATE ROLE IF NOT EXISTS {}", account.quoted()),
            );
        } else {
            let sql = format!("SHOW CREATE USER {}", account.quoted());
            for created in ask_names(session, sql, WHAT).await? {
                let created = created.replacen("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1);
                // Whoever has a default role comes after the roles, which are accounts too.
                let text = if created.contains(" DEFAULT ROLE ") {
                    &mut with_roles
                } else {
                    &mut plain
                };
                add(text, &created);
            }
        }
        let sql = format!("SHOW GRANTS FOR {}", account.quoted());
        for grant in ask_names(session, sql, WHAT).await? {
            add(&mut grants, &grant);
        }
    }
    Ok(format!(
        "SET NAMES utf8mb4;\nSET SESSION sql_mode = '';\n{plain}{with_roles}{grants}"
    ))
}

fn add(text: &mut String, statement: &str) {
    // Writing to a String can't fail.
    writeln!(text, "{statement};").unwrap_or_default();
}
