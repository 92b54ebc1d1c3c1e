//! Compares two databases of the same family: a restore is compared, not believed.
//!
//! What is compared: the database's character set; the text of `SHOW CREATE …` of every table, sequence, view, trigger (with
//! its place among the others), routine and event, with the SQL mode and character sets that belong to it; the rows of every
//! table, hashed one by one and added up, past ones of tables that keep their history included.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use regex::Regex;

use super::{MySql, quoted_name};

/// What stands before each fact in a script's output; no text of the samples holds it.
const MARK: &str = "@@fact@@";

/// What a database is, as texts by kind and name.
pub type Facts = BTreeMap<String, String>;

/// Fails unless both databases are the same, showing the first differences.
///
/// # Errors
/// If they differ, or one can't be read.
pub fn equal(left: (&MySql, &str), right: (&MySql, &str)) -> Result<()> {
    let (left, right) = (read(left.0, left.1)?, read(right.0, right.1)?);
    if left.is_empty() {
        bail!("there is nothing to compare");
    }
    differences(&left, &right)
}

/// Fails unless both are the same, showing the first differences.
///
/// # Errors
/// If they differ.
pub fn differences(left: &Facts, right: &Facts) -> Result<()> {
    const SHOWN: usize = 8;
    let mut told = Vec::new();
    for (name, value) in left {
        match right.get(name) {
            None => told.push(format!("- {name}: only on the left")),
            Some(other) if other != value => {
                told.push(format!(
                    "- {name}\n  left:  {}\n  right: {}",
                    shortened(value),
                    shortened(other)
                ));
            }
            Some(_) => {}
        }
    }
    for name in right.keys().filter(|name| !left.contains_key(*name)) {
        told.push(format!("- {name}: only on the right"));
    }
    if told.is_empty() {
        return Ok(());
    }
    let shown = told[..SHOWN.min(told.len())].join("\n");
    bail!("{} differences\n{shown}", told.len())
}

/// Everything about a database.
///
/// # Errors
/// If it can't be read.
pub fn read(server: &MySql, database: &str) -> Result<Facts> {
    let own = format!("'{}'", database.replace('\\', "\\\\").replace('\'', "''"));
    let objects = objects(server, &own)?;
    let mut script =
        String::from("SET SESSION sql_mode = '', time_zone = '+00:00', group_concat_max_len = 1000000;\n");
    // Writing to a String can't fail.
    let mut fact = |name: &str, sql: &str| {
        writeln!(script, "SELECT '{MARK}{}';\n{sql};", name.replace('\'', "''")).unwrap_or_default()
    };
    fact(
        "database",
        &format!(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = {own}"
        ),
    );
    for object in &objects {
        let name = quoted_name(&object.name);
        let title = format!("{} {}", object.kind, object.name);
        match object.kind.as_str() {
            "TABLE" => {
                fact(&title, &format!("SHOW CREATE TABLE {name}"));
                fact(
                    &format!("rows of {}", object.name),
                    &digest(server, &own, object)?,
                );
            }
            "SEQUENCE" => {
                fact(&title, &format!("SHOW CREATE SEQUENCE {name}"));
                fact(
                    &format!("state of {}", object.name),
                    &format!("SELECT next_not_cached_value, cycle_count FROM {name}"),
                );
            }
            kind => fact(&title, &format!("SHOW CREATE {kind} {name}")),
        }
    }
    fact(
        "order of triggers",
        &format!(
            "SELECT trigger_name, event_manipulation, event_object_table, action_timing, action_order FROM information_schema.triggers \
             WHERE trigger_schema = {own} ORDER BY 1"
        ),
    );
    let output = server
        .sql(database, &script)
        .with_context(|| format!("reading {database}"))?;
    let mut facts = Facts::new();
    for part in output.split(MARK).skip(1) {
        let (name, value) = part.split_once('\n').unwrap_or((part, ""));
        // MariaDB names the database where a column uses a sequence.
        let value = value
            .trim_end()
            .replace(&format!("nextval({}.", quoted_name(database)), "nextval(");
        facts.insert(name.to_owned(), without_moments(name, &value));
    }
    Ok(facts)
}

/// Users, roles and what they may do.
///
/// # Errors
/// If they can't be read.
pub fn accounts(server: &MySql) -> Result<Facts> {
    let role = if server.version().is_mariadb() {
        "is_role"
    } else {
        "'N'"
    };
    let sql = format!(
        "SELECT CONCAT(QUOTE(user), IF({role} = 'Y', '', CONCAT('@', QUOTE(host)))), {role} FROM mysql.user \
         WHERE user NOT LIKE 'mysql.%' AND user <> 'mariadb.sys' ORDER BY 1"
    );
    let mut script = String::new();
    if !server.version().is_mariadb() {
        script.push_str("SET SESSION print_identified_with_as_hex = ON;\n");
    }
    for line in server.sql("", &sql)?.lines() {
        let (account, role) = line.split_once('\t').context("an account")?;
        let title = account.replace('\\', "\\\\").replace('\'', "''");
        if role == "N" {
            writeln!(
                script,
                "SELECT '{MARK}user {title}';\nSHOW CREATE USER {account};"
            )?;
        }
        writeln!(
            script,
            "SELECT '{MARK}grants of {title}';\nSHOW GRANTS FOR {account};"
        )?;
    }
    let output = server.sql("", &script)?;
    let fact = |part: &str| {
        let (name, value) = part.split_once('\n').unwrap_or((part, ""));
        let mut lines: Vec<&str> = value.trim_end().lines().collect();
        lines.sort_unstable();
        // MariaDB keeps a grant of proxies as often as it is given.
        lines.dedup();
        (name.to_owned(), lines.join("\n"))
    };
    Ok(output.split(MARK).skip(1).map(fact).collect())
}

struct Object {
    kind: String,
    name: String,
    versioned: bool,
}

fn objects(server: &MySql, own: &str) -> Result<Vec<Object>> {
    let sql = format!(
        "SELECT 'TABLE', HEX(table_name), table_type FROM information_schema.tables WHERE table_schema = {own} \
         UNION ALL SELECT 'TRIGGER', HEX(trigger_name), '' FROM information_schema.triggers WHERE trigger_schema = {own} \
         UNION ALL SELECT routine_type, HEX(routine_name), '' FROM information_schema.routines WHERE routine_schema = {own} \
         UNION ALL SELECT 'EVENT', HEX(event_name), '' FROM information_schema.events WHERE event_schema = {own}"
    );
    let mut objects = Vec::new();
    for line in server.sql("", &sql)?.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, name, of] = fields[..] else {
            bail!("an object: {line}")
        };
        let kind = match of {
            "VIEW" => "VIEW",
            "SEQUENCE" => "SEQUENCE",
            _ => kind,
        };
        objects.push(Object {
            kind: kind.to_owned(),
            name: String::from_utf8(hex::decode(name)?)?,
            versioned: of == "SYSTEM VERSIONED",
        });
    }
    Ok(objects)
}

/// A statement that gives the number of rows and two sums over their hashes.
fn digest(server: &MySql, own: &str, table: &Object) -> Result<String> {
    let sql = format!(
        "SELECT HEX(column_name), data_type, generation_expression <=> 'ROW START' FROM information_schema.columns WHERE table_schema = {own} \
         AND table_name = CONVERT(X'{}' USING utf8mb4) ORDER BY ordinal_position",
        hex::encode(&table.name)
    );
    let mut values = Vec::new();
    // The period's columns may be hidden from the list of columns, or be columns like others.
    let mut is_hidden = table.versioned;
    for line in server.sql("", &sql)?.lines() {
        let mut fields = line.splitn(3, '\t');
        let column = fields.next().context("a column")?;
        let kind = fields.next().context("its type")?;
        is_hidden &= fields.next() != Some("1");
        let column = quoted_name(&String::from_utf8(hex::decode(column)?)?);
        let value = match kind {
            "bit" => format!("{column} + 0"),
            "blob" | "tinyblob" | "mediumblob" | "longblob" | "binary" | "varbinary" | "vector"
            | "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => {
                format!("HEX({column})")
            }
            _ => format!("HEX(CAST({column} AS CHAR CHARACTER SET utf8mb4))"),
        };
        values.push(format!("COALESCE({value}, 'null')"));
    }
    if is_hidden {
        values.extend(["ROW_START".to_owned(), "ROW_END".to_owned()]);
    }
    let of = if table.versioned {
        format!("{} FOR SYSTEM_TIME ALL", quoted_name(&table.name))
    } else {
        quoted_name(&table.name)
    };
    Ok(format!(
        "SELECT COUNT(*), COALESCE(SUM(CAST(CONV(LEFT(h, 12), 16, 10) AS UNSIGNED)), 0), COALESCE(BIT_XOR(CAST(CONV(RIGHT(h, 12), 16, 10) AS UNSIGNED)), 0) \
         FROM (SELECT SHA2(CONCAT_WS('/', {}), 256) AS h FROM {of}) hashed",
        values.join(", ")
    ))
}

/// `SHOW CREATE TRIGGER` tells when it was created; a restored one is younger. MySQL tells a column's character set beside its
/// collation once it was said so, which is the same.
fn without_moments(name: &str, value: &str) -> String {
    if name.starts_with("TABLE ") {
        let said = Regex::new(" CHARACTER SET [a-z0-9]+ COLLATE ");
        return said.map_or(value.to_owned(), |said| {
            said.replace_all(value, " COLLATE ").into_owned()
        });
    }
    if !name.starts_with("TRIGGER ") {
        return value.to_owned();
    }
    value.rsplit_once('\t').map_or(value, |(rest, _)| rest).to_owned()
}

fn shortened(text: &str) -> String {
    const LENGTH: usize = 1500;
    let cut: String = text.chars().take(LENGTH).collect();
    if cut.len() < text.len() { cut + " …" } else { cut }
}
