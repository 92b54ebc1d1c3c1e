//! The sample of everything awkward, there and back.

use dataguardian_agent::engines::restore::RestoreMode;
use dataguardian_core::stream::StreamRole;
use dataguardian_tests::mysql::{MySql, Version, compare, quoted_name};

use crate::setup::{Dumping, Restoring};

/// A name that needs quoting everywhere.
const ODD: &str = "o`dd; 'name' ü";

/// A server with the sample, and a second database that has an odd name.
fn with_samples(version: Version) -> MySql {
    let server = MySql::start(version).unwrap();
    server.load_sample("shop").unwrap();
    server
        .sql(
            "",
            &format!("CREATE DATABASE {} CHARACTER SET latin1", quoted_name(ODD)),
        )
        .unwrap();
    server
        .sql(ODD, "CREATE TABLE t (id int PRIMARY KEY, v varchar(9)); INSERT INTO t VALUES (1, 'ä'); CREATE VIEW v AS SELECT * FROM t")
        .unwrap();
    server
}

async fn there_and_back(version: Version) {
    let server = with_samples(version);
    let dumping = Dumping::of(&server, &["shop", ODD]);
    let report = dumping.run().await.unwrap();
    dumping.assert_nothing_left(&server);
    assert_eq!(report.databases.len(), 2);
    let position = report.shared_snapshot.clone().unwrap().binlog.unwrap();
    assert!(
        position.file.starts_with("binlog.") && position.position > 0,
        "{position:?}"
    );
    assert!(position.gtid.is_some_and(|gtid| gtid.contains(['-', ':'])));
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.message.contains("no_transactions")),
        "{:?}",
        report.warnings
    );

    let names = [("shop", "copy"), (ODD, "odd copy")];
    let restored = Restoring::of(
        &server,
        &report,
        dumping.sink.source(),
        &names,
        RestoreMode::CreateNew,
    )
    .run()
    .await
    .unwrap();
    compare::equal((&server, "shop"), (&server, "copy")).unwrap();
    compare::equal((&server, ODD), (&server, "odd copy")).unwrap();
    assert_eq!(restored.databases.len(), 2);
    assert!(
        restored
            .tables
            .iter()
            .all(|table| table.expected_rows == table.restored_rows)
    );

    // On another server, which has the accounts already or gets them by the stream.
    let other = MySql::start(version).unwrap();
    let streams = dumping.sink.streams();
    let globals = streams
        .iter()
        .find(|stream| stream.header.role == StreamRole::Globals)
        .unwrap();
    let globals = String::from_utf8(globals.bytes()).unwrap();
    // What is about single tables and routines waits for those, and comes last.
    let told = other.sql("", &globals).unwrap_err().to_string();
    let is_missing = ["ERROR 1146", "ERROR 1049"]
        .iter()
        .any(|error| told.contains(error));
    assert!(is_missing, "{told}");
    Restoring::of(
        &other,
        &report,
        dumping.sink.source(),
        &[],
        RestoreMode::CreateNew,
    )
    .run()
    .await
    .unwrap();
    compare::equal((&server, "shop"), (&other, "shop")).unwrap();
    compare::equal((&server, ODD), (&other, ODD)).unwrap();
    other.sql("", &globals).unwrap();
    compare::differences(
        &compare::accounts(&server).unwrap(),
        &compare::accounts(&other).unwrap(),
    )
    .unwrap();

    by_nothing_but_the_client(&server, &other, &dumping);
}

fn by_nothing_but_the_client(server: &MySql, other: &MySql, dumping: &Dumping) {
    for (database, copy) in [("shop", "by hand"), (ODD, "odd by hand")] {
        other.create_database(copy).unwrap();
        other
            .sql(copy, &String::from_utf8(dumping.sink.script(database)).unwrap())
            .unwrap();
        compare::equal((server, database), (other, copy)).unwrap();
    }
}

#[tokio::test]
async fn mariadb_10_there_and_back() {
    Box::pin(there_and_back(Version::MariaDb10)).await;
}

#[tokio::test]
async fn mariadb_11_there_and_back() {
    Box::pin(there_and_back(Version::MariaDb11)).await;
}

#[tokio::test]
async fn mysql_9_there_and_back() {
    Box::pin(there_and_back(Version::MySql9)).await;
}
