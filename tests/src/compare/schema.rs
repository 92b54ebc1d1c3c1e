//! The schema, as `pg_dump --schema-only` writes it, entry by entry.

use std::{collections::BTreeMap, mem};

use anyhow::{Context as _, Result};

use super::{Database, Difference, facts::Kind, pg_dump::PgDump, session::Session};

/// An entry starts with a comment that names it.
const HEADING: &str = "\n--\n-- Name: ";

pub(super) async fn differences(left: &Database, right: &Database) -> Result<Vec<Difference>> {
    let server = major(left).await?.max(major(right).await?);
    let pg_dump = PgDump::find([left, right], server)?;
    let (left, right) = (entries(&pg_dump.schema(left)?), entries(&pg_dump.schema(right)?));
    Ok(differing(left, right))
}

async fn major(database: &Database) -> Result<u32> {
    let pairs = Session::open(database)
        .await?
        .pairs("SELECT current_setting('server_version_num'), ''")
        .await?;
    let number: u32 = pairs.first().context("a setting has a value")?.0.parse()?;
    Ok(number / 10_000)
}

/// What an entry of each name says. Some names occur more than once (overloaded comments), so an entry is a list.
type Entries = BTreeMap<String, Vec<String>>;

fn entries(dump: &str) -> Entries {
    let mut entries = Entries::new();
    // Says how the following tables are made; the dump repeats it only when it changes, so it is put into each of them.
    let mut defaults = BTreeMap::new();
    let mut parts = dump.split(HEADING);
    let preamble = parts.next().unwrap_or_default();
    let preamble = take_defaults(&without_versions(preamble), &mut defaults);
    entries.entry("settings".to_owned()).or_default().push(preamble);
    for part in parts {
        let (heading, text) = part.split_once("\n--\n").unwrap_or((part, ""));
        // The owner is told by the text too, and by the entries of all that depends on it.
        let heading = heading
            .rsplit_once("; Owner: ")
            .map_or(heading, |(heading, _)| heading);
        let for_this: String = defaults.values().cloned().collect();
        let mut text = normalised(heading, take_defaults(&without_versions(text), &mut defaults));
        if heading.contains("; Type: TABLE;") || heading.contains("; Type: MATERIALIZED VIEW;") {
            text.insert_str(0, &for_this);
        }
        entries.entry(heading.to_owned()).or_default().push(text);
    }
    entries.values_mut().for_each(|texts| texts.sort());
    entries
}

/// The lines that differ between any two runs: programs' versions, and the key that guards psql (CVE-2025-8714).
fn without_versions(text: &str) -> String {
    let ignored = ["-- Dumped from ", "-- Dumped by ", r"\restrict ", r"\unrestrict "];
    let kept = text
        .lines()
        .filter(|line| !ignored.iter().any(|start| line.starts_with(start)));
    kept.map(|line| format!("{line}\n")).collect()
}

/// Takes `SET default_...` lines off the end of an entry: they belong to what follows.
fn take_defaults(text: &str, defaults: &mut BTreeMap<String, String>) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    while let Some(line) =
        lines.pop_if(|line| line.is_empty() || *line == "--" || line.starts_with("SET default_ta"))
    {
        if let Some((name, _)) = line.split_once('=') {
            // The last of a name is met first.
            defaults.insert(name.to_owned(), format!("{line}\n"));
        }
    }
    lines.join("\n")
}

/// Takes away what a copy can't keep.
fn normalised(heading: &str, text: String) -> String {
    if heading.contains("; Type: POLICY;") {
        return with_sorted_roles(&text);
    }
    if text.contains("CREATE TABLE ") && text.contains("\nINHERITS (") {
        return with_sorted_lines(&text);
    }
    text
}

/// A child of another table gets the columns that it shares with its parent first in a copy: their order says nothing.
fn with_sorted_lines(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches(',')).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// The roles of a policy stand in the order of their OIDs, which differs from server to server.
fn with_sorted_roles(text: &str) -> String {
    let Some((before, rest)) = text.split_once(" TO ") else {
        return text.to_owned();
    };
    let end = [" USING (", " WITH CHECK (", ";"]
        .iter()
        .filter_map(|mark| rest.find(mark))
        .min();
    let (roles, after) = rest.split_at(end.unwrap_or(rest.len()));
    let mut roles: Vec<&str> = roles.split(", ").collect();
    roles.sort_unstable();
    format!("{before} TO {}{after}", roles.join(", "))
}

fn differing(left: Entries, mut right: Entries) -> Vec<Difference> {
    let mut differences = Vec::new();
    for (name, texts) in left {
        let other = right.get_mut(&name).map(mem::take);
        right.remove(&name);
        if other.as_ref() != Some(&texts) {
            let other = other.map(|texts| texts.concat());
            differences.push(Difference::new(Kind::Schema, name, Some(texts.concat()), other));
        }
    }
    let added = right
        .into_iter()
        .map(|(name, texts)| Difference::new(Kind::Schema, name, None, Some(texts.concat())));
    differences.extend(added);
    differences
}

#[cfg(test)]
mod tests {
    use super::{differing, entries, with_sorted_roles};

    const DUMP: &str = "--\n-- PostgreSQL database dump\n--\n\n\\restrict abc\n\n-- Dumped from database version 15\n\
        SET a = 1;\n\nSET default_tablespace = '';\n\nSET default_table_access_method = heap;\n\
        \n--\n-- Name: t; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE s.t (\n    a int\n);\n\n\
        \n--\n-- Name: u; Type: TABLE; Schema: s; Owner: o\n--\n\nCREATE TABLE s.u (\n    a int,\n    b int\n)\nINHERITS (s.t);\n\n\
        \\unrestrict abc\n";

    fn changes(from: &str, to: &str) -> Vec<String> {
        let changed = DUMP.replace(from, to);
        assert_ne!(changed, DUMP);
        let list = differing(entries(DUMP), entries(&changed));
        list.iter()
            .map(|difference| difference.name().split(';').next().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn keys_versions_and_the_order_of_a_childs_columns_do_not_count() {
        assert!(changes("restrict abc", "restrict def").is_empty());
        assert!(changes("version 15", "version 16").is_empty());
        assert!(changes("a int,\n    b int", "b int,\n    a int").is_empty());
    }

    #[test]
    fn the_order_of_a_policys_roles_does_not_count() {
        let policy = "CREATE POLICY p ON t TO b, a USING (true);";
        assert_eq!(
            with_sorted_roles(policy),
            "CREATE POLICY p ON t TO a, b USING (true);"
        );
        assert_eq!(
            with_sorted_roles("CREATE POLICY p ON t TO b, a;"),
            "CREATE POLICY p ON t TO a, b;"
        );
        assert_eq!(
            with_sorted_roles("CREATE POLICY p ON t;"),
            "CREATE POLICY p ON t;"
        );
    }

    #[test]
    fn everything_else_does() {
        assert_eq!(changes("    a int\n)", "    a bigint\n)"), ["t"]);
        assert_eq!(changes("SET a = 1", "SET a = 2"), ["settings"]);
        assert_eq!(changes("b int\n", "c int\n"), ["u"]);
        assert_eq!(changes("method = heap", "method = other"), ["t", "u"]);
        // Told by its ALTER ... OWNER TO, and not once more by each heading.
        assert!(changes("Owner: o", "Owner: p").is_empty());
    }
}
