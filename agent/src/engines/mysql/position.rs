//! Where the binary log stood, as the dump's own comments tell.

use dataguardian_core::database::Warning;
use regex::Regex;
use sqlx::mysql::MySqlConnection;

use super::connect::ask_one;
use super::flavour::Flavour;
use super::quote;
use crate::engines::dump::BinlogPosition;

/// Reads it. None where the dump does not tell.
pub(super) async fn read(
    session: &mut MySqlConnection,
    flavour: Flavour,
    notes: &str,
) -> Option<BinlogPosition> {
    let (file, position) = place(notes)?;
    let gtid = match flavour {
        Flavour::MySql => executed(notes),
        Flavour::MariaDb => {
            let sql = format!("SELECT BINLOG_GTID_POS({}, {position})", quote::text(&file));
            match ask_one(session, sql, "asking for the GTID of a position").await {
                Ok(gtid) => gtid.filter(|gtid| !gtid.is_empty()),
                Err(failure) => {
                    tracing::info!(%failure, "the position's GTID is not known");
                    None
                }
            }
        }
    };
    Some(BinlogPosition { file, position, gtid })
}

/// `-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=4082;`
fn place(notes: &str) -> Option<(String, u64)> {
    let line = Regex::new(r"(?m)^-- CHANGE (?:MASTER|REPLICATION SOURCE) TO (?:MASTER|SOURCE)_LOG_FILE='([^']+)', (?:MASTER|SOURCE)_LOG_POS=([0-9]+)").ok()?;
    let found = line.captures(notes)?;
    Some((found[1].to_owned(), found[2].parse().ok()?))
}

/// `/* SET @@GLOBAL.GTID_PURGED='+25eeb502-…:1-15';*/`
fn executed(notes: &str) -> Option<String> {
    let line = Regex::new(r"(?s)SET @@GLOBAL\.GTID_PURGED=(?:/\*.*?\*/)?\s*'\+?([^']*)'").ok()?;
    let set = line.captures(notes)?[1].replace(['\n', ' '], "");
    (!set.is_empty()).then_some(set)
}

/// What a program that ended well had to say all the same, but for what we know and mean.
pub(super) fn warning(line: &str) -> Option<Warning> {
    const KNOWN: [&str; 2] = ["A partial dump from a server that has GTIDs", "GTID_PURGED"];
    let said = line.trim();
    (!said.is_empty() && !KNOWN.iter().any(|known| said.contains(known))).then(|| Warning {
        database: None,
        message: said.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_words_are_read() {
        let maria = "--\n-- CHANGE MASTER TO MASTER_USE_GTID=slave_pos;\n-- CHANGE MASTER TO MASTER_LOG_FILE='binlog.000001', MASTER_LOG_POS=4082;";
        assert_eq!(place(maria), Some(("binlog.000001".into(), 4082)));
        let mysql = "/* SET @@GLOBAL.GTID_PURGED='+a:1-15,\nb:1-2';*/\n-- CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='binlog.000003', SOURCE_LOG_POS=158;";
        assert_eq!(place(mysql), Some(("binlog.000003".into(), 158)));
        assert_eq!(executed(mysql).as_deref(), Some("a:1-15,b:1-2"));
        assert_eq!(executed("/* SET @@GLOBAL.GTID_PURGED='+';*/"), None);
    }
}
