//! A dump restored is compared with its source.

use dataguardian_agent::engines::postgres::RestoreMode;
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::Awkward;

use crate::setup::{Dumping, Restoring};

pub(crate) async fn assert_equal(server: &Postgres, left: &str, right: &str) {
    let comparison = Comparison::new(Database::of(server, left), Database::of(server, right));
    comparison.run().await.unwrap().equal().unwrap();
}

async fn a_restore_is_equal(version: Version, connections: usize) {
    let server = Postgres::start(version).unwrap();
    Awkward::default().load(&server, "awkward").unwrap();
    let mut dumping = Dumping::of(&server, &["awkward"]);
    dumping.request.options.connections = connections;
    let dumped = dumping.run().await.unwrap();
    let source = dumping.sink.source();
    let names = [("awkward", "odd 'name' = \"ä\\b")];
    let restoring = Restoring::of(&server, &dumped, source, &names, RestoreMode::CreateNew);
    let restored = restoring.run().await.unwrap();
    assert_eq!(restored.databases[0].to, names[0].1);
    assert!(
        restored
            .tables
            .iter()
            .all(|table| table.expected_rows == table.restored_rows)
    );
    assert_equal(&server, "awkward", names[0].1).await;
    assert_eq!(server.server_sessions("dataguardian").unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_on_15_is_equal() {
    a_restore_is_equal(Version::V15, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_on_16_is_equal() {
    a_restore_is_equal(Version::V16, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_on_18_is_equal() {
    a_restore_is_equal(Version::V18, 3).await;
}
