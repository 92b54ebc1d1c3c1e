//! What every session of ours is told, so that no setting of the server, a database or a role can bend what it reads or writes.
//!
//! Settings go along with the connection, where they take precedence over those of databases and roles and hold from the first
//! statement on. Those of `pg_dump` (`setup_connection` in its source) are among them.
//!
//! Left alone is what says how the server works rather than how text reads: a database's `TimeZone`, `lc_time` and
//! `default_text_search_config` count where its own expressions are computed anew, `default_toast_compression` where its rows
//! are stored.

/// Settings that every supported server has and every user may change.
pub(super) const SETTINGS: [(&str, &str); 25] = [
    // Whoever logs in does the work: a database's `role` would take its privileges away.
    ("role", "none"),
    // Names are resolved in `pg_catalog` only, and policies never filter rows in silence.
    ("search_path", ""),
    ("row_security", "off"),
    // How values are written and read.
    ("array_nulls", "on"),
    ("bytea_output", "hex"),
    ("datestyle", "ISO, MDY"),
    ("extra_float_digits", "3"),
    ("intervalstyle", "postgres"),
    ("lc_monetary", "C"),
    ("xmlbinary", "base64"),
    ("xmloption", "content"),
    // How statements are written and read.
    ("backslash_quote", "safe_encoding"),
    ("quote_all_identifiers", "off"),
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    // What statements do.
    ("check_function_bodies", "off"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", ""),
    ("default_transaction_deferrable", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("synchronize_seqscans", "off"),
    // What ends them.
    ("idle_in_transaction_session_timeout", "0"),
    ("lock_timeout", "0"),
    ("statement_timeout", "0"),
];

/// The same of settings that only newer servers have.
pub(super) const NEWER: &str = "
    SELECT pg_catalog.set_config(name, value, false)
    FROM (VALUES ('idle_session_timeout', '0'), ('transaction_timeout', '0'), ('restrict_nonsystem_relation_kind', ''))
        AS newer (name, value)
    WHERE name IN (SELECT name FROM pg_catalog.pg_settings)";

/// For `PGOPTIONS`: blanks and backslashes within a value are escaped
/// (<https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS>).
pub(super) fn for_programs() -> String {
    let option = |(name, value): &(&str, &str)| {
        let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
        format!("-c {name}={value}")
    };
    SETTINGS.iter().map(option).collect::<Vec<_>>().join(" ")
}

/// As statements, for connections through something that keeps the options to itself.
pub(super) fn statements() -> String {
    let statement =
        |(name, value): &(&str, &str)| format!("SELECT pg_catalog.set_config('{name}', '{value}', false);");
    let all: String = SETTINGS.iter().map(statement).collect();
    all + "SET client_min_messages = warning;"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_in_values_are_escaped() {
        let options = for_programs();
        assert!(options.contains("-c default_transaction_isolation=read\\ committed -c "));
        assert!(options.starts_with("-c role=none -c search_path= -c row_security=off"));
    }
}
