//! Users, roles and what they may do: what belongs to the server and to no database.

use std::fmt::Write as _;

use bytes::Bytes;
use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::mysql::MySqlConnection;

use super::connect::{TextRow, ask, ask_unless, execute};
use super::failure::ACCOUNT_UNKNOWN;
use super::flavour::Flavour;
use super::grants::{About, about};
use super::quote;
use super::server::Server;
use crate::engines::StreamSink;

const WHAT: &str = "reading users and grants";

/// Accounts that every server has for itself.
const OF_THE_SERVER: [&str; 4] = ["mysql.sys", "mysql.session", "mysql.infoschema", "mariadb.sys"];

/// The role of MariaDB that everybody has: there is nothing to make, and it may have grants.
const EVERYBODY: &str = "PUBLIC";

/// An account or role.
struct Account {
    user: String,
    host: String,
    is_role: bool,
}

impl Account {
    fn quoted(&self) -> String {
        if self.is_role {
            return quote::role(&self.user);
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

/// What is said of accounts that the server's tables have and that nobody can use.
fn not_in_use(accounts: &[String]) -> Warning {
    Warning {
        database: None,
        message: format!(
            "accounts that the server itself does not know are not in the backup: {}; with skip-name-resolve it ignores those of named hosts",
            accounts.join(", ")
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
    let (script, unknown) = script(session, server.flavour).await?;
    let header = StreamHeader {
        role: StreamRole::Globals,
        database: None,
        object: None,
    };
    let mut writer = sink.open(header).await?;
    writer.write(Bytes::from(script)).await?;
    writer.finish(StreamEnd::default()).await?;
    Ok((!unknown.is_empty()).then(|| not_in_use(&unknown)))
}

/// The script, and the accounts that could not be put into it.
async fn script(session: &mut MySqlConnection, flavour: Flavour) -> Result<(String, Vec<String>), Failure> {
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
            .filter(|account| !OF_THE_SERVER.contains(&account.user.as_str()))
    };
    let (mut plain, mut with_roles, mut grants) = (String::new(), String::new(), String::new());
    let (mut on_objects, mut on_packages) = (String::new(), String::new());
    let mut unknown = Vec::new();
    for account in accounts() {
        let Some(shown) = shown(session, account).await? else {
            unknown.push(account.quoted());
            continue;
        };
        for created in shown.created {
            // Whoever has a default role comes after the roles, which are accounts too.
            let text = if created.contains(" DEFAULT ROLE ") {
                &mut with_roles
            } else {
                &mut plain
            };
            add(text, &created);
        }
        for grant in shown.grants {
            let text = match about(&grant) {
                About::Whole => &mut grants,
                About::Object => &mut on_objects,
                About::Package => &mut on_packages,
            };
            add(text, &grant);
        }
    }
    let accounts = format!("SET NAMES utf8mb4;\nSET SESSION sql_mode = '';\n{plain}{with_roles}");
    // Last, so that on a server without the databases nothing else is missing.
    if !on_packages.is_empty() {
        on_packages.insert_str(0, "SET SESSION sql_mode = 'ORACLE';\n");
    }
    Ok((format!("{accounts}{grants}{on_objects}{on_packages}"), unknown))
}

/// What makes an account, and what it may do.
struct Shown {
    created: Vec<String>,
    grants: Vec<String>,
}

/// Asks about an account; none if the server does not know it.
async fn shown(session: &mut MySqlConnection, account: &Account) -> Result<Option<Shown>, Failure> {
    let created = if account.is_role && account.user == EVERYBODY {
        Vec::new()
    } else if account.is_role {
        vec![format!("CREATE ROLE IF NOT EXISTS {}", account.quoted())]
    } else {
        let sql = format!("SHOW CREATE USER {}", account.quoted());
        let Some(rows) = ask_unless(session, sql, WHAT, &ACCOUNT_UNKNOWN).await? else {
            return Ok(None);
        };
        let if_missing = |row: &TextRow| {
            row.text(0)
                .replacen("CREATE USER ", "CREATE USER IF NOT EXISTS ", 1)
        };
        rows.iter().map(if_missing).collect()
    };
    let sql = format!("SHOW GRANTS FOR {}", account.quoted());
    let Some(rows) = ask_unless(session, sql, WHAT, &ACCOUNT_UNKNOWN).await? else {
        return Ok(None);
    };
    let grants = rows.iter().map(|row| row.text(0)).collect();
    Ok(Some(Shown { created, grants }))
}

fn add(text: &mut String, statement: &str) {
    // Writing to a String can't fail.
    writeln!(text, "{statement};").unwrap_or_default();
}
