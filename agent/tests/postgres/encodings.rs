//! Databases in other encodings than UTF-8, with names that are not plain ASCII.

use std::io::Write as _;

use dataguardian_agent::engines::postgres::RestoreMode;
use dataguardian_tests::compare::{Aspect, Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};

use crate::round_trip::assert_equal;
use crate::setup::{Dumping, Restoring};

const CONTENTS: &str = r#"
    CREATE ROLE "the owner";
    CREATE TABLE "größe" ("ö\ ""x""" text, n int);
    INSERT INTO "größe" SELECT 'süß ' || i, i FROM generate_series(1, 5000) i;
    CREATE SEQUENCE "zähler"; SELECT nextval('"zähler"');
    SELECT lo_from_bytea(4711, decode(repeat('00ff', 100000), 'hex'));
    COMMENT ON LARGE OBJECT 4711 IS 'ein Übel, ''quoted'' \ und
        mehrzeilig;
        ';
    ALTER LARGE OBJECT 4711 OWNER TO "the owner";
    GRANT SELECT ON LARGE OBJECT 4711 TO PUBLIC;"#;

async fn goes_there_and_back(encoding: &str) {
    let server = Postgres::start(Version::V15).unwrap();
    let create = |name: &str| {
        let locale = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'";
        let sql = format!("CREATE DATABASE {name} ENCODING '{encoding}' {locale}");
        server.psql("postgres", &sql).unwrap();
    };
    create("odd");
    server.psql("odd", CONTENTS).unwrap();
    let dumping = Dumping::of(&server, &["odd"]);
    let report = dumping.run().await.unwrap();
    let source = dumping.sink.source();
    let restoring = Restoring::of(
        &server,
        &report,
        source,
        &[("odd", "again")],
        RestoreMode::CreateNew,
    );
    restoring.run().await.unwrap();
    assert_equal(&server, "odd", "again").await;

    create("by_psql");
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script.write_all(&dumping.sink.script("odd")).unwrap();
    server.psql_file("by_psql", script.path(), &[]).unwrap();
    let comparison = Comparison::new(Database::of(&server, "odd"), Database::of(&server, "by_psql"));
    comparison
        .without(Aspect::Database)
        .run()
        .await
        .unwrap()
        .equal()
        .unwrap();
}

/// Roles belong to no database: a name in one database's encoding is rubbish in another's, and `pg_dumpall` stops at it. So
/// the role's name is plain.
#[tokio::test(flavor = "multi_thread")]
async fn latin1() {
    goes_there_and_back("LATIN1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_encoding_at_all() {
    goes_there_and_back("SQL_ASCII").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_text_in_any_encoding() {
    let server = Postgres::start(Version::V18).unwrap();
    let create = "CREATE DATABASE odd TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'";
    server.psql("postgres", create).unwrap();
    let script = r"SET client_encoding = 'SQL_ASCII'; CREATE TABLE bytes (t text);
        INSERT INTO bytes VALUES (E'\xe4\xff'), (E'\x80\\\n'), ('plain')";
    server.psql("odd", script).unwrap();
    let dumping = Dumping::of(&server, &["odd"]);
    let report = dumping.run().await.unwrap();
    let source = dumping.sink.source();
    let restoring = Restoring::of(
        &server,
        &report,
        source,
        &[("odd", "again")],
        RestoreMode::CreateNew,
    );
    restoring.run().await.unwrap();
    let digest = "SELECT md5(string_agg(t, '|' ORDER BY t)) FROM bytes";
    assert_eq!(
        server.psql("again", digest).unwrap(),
        server.psql("odd", digest).unwrap()
    );
}
