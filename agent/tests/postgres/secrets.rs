//! The password is nowhere but in the private file.

use dataguardian_agent::engines::postgres::RestoreMode;
use dataguardian_tests::postgres::{PASSWORD, Postgres, Version};

use crate::setup::{Dumping, Restoring, clients_with};

#[tokio::test(flavor = "multi_thread")]
async fn programs_are_given_a_file_and_no_password() {
    let server = Postgres::start(Version::V15).unwrap();
    server.create_database("shop").unwrap();
    let seen = tempfile::tempdir().unwrap();
    let script = format!(
        "cat /proc/$$/environ /proc/$$/cmdline > {0}/seen; stat -c %a \"$PGPASSFILE\" > {0}/mode; \
         stat -c %a \"$(dirname \"$PGPASSFILE\")\" >> {0}/mode",
        seen.path().display()
    );
    let (_programs, clients) = clients_with(server.version(), &script);
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.clients = clients;
    let report = dumping.run().await.unwrap();
    let text = String::from_utf8_lossy(&std::fs::read(seen.path().join("seen")).unwrap()).into_owned();
    assert!(
        text.contains("PGPASSFILE=") && text.contains("--snapshot="),
        "{text}"
    );
    assert!(!text.contains(PASSWORD) && !text.contains("PGPASSWORD"), "{text}");
    assert_eq!(
        std::fs::read_to_string(seen.path().join("mode")).unwrap(),
        "600\n700\n"
    );
    assert!(!format!("{report:?}").contains(PASSWORD));
    dumping.assert_nothing_left(&server);

    let names = [("shop", "again")];
    let restoring = Restoring::of(
        &server,
        &report,
        dumping.sink.source(),
        &names,
        RestoreMode::CreateNew,
    );
    assert!(!format!("{:?}", restoring.request).contains(PASSWORD));
    let restored = restoring.run().await.unwrap();
    assert!(!format!("{restored:?}").contains(PASSWORD));
    assert_eq!(std::fs::read_dir(&restoring.request.work_dir).unwrap().count(), 0);
    assert!(!server.log().unwrap().contains(PASSWORD));
}
