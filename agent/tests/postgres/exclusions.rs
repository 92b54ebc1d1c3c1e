//! Tables and rows that a job leaves out: what remains comes back, whatever referred to what is gone.

use dataguardian_agent::engines::postgres::{DumpReport, RestoreMode};
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_tests::postgres::{Postgres, Version};

use crate::setup::{Dumping, Restoring};

const SHOP: &str = "
    CREATE SCHEMA audit; CREATE SCHEMA tmp;
    CREATE TABLE item (id serial PRIMARY KEY, name text);
    INSERT INTO item (name) VALUES ('a'), ('b');
    CREATE TABLE customer (id int PRIMARY KEY, name text);
    INSERT INTO customer VALUES (1, 'x'), (2, 'y');
    CREATE TABLE sale (id int PRIMARY KEY, item int REFERENCES item, customer int REFERENCES customer, at date)
        PARTITION BY RANGE (id);
    CREATE TABLE sale_1 PARTITION OF sale FOR VALUES FROM (0) TO (100);
    CREATE TABLE sale_2 PARTITION OF sale FOR VALUES FROM (100) TO (200);
    COMMENT ON CONSTRAINT sale_customer_fkey ON sale IS 'who bought';
    INSERT INTO sale SELECT n, n % 2 + 1, n % 2 + 1, '2026-01-01' FROM generate_series(1, 150) n;
    CREATE TABLE note (sale int REFERENCES sale, text text);
    INSERT INTO note VALUES (1, 'first'), (120, 'second');
    CREATE TABLE audit.log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text) PARTITION BY HASH (id);
    CREATE TABLE audit.log_0 PARTITION OF audit.log FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE audit.log_1 PARTITION OF audit.log FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    INSERT INTO audit.log (what) SELECT 'secret' FROM generate_series(1, 50);
    CREATE TABLE audit.seen (id serial PRIMARY KEY, n int);
    INSERT INTO audit.seen (n) VALUES (1), (2);
    CREATE VIEW newest AS SELECT max(n) AS n FROM audit.seen;
    CREATE VIEW sums AS SELECT sum(n) FROM newest;
    CREATE TABLE tmp.scratch (id serial, payload text DEFAULT repeat('x', 5000));
    INSERT INTO tmp.scratch DEFAULT VALUES;
    CREATE TABLE tmp.row_type (a int, b int);
    CREATE FUNCTION of_row(tmp.row_type) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE MATERIALIZED VIEW tmp.cached AS SELECT count(*) FROM tmp.scratch;
    CREATE TABLE tmp.stamps (made date); INSERT INTO tmp.stamps VALUES ('2026-01-01');
    CREATE TABLE stamped (id int) INHERITS (tmp.stamps); INSERT INTO stamped VALUES ('2026-01-02', 1);
    CREATE PUBLICATION everything FOR TABLE tmp.scratch, item;";

async fn dumped(server: &Postgres, tables: &[&str], rows: &[&str]) -> (Dumping, DumpReport) {
    let owned = |texts: &[&str]| texts.iter().map(ToString::to_string).collect();
    let mut dumping = Dumping::of(server, &["shop"]);
    dumping.request.options.exclude_tables = owned(tables);
    dumping.request.options.exclude_table_data = owned(rows);
    let report = dumping.run().await.unwrap();
    dumping.assert_nothing_left(server);
    (dumping, report)
}

fn messages(report: &DumpReport) -> Vec<&str> {
    let told = report.warnings.iter().map(|warning| warning.message.as_str());
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_takes_along_what_belongs_to_it_and_nothing_else() {
    for version in Version::ALL {
        let server = Postgres::start(version).unwrap();
        server.create_database("shop").unwrap();
        server.psql("shop", SHOP).unwrap();
        let (dumping, report) =
            dumped(&server, &["audit.*", "tmp.*"], &["customer", "sale", "audit.lgo"]).await;
        assert_eq!(
            messages(&report),
            [
                "left out, as the job says: the tables audit.log, audit.log_0, audit.log_1, audit.log_id_seq, tmp.cached and 2 more; \
                 the rows of audit.seen, public.customer, public.sale, public.sale_1, public.sale_2 and 2 more",
                "audit.seen is not left out, though without rows, since rule _RETURN on view public.newest needs it",
                "tmp.row_type is not left out, though without rows, since function public.of_row(tmp.row_type) needs it",
                "tmp.stamps is not left out, though without rows, since table public.stamped needs it",
                "audit.seen_id_seq is not left out, since default value for column id of table audit.seen needs it",
                "what refers to what is left out is left out too: foreign key note_sale_fkey of public.note to public.sale, \
                 tmp.scratch in publication everything",
                "nothing matches what the job says to leave out: audit.lgo",
            ],
            "{version}"
        );
        for (name, jobs) in [("parallel", 2), ("alone", 1)] {
            let mode = RestoreMode::CreateNew;
            let names = [("shop", name)];
            let mut restoring = Restoring::of(&server, &report, dumping.sink.source(), &names, mode);
            restoring.request.jobs = jobs;
            restoring.run().await.unwrap();
            let ask = |sql: &str| server.psql(name, sql).unwrap();
            assert_eq!(
                ask("SELECT string_agg(oid::regclass::text, ' ' ORDER BY oid::regclass::text) FROM pg_class
                    WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND relnamespace::regnamespace::text !~ '^pg_|^info'"),
                "audit.seen audit.seen_id_seq customer item item_id_seq newest note sale sale_1 sale_2 stamped sums \
                 tmp.row_type tmp.stamps",
                "{version}"
            );
            assert_eq!(ask("SELECT count(*) FROM item"), "2");
            assert_eq!(ask("SELECT count(*) FROM note"), "2");
            assert_eq!(ask("SELECT made FROM tmp.stamps"), "2026-01-02");
            for empty in ["customer", "sale", "audit.seen", "tmp.row_type"] {
                assert_eq!(ask(&format!("SELECT count(*) FROM {empty}")), "0", "{empty}");
            }
            assert_eq!(
                ask(
                    "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint
                    WHERE contype = 'f' AND conparentid = 0"
                ),
                "sale_customer_fkey sale_item_fkey"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_key_to_left_out_rows_goes_with_its_comment() {
    let server = Postgres::start(Version::V16).unwrap();
    server.create_database("shop").unwrap();
    server.psql("shop", SHOP).unwrap();
    let (dumping, report) = dumped(&server, &[], &["customer", "sale_2"]).await;
    assert_eq!(
        messages(&report)[1],
        "what refers to what is left out is left out too: foreign key note_sale_fkey of public.note to public.sale, \
         foreign key sale_customer_fkey of public.sale to public.customer"
    );
    for (name, parts) in [("all", vec![]), ("part", vec!["public"])] {
        let mode = RestoreMode::CreateNew;
        let names = [("shop", name)];
        let mut restoring = Restoring::of(&server, &report, dumping.sink.source(), &names, mode);
        restoring.request.objects = ObjectChoice::parse(&parts, &[]).unwrap();
        restoring.run().await.unwrap();
        let ask = |sql: &str| server.psql(name, sql).unwrap();
        assert_eq!(ask("SELECT count(*) FROM sale"), "99");
        assert_eq!(
            ask(
                "SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint
                WHERE contype = 'f' AND conparentid = 0"
            ),
            "sale_item_fkey"
        );
    }
}
