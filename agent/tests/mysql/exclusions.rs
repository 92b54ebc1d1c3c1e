//! Tables and rows that a job leaves out: what remains comes back, whatever referred to what is gone.

use dataguardian_agent::engines::restore::RestoreMode;
use dataguardian_tests::mysql::{MySql, Version};

use crate::setup::{Dumping, Restoring};

const SHOP: &str = "
    CREATE TABLE customer (id int PRIMARY KEY, name varchar(20));
    INSERT INTO customer VALUES (1, 'x');
    CREATE TABLE sale (id int PRIMARY KEY, customer int, CONSTRAINT who FOREIGN KEY (customer) REFERENCES customer (id));
    INSERT INTO sale VALUES (1, 1), (2, 1);
    CREATE TABLE audit_log (id int PRIMARY KEY, what text);
    INSERT INTO audit_log VALUES (1, 'secret');
    CREATE TRIGGER logged BEFORE INSERT ON audit_log FOR EACH ROW SET NEW.what = 'logged';
    CREATE TABLE audit_seen (id int PRIMARY KEY);
    INSERT INTO audit_seen VALUES (1);
    CREATE VIEW newest AS SELECT MAX(id) AS id FROM audit_seen;
    CREATE VIEW audit_all AS SELECT * FROM audit_log;";

#[tokio::test]
async fn what_is_left_out_is_gone_and_the_rest_comes_back() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.create_database("shop").unwrap();
        server.sql("shop", SHOP).unwrap();
        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.options.exclude_tables = vec!["shop.audit_*".into()];
        dumping.request.options.exclude_table_data = vec!["customer".into(), "costumer".into()];
        let report = dumping.run().await.unwrap();
        let told: Vec<&str> = report
            .warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        assert_eq!(
            told,
            [
                "left out, as the job says: the tables audit_all, audit_log; the rows of audit_seen, customer",
                "audit_seen is not left out, though without rows, since shop.newest needs it",
                "nothing matches what the job says to leave out: costumer",
                "foreign keys to what is left out stay, and no restore checks them: who of shop.sale to shop.customer",
            ],
            "{version}"
        );
        let names = [("shop", "copy")];
        Restoring::of(
            &server,
            &report,
            dumping.sink.source(),
            &names,
            RestoreMode::CreateNew,
        )
        .run()
        .await
        .unwrap();
        let tables = "SELECT GROUP_CONCAT(table_name ORDER BY table_name) FROM information_schema.tables
            WHERE table_schema = 'copy'";
        assert_eq!(
            server.sql("", tables).unwrap(),
            "audit_seen,customer,newest,sale",
            "{version}"
        );
        let counts = "SELECT (SELECT COUNT(*) FROM sale), (SELECT COUNT(*) FROM customer), (SELECT COUNT(*) FROM audit_seen)";
        assert_eq!(server.sql("copy", counts).unwrap(), "2\t0\t0", "{version}");
    }
}
