//! Restores of single tables, with what belongs to them.

use dataguardian_agent::engines::restore::RestoreMode;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_tests::mysql::{MySql, Version, compare};

use crate::setup::{Dumping, Restoring};

const SHOP: &str = "
    CREATE TABLE `item` (id int PRIMARY KEY AUTO_INCREMENT, name varchar(20) UNIQUE COMMENT 'what it is called');
    INSERT INTO `item` (name) VALUES ('one'), ('two'), ('three');
    CREATE TABLE `sale` (id int PRIMARY KEY, item int, note text, CHECK (id > 0), KEY by_note (note(10)), CONSTRAINT `of` FOREIGN KEY (item)
        REFERENCES `item` (id) ON DELETE SET NULL, CONSTRAINT `itself` FOREIGN KEY (item) REFERENCES `sale` (id)) COMMENT 'what was sold';
    INSERT INTO `sale` VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 2, 'c');
    CREATE TABLE `a.b ``c` (id int); INSERT INTO `a.b ``c` VALUES (1);
    CREATE FUNCTION `doubled`(a int) RETURNS int DETERMINISTIC NO SQL RETURN a * 2;
    CREATE PROCEDURE `unused`() SELECT 1;
    CREATE TRIGGER `checked` BEFORE UPDATE ON `sale` FOR EACH ROW SET NEW.id = doubled(NEW.id);
    CREATE TRIGGER `other` BEFORE UPDATE ON `item` FOR EACH ROW SET NEW.name = OLD.name;
    CREATE VIEW `sold` AS SELECT `name` FROM `item`;
    CREATE DATABASE `crm`; CREATE TABLE `crm`.`item` (id int);";

#[tokio::test]
async fn a_table_comes_with_its_indexes_triggers_and_what_those_call() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.sql("", "CREATE DATABASE `shop`").unwrap();
        server.sql("shop", SHOP).unwrap();
        let dumping = Dumping::of(&server, &["crm", "shop"]);
        let report = dumping.run().await.unwrap();
        let restore = |to: &'static str, tables: &[&str]| {
            let source = dumping.sink.source();
            let mut restoring =
                Restoring::of(&server, &report, source, &[("shop", to)], RestoreMode::CreateNew);
            restoring.request.objects = ObjectChoice::parse(&[], tables).unwrap();
            async move { restoring.run().await }
        };
        let restored = restore("one", &["sale", "`a.b ``c`"]).await.unwrap();
        let told: Vec<_> = restored
            .warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        assert_eq!(
            told,
            ["foreign key of of table sale is left out, since it refers to item, which is not restored"]
        );
        assert_eq!(restored.tables.len(), 2, "{:?}", restored.tables);
        let all = "SELECT GROUP_CONCAT(name ORDER BY name) FROM (
            SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'one'
            UNION ALL SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'one'
            UNION ALL SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'one') found";
        assert_eq!(server.sql("", all).unwrap(), "a.b `c,checked,doubled,sale");
        // What was not restored goes from the original too; then both are the same.
        let less =
            "ALTER TABLE sale DROP FOREIGN KEY `of`; DROP VIEW sold; DROP PROCEDURE unused; DROP TABLE item";
        server.sql("shop", less).unwrap();
        compare::equal((&server, "shop"), (&server, "one")).unwrap();

        // The live database takes back what it has lost, and nothing else.
        server.sql("", "CREATE DATABASE live").unwrap();
        server
            .sql("live", "CREATE TABLE own (id int); CREATE FUNCTION doubled(a int) RETURNS int DETERMINISTIC NO SQL RETURN a * 2")
            .unwrap();
        let add = |tables: &[&str]| {
            let source = dumping.sink.source();
            let mut adding = Restoring::of(&server, &report, source, &[], RestoreMode::Into);
            adding.request.objects = ObjectChoice::parse(&[], tables).unwrap();
            adding.request.into = Some("live".to_owned());
            async move { adding.run().await }
        };
        let added = add(&["sale", "`a.b ``c`"]).await.unwrap();
        let used = "function doubled is in live already and is used as it is there";
        assert!(
            added.warnings.iter().any(|warning| warning.message == used),
            "{:?}",
            added.warnings
        );
        server.sql("live", "DROP TABLE own").unwrap();
        compare::equal((&server, "shop"), (&server, "live")).unwrap();
        let failure = add(&["sale", "shop.item"]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NamesTaken);
        assert!(
            failure
                .message
                .contains("live has table sale, trigger checked already"),
            "{failure}"
        );
        compare::equal((&server, "shop"), (&server, "live")).unwrap();
        assert_eq!(server.databases().unwrap(), ["crm", "live", "one", "shop"]);

        let whole = restore("two", &["shop.item", "sa*"]).await.unwrap();
        assert_eq!(whole.warnings, []);
        let key =
            "SELECT COUNT(*) FROM information_schema.referential_constraints WHERE constraint_schema = 'two'";
        assert_eq!(server.sql("", key).unwrap(), "2");

        let failure = restore("never", &["item", "slae", "a.b.c"]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ChoiceUnfit);
        for said in [
            "more than one table item: name it as one of crm.item, shop.item",
            "no table slae in crm, shop; near it: shop.sale",
            "a.b.c has too many parts",
        ] {
            assert!(failure.message.contains(said), "{failure}");
        }
        assert!(!server.databases().unwrap().contains(&"never".to_owned()));
    }
}

/// A trigger and a routine that were made while the database had another default character set: the dump changes the database's
/// around each of them.
const OLDER: &str = "
    CREATE TABLE `sale` (id int PRIMARY KEY); INSERT INTO `sale` VALUES (1);
    ALTER DATABASE `shop` CHARACTER SET latin1;
    CREATE FUNCTION `doubled`(a int) RETURNS int DETERMINISTIC NO SQL RETURN a * 2;
    CREATE PROCEDURE `unused`() SELECT 1;
    CREATE TRIGGER `checked` BEFORE UPDATE ON `sale` FOR EACH ROW SET NEW.id = doubled(NEW.id);
    ALTER DATABASE `shop` CHARACTER SET utf8mb4;";

#[tokio::test]
async fn a_live_database_keeps_its_own_character_set() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server
            .sql("", "CREATE DATABASE `shop` CHARACTER SET utf8mb4")
            .unwrap();
        server.sql("shop", OLDER).unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        server
            .sql("", "CREATE DATABASE live CHARACTER SET latin2")
            .unwrap();
        let mut adding = Restoring::of(&server, &report, dumping.sink.source(), &[], RestoreMode::Into);
        adding.request.objects = ObjectChoice::parse(&[], &["sale"]).unwrap();
        adding.request.into = Some("live".to_owned());
        adding.run().await.unwrap();
        let set =
            "SELECT default_character_set_name FROM information_schema.schemata WHERE schema_name = 'live'";
        assert_eq!(server.sql("", set).unwrap(), "latin2", "{version:?}");
        server.sql("live", "UPDATE sale SET id = 4").unwrap();
        assert_eq!(server.sql("live", "SELECT id FROM sale").unwrap(), "8");
    }
}
