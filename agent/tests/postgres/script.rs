//! A database's SQL streams, joined, are a script for psql.

use std::io::Write as _;

use dataguardian_tests::compare::{Aspect, Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::Awkward;

use crate::setup::Dumping;

async fn streams_joined_make_an_equal_database(version: Version) {
    let server = Postgres::start(version).unwrap();
    Awkward::default().load(&server, "awkward").unwrap();
    let dumping = Dumping::of(&server, &["awkward"]);
    let report = dumping.run().await.unwrap();
    assert_eq!(report.failed, []);
    let mut script = tempfile::NamedTempFile::new().unwrap();
    script.write_all(&dumping.sink.script("awkward")).unwrap();
    server.create_database("again").unwrap();
    server.psql_file("again", script.path(), &[]).unwrap();
    Comparison::new(Database::of(&server, "awkward"), Database::of(&server, "again"))
        .without(Aspect::Database)
        .run()
        .await
        .unwrap()
        .equal()
        .unwrap();
}

#[tokio::test]
async fn streams_of_15_joined_make_an_equal_database() {
    streams_joined_make_an_equal_database(Version::V15).await;
}

#[tokio::test]
async fn streams_of_16_joined_make_an_equal_database() {
    streams_joined_make_an_equal_database(Version::V16).await;
}

#[tokio::test]
async fn streams_of_18_joined_make_an_equal_database() {
    streams_joined_make_an_equal_database(Version::V18).await;
}
