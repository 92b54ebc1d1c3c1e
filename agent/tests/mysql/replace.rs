//! A live database is replaced, or stays as it was.

use dataguardian_agent::engines::restore::RestoreMode;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::stream::StreamRole;
use dataguardian_tests::mysql::{MySql, Version, compare};

use crate::setup::{Dumping, Restoring};

/// What the live database became since the backup: other rows, other tables, other programs, another character set.
const CHANGES: &str = "
    ALTER DATABASE shop CHARACTER SET latin1;
    DELETE FROM texts; DROP TABLE egg_only_here; CREATE TABLE newer (id int AUTO_INCREMENT PRIMARY KEY, v varchar(20));
    INSERT INTO newer (v) VALUES ('only here');
    DROP TRIGGER watched_first; DROP VIEW a_on_z; DROP EVENT resting;
    CREATE TRIGGER newer_trigger BEFORE INSERT ON newer FOR EACH ROW SET NEW.v = CONCAT(NEW.v, ';');
    CREATE PROCEDURE newer_procedure() SELECT COUNT(*) FROM newer;
    CREATE VIEW newer_view AS SELECT * FROM newer;";

#[tokio::test]
async fn the_live_database_is_replaced_whole() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let before = compare::read(&server, "shop").unwrap();
        server
            .sql("shop", &CHANGES.replace("DROP TABLE egg_only_here;", ""))
            .unwrap();
        let restoring = Restoring::of(&server, &report, dumping.sink.source(), &[], RestoreMode::Replace);
        restoring
            .run()
            .await
            .unwrap_or_else(|failure| panic!("{version}: {failure}"));
        compare::differences(&before, &compare::read(&server, "shop").unwrap()).unwrap();
        assert_eq!(server.databases().unwrap(), ["shop"], "{version}");
        // A name that nobody has is as good.
        let names = [("shop", "fresh")];
        Restoring::of(
            &server,
            &report,
            dumping.sink.source(),
            &names,
            RestoreMode::Replace,
        )
        .run()
        .await
        .unwrap();
        compare::equal((&server, "shop"), (&server, "fresh")).unwrap();
    }
}

#[tokio::test]
async fn a_replacement_that_fails_in_the_middle_leaves_the_live_database_as_it_was() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        server
            .sql("shop", &CHANGES.replace("DROP TABLE egg_only_here;", ""))
            .unwrap();
        let live = compare::read(&server, "shop").unwrap();
        // What comes after the rows can be made in any database but one of that name.
        let mut source = (*dumping.sink.source()).clone();
        let after = source
            .stored
            .iter()
            .position(|stream| stream.header.role == StreamRole::SchemaAfterData)
            .unwrap();
        let fails = b"SELECT IF(DATABASE() = 'shop', (SELECT 1 UNION SELECT 2), 1);\n";
        source.pieces[after].push(bytes::Bytes::from_static(fails));
        let restoring = Restoring::of(&server, &report, source.into(), &[], RestoreMode::Replace);
        let failed = restoring.run().await.unwrap_err();
        assert_eq!(failed.kind, FailureKind::ClientFailed, "{version}: {failed}");
        assert!(failed.message.contains("1242"), "{version}: {failed}");
        compare::differences(&live, &compare::read(&server, "shop").unwrap())
            .unwrap_or_else(|error| panic!("{version}: {error}"));
        assert_eq!(server.databases().unwrap(), ["shop"], "{version}");
    }
}

#[tokio::test]
async fn foreign_keys_of_other_databases_are_in_the_way() {
    let server = MySql::start(Version::MySql9).unwrap();
    server.load_sample("shop").unwrap();
    let dumping = Dumping::of(&server, &["shop"]);
    let report = dumping.run().await.unwrap();
    server.create_database("crm").unwrap();
    server
        .sql(
            "crm",
            "CREATE TABLE orders (id int PRIMARY KEY, hen int, FOREIGN KEY (hen) REFERENCES shop.hen (id))",
        )
        .unwrap();
    let refused = Restoring::of(&server, &report, dumping.sink.source(), &[], RestoreMode::Replace)
        .run()
        .await
        .unwrap_err();
    assert_eq!(refused.kind, FailureKind::TargetUnfit);
    assert!(refused.message.contains("crm.orders"), "{refused}");
}
