//! Restores of parts: a schema, a table, with what belongs to it.

use std::sync::Arc;

use dataguardian_agent::engines::postgres::{DumpReport, RestoreMode, RestoreReport};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::wait;

use crate::setup::{Dumping, Restoring};
use crate::streams::MemorySource;

const SHOP: &str = include_str!("../../../tests/sql/parts.sql");

struct Shop {
    server: Postgres,
    report: DumpReport,
    source: Arc<MemorySource>,
}

impl Shop {
    async fn dumped(version: Version) -> Self {
        Self::dumped_with(version, "").await
    }

    /// With more in it.
    async fn dumped_with(version: Version, sql: &str) -> Self {
        let server = Postgres::start(version).unwrap();
        for database in ["shop", "crm"] {
            server.create_database(database).unwrap();
        }
        server.psql("shop", SHOP).unwrap();
        server.psql("shop", sql).unwrap();
        server
            .psql("crm", "CREATE TABLE people AS SELECT 1 AS id")
            .unwrap();
        let dumping = Dumping::of(&server, &["crm", "shop"]);
        let report = dumping.run().await.unwrap();
        let source = dumping.sink.source();
        Self {
            server,
            report,
            source,
        }
    }

    async fn restore(&self, to: &str, schemas: &[&str], tables: &[&str]) -> Result<RestoreReport, Failure> {
        let source = Arc::clone(&self.source);
        let names = [("shop", to)];
        let mode = RestoreMode::CreateNew;
        let mut restoring = Restoring::of(&self.server, &self.report, source, &names, mode);
        restoring.request.objects = ObjectChoice::parse(schemas, tables).unwrap();
        let restored = restoring.run().await;
        assert_eq!(std::fs::read_dir(&restoring.request.work_dir).unwrap().count(), 0);
        restored
    }

    async fn add(
        &self,
        into: &str,
        source: Arc<MemorySource>,
        schemas: &[&str],
        tables: &[&str],
    ) -> Result<RestoreReport, Failure> {
        let mode = RestoreMode::Into;
        let mut restoring = Restoring::of(&self.server, &self.report, source, &[], mode);
        restoring.request.objects = ObjectChoice::parse(schemas, tables).unwrap();
        restoring.request.into = Some(into.to_owned());
        let restored = restoring.run().await;
        // The server takes a moment to see a session off.
        wait::until("sessions to end", || {
            Ok(self.server.server_sessions("dataguardian")? == 0)
        })
        .unwrap();
        restored
    }

    /// What `pg_dump` writes of these tables, for comparison: it is the same in both if all that belongs to them came.
    fn dump_of(&self, database: &str, tables: &[&str]) -> String {
        let connection = self.server.connection();
        let mut command = std::process::Command::new(self.server.bin_dir().join("pg_dump"));
        command
            .arg(format!("--host={}", connection.socket_dir.display()))
            .arg(format!("--port={}", connection.port))
            .arg(format!("--username={}", connection.user))
            .env("PGPASSWORD", &connection.password)
            .args(tables.iter().map(|table| format!("--table={table}")))
            .arg(database);
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let script = String::from_utf8(output.stdout).unwrap();
        script
            .lines()
            .filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn ask(&self, database: &str, sql: &str) -> String {
        self.server.psql(database, sql).unwrap()
    }

    fn relations(&self, database: &str) -> String {
        let sql =
            "SELECT string_agg(n.nspname || '.' || relname, ' ' ORDER BY n.nspname, relname) FROM pg_class c
            JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'S')
            AND nspname !~ '^pg_|information_schema'";
        self.ask(database, sql)
    }
}

/// What the restore told, but for what it tells wherever there are large objects.
fn messages(report: &RestoreReport) -> Vec<&str> {
    let (large_objects, others): (Vec<&str>, Vec<&str>) = report
        .warnings
        .iter()
        .map(|warning| warning.message.as_str())
        .partition(|message| message.starts_with("large objects belong to no table"));
    assert_eq!(large_objects.len(), 1);
    others
}

#[tokio::test(flavor = "multi_thread")]
async fn one_table_comes_with_all_that_belongs_to_it() {
    for version in Version::ALL {
        let shop = Shop::dumped(version).await;
        let report = shop.restore("one", &[], &["sales.sale"]).await.unwrap();
        assert_eq!(shop.relations("one"), "sales.sale sales.sale_id_seq");
        assert_eq!(report.databases.len(), 1, "{:?}", report.databases);
        assert_eq!(
            messages(&report),
            [
                "foreign key sale_item_fkey of table sales.sale is left out, since it refers to sales.item, which is not restored",
                "policy only_items of table sales.sale is left out, since it refers to sales.item, which is not restored: rows that only it shows stay hidden",
            ]
        );
        let lost =
            "ALTER TABLE sales.sale DROP CONSTRAINT sale_item_fkey; DROP POLICY only_items ON sales.sale";
        shop.ask("shop", lost);
        assert_eq!(
            shop.dump_of("one", &["sales.sale"]),
            shop.dump_of("shop", &["sales.sale"])
        );
        assert_eq!(
            shop.ask("one", "SELECT has_schema_privilege('clerk', 'sales', 'usage')"),
            "t"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_refer_to_each_other_keep_their_keys() {
    let shop = Shop::dumped(Version::V18).await;
    let report = shop.restore("two", &[], &["sale", "item"]).await.unwrap();
    assert_eq!(messages(&report), Vec::<&str>::new());
    let both = ["sales.sale", "sales.item"];
    assert_eq!(shop.dump_of("two", &both), shop.dump_of("shop", &both));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_comes_with_its_partitions_and_a_partition_alone() {
    for version in Version::ALL {
        let shop = Shop::dumped(version).await;
        let report = shop.restore("whole", &[], &["sales.visit"]).await.unwrap();
        assert_eq!(messages(&report), Vec::<&str>::new());
        let all = ["sales.visit", "sales.visit_*"];
        assert_eq!(shop.dump_of("whole", &all), shop.dump_of("shop", &all));
        assert_eq!(shop.ask("whole", "SELECT count(*) FROM sales.visit"), "20");
        let report = shop.restore("leaf", &[], &["visit_10"]).await.unwrap();
        assert_eq!(shop.relations("leaf"), "sales.visit_10");
        assert_eq!(shop.ask("leaf", "SELECT count(*) FROM sales.visit_10"), "5");
        assert_eq!(
            messages(&report),
            [
                "sales.visit_10 becomes a table of its own: sales.visit_high, whose partition it is, is not restored"
            ]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_comes_whole_and_tables_elsewhere_that_it_needs_without_rows() {
    let shop = Shop::dumped(Version::V16).await;
    let report = shop.restore("sales", &["sales"], &[]).await.unwrap();
    assert_eq!(messages(&report), Vec::<&str>::new());
    let all = ["sales.*"];
    assert_eq!(shop.dump_of("sales", &all), shop.dump_of("shop", &all));
    assert_eq!(shop.ask("sales", "SELECT count(*) FROM sales.totals"), "3");

    let report = shop.restore("odd", &["\"Odd schema\""], &[]).await.unwrap();
    let expected = "table sales.item is restored without its rows, since ";
    let told = |message: &&str| message.starts_with(expected);
    assert!(messages(&report).iter().any(told), "{:?}", report.warnings);
    assert_eq!(shop.ask("odd", "SELECT count(*) FROM sales.item"), "0");
    assert_eq!(
        shop.ask("odd", "SELECT count(*) FROM \"Odd schema\".\"a.b \"\"c\"\"\""),
        "1"
    );
    assert!(
        shop.ask(
            "odd",
            "SELECT relispopulated FROM pg_class WHERE relname = 'names'"
        ) == "f"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_and_patterns_find_what_they_name() {
    let shop = Shop::dumped(Version::V18).await;
    shop.restore("odd", &[], &["shop.\"Odd schema\".\"a.b \"\"c\"\"\"", "*.it*"])
        .await
        .unwrap();
    assert_eq!(
        shop.ask("odd", "SELECT count(*) FROM \"Odd schema\".\"a.b \"\"c\"\"\""),
        "1"
    );
    assert_eq!(shop.ask("odd", "SELECT count(*) FROM sales.item"), "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_the_backup_is_refused_before_anything_is_touched() {
    let shop = Shop::dumped(Version::V15).await;
    let failure = shop
        .restore("never", &["sale"], &["sales.itme"])
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::ChoiceUnfit);
    assert_eq!(
        failure.message,
        "the backup has no schema sale in crm, shop; near it: sales; the backup has no table sales.itme in crm, shop; near it: sales.item"
    );
    let there = "SELECT count(*) FROM pg_database WHERE datname LIKE 'never%'";
    assert_eq!(shop.ask("postgres", there), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_added_to_the_live_database_that_lost_it() {
    for version in Version::ALL {
        let shop = Shop::dumped(version).await;
        shop.ask("shop", "ALTER TABLE sales.sale DROP CONSTRAINT sale_item_fkey");
        let before = shop.dump_of("shop", &["sales.*"]);
        shop.ask("shop", "DROP TABLE sales.sale CASCADE");
        shop.ask(
            "shop",
            "COMMENT ON SCHEMA sales IS 'said since'; INSERT INTO sales.item VALUES (9, 'since')",
        );
        let report = shop
            .add("shop", Arc::clone(&shop.source), &[], &["sales.sale"])
            .await
            .unwrap();
        let told = messages(&report);
        assert!(
            told.contains(&"function sales.watch() is in shop already and is used as it is there"),
            "{told:?}"
        );
        assert_eq!(
            shop.ask("shop", "SELECT count(*), max(id) FROM sales.sale"),
            "100|100"
        );
        assert_eq!(shop.ask("shop", "SELECT nextval('sales.sale_id_seq')"), "101");
        shop.ask(
            "shop",
            "DELETE FROM sales.item WHERE id = 9; SELECT setval('sales.sale_id_seq', 100)",
        );
        assert_eq!(
            shop.ask("shop", "SELECT obj_description('sales'::regnamespace)"),
            "said since"
        );
        shop.ask("shop", "CREATE VIEW sales.named AS SELECT sale.id, name FROM sales.sale JOIN sales.item ON item.id = item");
        let lacking =
            "CREATE MATERIALIZED VIEW sales.totals AS SELECT name, count(*) FROM sales.named GROUP BY name";
        shop.ask(
            "shop",
            &format!("{lacking}; CREATE UNIQUE INDEX totals_name ON sales.totals (name)"),
        );
        assert_eq!(shop.dump_of("shop", &["sales.*"]), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_without_which_more_rows_would_be_seen_is_never_left_out() {
    const OTHERS: &str = "CREATE TABLE public.team (who text); INSERT INTO team VALUES ('clerk'); GRANT SELECT ON team TO clerk;
        CREATE POLICY \"of AS\" ON sales.sale AS RESTRICTIVE USING (current_user IN (SELECT who FROM team));";
    let shop = Shop::dumped_with(Version::V18, OTHERS).await;
    let failure = shop.restore("never", &[], &["sales.sale"]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ChoiceUnfit);
    assert_eq!(
        failure.message,
        "policy of AS of table sales.sale restricts which rows are seen and refers to public.team, which is not restored: without it more \
         would be seen; name public.team too, or add the table to a database that has public.team (--into)"
    );
    assert_eq!(
        shop.ask(
            "postgres",
            "SELECT count(*) FROM pg_database WHERE datname LIKE 'never%'"
        ),
        "0"
    );
    shop.restore("both", &[], &["sales.sale", "team"]).await.unwrap();
    let policies = "SELECT string_agg(polname, ',' ORDER BY polname) FROM pg_policy WHERE NOT polpermissive";
    assert_eq!(shop.ask("both", policies), "of AS");

    // The live database has what the policies refer to: they are made as they were, and filter as they did.
    shop.ask("shop", "DROP TABLE sales.sale CASCADE");
    let source = Arc::clone(&shop.source);
    let report = shop.add("shop", source, &[], &["sales.sale"]).await.unwrap();
    let told = messages(&report);
    assert!(
        told.contains(&"table public.team is in shop already and is used as it is there"),
        "{told:?}"
    );
    assert!(!told.iter().any(|message| message.contains("policy")), "{told:?}");
    let as_clerk = "SET ROLE clerk; SELECT count(*) FROM sales.sale";
    assert!(shop.ask("shop", as_clerk).ends_with("100"));
    shop.ask("shop", "DELETE FROM team");
    assert!(shop.ask("shop", as_clerk).ends_with('0'));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_live_database_has_is_used_and_not_set_back() {
    const OTHERS: &str = "CREATE SEQUENCE public.numbers; CREATE TABLE public.one (id int DEFAULT nextval('numbers'));
        CREATE TABLE public.two (id int DEFAULT nextval('numbers')); INSERT INTO one DEFAULT VALUES; INSERT INTO two DEFAULT VALUES;
        CREATE VIEW public.united AS SELECT id FROM one UNION ALL SELECT id FROM two;
        CREATE MATERIALIZED VIEW public.kept AS SELECT count(*) FROM one;
        CREATE RULE counted AS ON INSERT TO two DO ALSO UPDATE one SET id = id + 1;";
    let shop = Shop::dumped_with(Version::V16, OTHERS).await;
    shop.ask("shop", "SELECT setval('numbers', 50); DROP TABLE two CASCADE; DROP MATERIALIZED VIEW kept; INSERT INTO one VALUES (7)");
    let source = Arc::clone(&shop.source);
    let report = shop
        .add("shop", source, &[], &["two", "united", "kept"])
        .await
        .unwrap();
    let told = messages(&report);
    assert_eq!(
        told,
        [
            "sequence public.numbers is in shop already and is used as it is there",
            "table public.one is in shop already and is used as it is there",
        ]
    );
    assert_eq!(shop.ask("shop", "SELECT nextval('numbers')"), "51");
    assert_eq!(shop.ask("shop", "SELECT count(*) FROM united"), "3");
    assert_eq!(shop.ask("shop", "SELECT count FROM kept"), "2");
    assert_eq!(
        shop.ask("shop", "SELECT count(*) FROM pg_rules WHERE rulename = 'counted'"),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_live_database_is_touched_when_a_name_is_taken_or_something_fails() {
    let shop = Shop::dumped(Version::V18).await;
    let before = shop.dump_of("shop", &["*"]);
    let source = Arc::clone(&shop.source);
    let failure = shop
        .add("shop", source, &[], &["sales.sale", "visit"])
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::NamesTaken);
    for name in [
        "table sales.sale",
        "sequence sales.sale_id_seq",
        "table sales.visit_10",
        "index sales.sale_next",
    ] {
        assert!(failure.message.contains(name), "{failure}");
    }
    let failure = shop
        .add("nowhere", Arc::clone(&shop.source), &[], &["visit"])
        .await
        .unwrap_err();
    assert!(failure.message.contains("no database \"nowhere\""), "{failure}");

    // The rows break off in the middle.
    let visit = shop.source.stored.iter().position(|stream| {
        stream
            .header
            .object
            .as_ref()
            .is_some_and(|object| object.name == "visit_15")
    });
    let broken = MemorySource {
        fail_at: visit,
        ..(*shop.source).clone()
    };
    shop.ask(
        "crm",
        "CREATE SCHEMA sales; CREATE TYPE sales.mood AS ENUM ('own')",
    );
    let crm = shop.dump_of("crm", &["*"]);
    shop.add("crm", Arc::new(broken), &["shop.sales"], &[])
        .await
        .unwrap_err();
    assert_eq!(shop.dump_of("crm", &["*"]), crm);
    assert_eq!(
        shop.ask(
            "crm",
            "SELECT count(*) FROM pg_type WHERE typname IN ('mood', 'amount')"
        ),
        "1"
    );
    assert_eq!(shop.dump_of("shop", &["*"]), before);
}
