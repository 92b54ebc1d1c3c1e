//! A dump of a hot standby.

use dataguardian_agent::engines::postgres::RestoreMode;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::wait;

use crate::setup::{Dumping, Restoring};

const SHOP: &str = "CREATE TABLE item (id serial PRIMARY KEY, name text);
    INSERT INTO item (name) SELECT 'item ' || n FROM generate_series(1, 1000) n;
    CREATE UNLOGGED TABLE seen (id int); INSERT INTO seen VALUES (1);
    SELECT lo_from_bytea(0, 'large');";

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_dumped_as_its_primary_would_be_but_for_unlogged_rows() {
    for version in Version::ALL {
        let primary = Postgres::start(version).unwrap();
        primary.create_database("shop").unwrap();
        let standby = Postgres::builder(version).standby_of(&primary).start().unwrap();
        primary.psql("shop", SHOP).unwrap();
        wait::until("the standby to catch up", || {
            let there = "SELECT count(*) FROM pg_largeobject_metadata";
            Ok(standby.psql("shop", there)? == "1")
        })
        .unwrap();
        let mut dumping = Dumping::of(&standby, &["shop"]);
        dumping.request.options.connections = 2;
        let report = dumping.run().await.unwrap();
        dumping.assert_nothing_left(&standby);
        let told: Vec<&str> = report
            .warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        assert_eq!(
            told,
            ["the rows of unlogged tables are left out: a standby does not have them: public.seen"],
            "{version}"
        );
        let names = [("shop", "copy")];
        Restoring::of(
            &primary,
            &report,
            dumping.sink.source(),
            &names,
            RestoreMode::CreateNew,
        )
        .run()
        .await
        .unwrap();
        // A standby knows of a sequence that the primary may have gone up to 32 further: nothing is given out twice.
        let rows =
            "SELECT md5(string_agg(i::text, ',' ORDER BY id)), nextval('item_id_seq') > 1000 FROM item i";
        assert_eq!(
            primary.psql("copy", rows).unwrap(),
            primary.psql("shop", rows).unwrap()
        );
        let large = "SELECT convert_from(lo_get(oid), 'UTF8') FROM pg_largeobject_metadata";
        assert_eq!(primary.psql("copy", large).unwrap(), "large");
    }
}
