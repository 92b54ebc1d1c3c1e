//! A database whose own settings bend every session that does not say otherwise.

use dataguardian_agent::engines::postgres::RestoreMode;
use dataguardian_tests::postgres::{Postgres, Version};

use crate::round_trip::assert_equal;
use crate::setup::{Dumping, Restoring};

/// Values and definitions that read otherwise under other settings.
const CONTENTS: &str = r#"
    CREATE TABLE t (id int PRIMARY KEY, a text[] DEFAULT '{NULL,x}', d date, ts timestamp, tz timestamptz, i interval,
        f float8, r real, b bytea, m money, s text DEFAULT E'back\\slash', v interval DEFAULT '-1 day +02:03:04');
    INSERT INTO t SELECT n, ARRAY[NULL, 'a', 'NULL', 'null'], date '2024-02-01' + n, timestamp '2024-02-01 03:04:05.678901',
        timestamptz '2024-07-01 12:00:00.5+02', interval '-1 day 02:03:04.5', 0.1::float8 + 0.2::float8, 1.1::real / 3,
        '\x00ff27'::bytea, 1234567.89, E'a\\b''c' FROM generate_series(1, 20) n;
    CREATE VIEW unknown AS SELECT id, s = NULL AS never, a = '{NULL}'::text[] AS other FROM t;
    CREATE MATERIALIZED VIEW listed AS SELECT '{NULL,a}'::text[] AS a, '\x00ff'::bytea AS b, date '2024-02-01' AS d;
    CREATE INDEX ON t ((i + interval '-1 day +02:03:04'));
    CREATE FUNCTION later() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM t WHERE s = E'\\'); END $$;
    CREATE TABLE made_late (id int);
    CREATE FUNCTION early() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.made_late';
    CREATE ROLE powerless"#;

const BENT: &[(&str, &str)] = &[
    ("role", "powerless"),
    ("search_path", "nowhere"),
    ("array_nulls", "off"),
    ("transform_null_equals", "on"),
    ("backslash_quote", "off"),
    ("datestyle", "German, DMY"),
    ("intervalstyle", "sql_standard"),
    ("timezone", "Asia/Kathmandu"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-12"),
    ("xmloption", "document"),
    ("xmlbinary", "hex"),
    ("standard_conforming_strings", "off"),
    ("escape_string_warning", "on"),
    ("quote_all_identifiers", "on"),
    ("check_function_bodies", "on"),
    ("row_security", "on"),
    ("client_min_messages", "error"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_deferrable", "on"),
    ("statement_timeout", "1ms"),
    ("lock_timeout", "1ms"),
    ("idle_in_transaction_session_timeout", "1ms"),
];

const SETTINGS_OF: &str =
    "SELECT array_agg(setting ORDER BY setting) FROM pg_db_role_setting, unnest(setconfig) setting
    WHERE setrole = 0 AND setdatabase = (SELECT oid FROM pg_database WHERE datname = ";

async fn bent_settings_change_nothing(version: Version) {
    let server = Postgres::start(version).unwrap();
    server.create_database("bent").unwrap();
    server.psql("bent", CONTENTS).unwrap();
    match version {
        // The others are built without it.
        Version::V15 => server.psql("bent", "ALTER TABLE t ADD x xml DEFAULT '<a>1</a><b/>'"),
        Version::V16 => server.psql(
            "postgres",
            "ALTER DATABASE bent SET idle_session_timeout = '200ms'",
        ),
        Version::V18 => server.psql(
            "postgres",
            "ALTER DATABASE bent SET transaction_timeout = '200ms'",
        ),
    }
    .unwrap();
    for (name, value) in BENT {
        let sql = format!("ALTER DATABASE bent SET {name} = '{value}'");
        let sql = if value.contains(',') {
            sql.replace('\'', "")
        } else {
            sql
        };
        server.psql("postgres", &sql).unwrap();
    }
    let dumping = Dumping::of(&server, &["bent"]);
    let dumped = dumping.run().await.unwrap();
    assert_eq!(dumped.failed, []);
    let names = [("bent", "straight")];
    let restoring = Restoring::of(
        &server,
        &dumped,
        dumping.sink.source(),
        &names,
        RestoreMode::CreateNew,
    );
    restoring.run().await.unwrap();
    let settings = |name: &str| {
        server
            .psql("postgres", &format!("{SETTINGS_OF}'{name}')"))
            .unwrap()
    };
    assert_eq!(
        settings("straight"),
        settings("bent"),
        "they are the database's own and stay"
    );
    for name in ["bent", "straight"] {
        server
            .psql("postgres", &format!("ALTER DATABASE {name} RESET ALL"))
            .unwrap();
    }
    assert_equal(&server, "bent", "straight").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bent_settings_change_nothing_on_15() {
    bent_settings_change_nothing(Version::V15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bent_settings_change_nothing_on_16() {
    bent_settings_change_nothing(Version::V16).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bent_settings_change_nothing_on_18() {
    bent_settings_change_nothing(Version::V18).await;
}
