//! What is stored already is not stored again: by the next backup, and by the attempt after one that was killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use dataguardian_failpoints::Point;
use dataguardian_tests::compare::{Comparison, Database};
use dataguardian_tests::mysql::{self, MySql, compare};
use dataguardian_tests::next_day;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::system::{AGENT, STORAGE, System, files};
use dataguardian_tests::wait;
use serde_json::Value;

/// Clean-up at once, and without a grace worth the name.
const EAGER: &str = "[cleanup]\ngrace_seconds = 1\ninterval_seconds = 1\n";

/// Orders of the shop: enough for a stream of several lists.
const ORDERS: u64 = 120_000;

/// The newest backup.
fn latest(system: &System) -> Result<Value> {
    let found = system.json(&["backup", "get", "latest", "--datasource", "main"])?;
    Ok(found["backup"].clone())
}

fn number(of: &Value, field: &str) -> u64 {
    let text = of[field].as_str().unwrap_or("0");
    text.parse().unwrap_or(0)
}

fn back_up(system: &System) -> Result<Value> {
    system.run_job("main").succeed()?;
    latest(system)
}

/// The second backup stored less than 5 % of what the first one did, and says what it found.
fn stored_little(first: &Value, second: &Value) -> Result<()> {
    let (before, after) = (number(first, "storedBytes"), number(second, "storedBytes"));
    println!(
        "stored {before}, then {after}; of {} raw",
        number(second, "rawBytes")
    );
    ensure!(after * 20 < before, "{before} bytes, then {after}");
    let (raw, reused) = (number(second, "rawBytes"), number(second, "reusedBytes"));
    ensure!(reused <= raw && reused * 10 > raw * 9, "{reused} of {raw}");
    ensure!(second["baseBackupId"] == first["id"], "{second:#}");
    Ok(())
}

struct Shop {
    server: Postgres,
    system: System,
}

impl Shop {
    fn open(orders: u64) -> Result<Self> {
        let server = Postgres::start(Version::V16)?;
        load_bulk(&server, "shop", orders)?;
        let system = System::start()?;
        system.add_datasource("main", &server, &["shop"])?;
        system.add_job("main", &[])?;
        Ok(Self { server, system })
    }

    /// One recent row in a hundred is changed.
    fn change(&self) -> Result<()> {
        self.server.psql(
            "shop",
            &format!(
                "update shop.purchase set total = total + 1 where id > {}; refresh materialized view shop.by_month",
                ORDERS - ORDERS / 100
            ),
        )?;
        Ok(())
    }

    async fn comes_back(&self, name: &str) -> Result<()> {
        let mapping = format!("shop={name}");
        self.system
            .restore_latest("main", &["--database", &mapping])
            .succeed()?;
        let databases = (
            Database::of(&self.server, "shop"),
            Database::of(&self.server, name),
        );
        let report = Comparison::new(databases.0, databases.1).run().await?;
        report.equal().map(|_| ())
    }

    fn objects(&self, kind: &str) -> Result<Vec<PathBuf>> {
        let all = files(&self.system.vault())?;
        let of = |path: &PathBuf| {
            path.components()
                .any(|part| part.as_os_str().to_str() == Some(kind))
        };
        Ok(all.into_iter().filter(of).collect())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backup_of_postgres_stores_what_changed() -> Result<()> {
    let shop = Shop::open(ORDERS)?;
    let first = back_up(&shop.system)?;
    ensure!(
        first["baseBackupId"].is_null() || first["baseBackupId"] == "",
        "{first:#}"
    );
    shop.change()?;
    let second = back_up(&shop.system)?;
    stored_little(&first, &second)?;
    shop.comes_back("restored").await?;
    let system = &shop.system;
    let listed = system.dgctl(&["backup", "list"]).succeed()?.stdout;
    ensure!(listed.contains("REUSED"), "{listed}");
    let shown = system
        .dgctl(&["backup", "get", "latest", "--datasource", "main"])
        .succeed()?
        .stdout;
    ensure!(
        shown.contains("Reused") && shown.contains("% of raw") && shown.contains("content-defined"),
        "{shown}"
    );
    let execution = second["executionId"].as_str().context("an execution")?;
    let shown = system.dgctl(&["execution", "get", execution]).succeed()?.stdout;
    ensure!(shown.contains("Reused"), "{shown}");
    let log = system.dgctl(&["execution", "logs", execution]).succeed()?.stdout;
    ensure!(
        log.contains("looking for what did not change since backup"),
        "{log}"
    );
    system.check_invariants()
}

fn next_of_mysql(version: mysql::Version) -> Result<()> {
    let server = MySql::start(version)?;
    server.load_sample("shop")?;
    let mut sql = "CREATE TABLE zz_rows (id int PRIMARY KEY, v varchar(400));".to_owned();
    sql += "INSERT INTO zz_rows VALUES (1, SHA2('1', 512));";
    for doubling in 0..17 {
        let step = 1 << doubling;
        sql += &format!(
            "INSERT INTO zz_rows SELECT id + {step}, CONCAT(SHA2(id + {step}, 512), SHA2(-id - {step}, 512)) FROM zz_rows;"
        );
    }
    server.sql("shop", &sql)?;
    let system = System::start()?;
    system.add_mysql("main", &server, "root", &["shop"])?;
    system.add_job("main", &[])?;
    let first = back_up(&system)?;
    server.sql(
        "shop",
        "UPDATE zz_rows SET v = SHA2(v, 512) WHERE id > 131072 - 1311",
    )?;
    let second = back_up(&system)?;
    stored_little(&first, &second)?;
    system
        .restore_latest("main", &["--database", "shop=restored"])
        .succeed()?;
    compare::equal((&server, "shop"), (&server, "restored"))?;
    system.check_invariants()
}

#[test]
fn the_next_backup_of_mariadb_stores_what_changed() -> Result<()> {
    next_of_mysql(mysql::Version::MariaDb11)
}

#[test]
fn the_next_backup_of_mysql_stores_what_changed() -> Result<()> {
    next_of_mysql(mysql::Version::MySql9)
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_what_was_stored_spoils_no_later_backup() -> Result<()> {
    let shop = Shop::open(ORDERS)?;
    back_up(&shop.system)?;
    // A list with a bit turned, a pack that is cut off.
    let list = shop.objects("lists")?.into_iter().next().context("a list")?;
    let mut bytes = fs::read(&list)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&list, bytes)?;
    let packs = shop.objects("packs")?;
    let pack = packs
        .iter()
        .max_by_key(|pack| fs::metadata(pack).map_or(0, |found| found.len()))
        .context("a pack")?;
    let bytes = fs::read(pack)?;
    fs::write(pack, &bytes[..bytes.len() / 2])?;
    shop.change()?;
    let second = back_up(&shop.system)?;
    let execution = second["executionId"].as_str().context("an execution")?;
    let log = shop
        .system
        .dgctl(&["execution", "logs", execution])
        .succeed()?
        .stdout;
    ensure!(log.contains("are not in the storage as they should be"), "{log}");
    shop.comes_back("restored").await?;
    // The next one builds upon the good one.
    let third = back_up(&shop.system)?;
    ensure!(
        number(&third, "storedBytes") * 10 < number(&third, "rawBytes"),
        "{third:#}"
    );
    shop.comes_back("again").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_deleted_in_between_is_done_without() -> Result<()> {
    let shop = Shop::open(ORDERS / 4)?;
    let first = back_up(&shop.system)?;
    let manifest = shop
        .system
        .manifests()?
        .into_iter()
        .next()
        .context("a manifest")?;
    fs::remove_file(manifest)?;
    for list in shop.objects("lists")? {
        fs::remove_file(list)?;
    }
    for pack in shop.objects("packs")? {
        fs::remove_file(pack)?;
    }
    let second = back_up(&shop.system)?;
    ensure!(
        number(&second, "storedBytes") * 10 > number(&first, "storedBytes") * 9,
        "{second:#}"
    );
    let execution = second["executionId"].as_str().context("an execution")?;
    let log = shop
        .system
        .dgctl(&["execution", "logs", execution])
        .succeed()?
        .stdout;
    ensure!(log.contains("can't be built upon"), "{log}");
    shop.comes_back("restored").await
}

/// While a backup is under way nothing goes that it may refer to: neither its base nor any pack, however long nobody needs it.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_backup_under_way_builds_upon_stays() -> Result<()> {
    let mut shop = Shop::open(ORDERS / 4)?;
    let cut = |how| {
        shop.system
            .dgctl(&["job", "update", "main", "--chunking", how])
            .succeed()
    };
    cut("stream")?;
    let oldest = back_up(&shop.system)?;
    let oldest = oldest["id"].as_str().context("an id")?.to_owned();
    cut("content-defined")?;
    let base = back_up(&shop.system)?;
    let base = base["id"].as_str().context("an id")?.to_owned();
    let system = &mut shop.system;
    system.control_plane.start_again_with(EAGER)?;
    let hold = system.folder().join("held");
    system.agent.program().stop()?;
    system
        .agent
        .start_armed(&format!("{}=hang:{}", Point::CompleteBeforeSend, hold.display()))?;
    system.wait_for_agent(AGENT)?;
    let system = &shop.system;
    shop.server
        .psql("shop", "update shop.purchase set note = 'later' where id < 100")?;
    let execution = system.start_job("main")?;
    wait::until("the backup to be held", || Ok(hold.exists()))?;
    let refused = system.dgctl(&["backup", "delete", &base, "--last", "--yes"]);
    ensure!(
        refused.stderr.contains("BACKUP_IN_USE") && refused.stderr.contains(&execution),
        "{refused:?}"
    );
    let objects = |kinds: [&str; 2]| -> Result<BTreeSet<PathBuf>> {
        let [packs, lists] = kinds.map(|kind| shop.objects(kind));
        Ok(packs?.into_iter().chain(lists?).collect())
    };
    let before = objects(["packs", "lists"])?;
    system.dgctl(&["backup", "delete", &oldest, "--yes"]).succeed()?;
    wait::until("the older backup to be gone", || {
        let shown = system.dgctl(&["backup", "get", &oldest]);
        Ok(shown.stderr.contains("BACKUP_NOT_FOUND"))
    })?;
    for _ in 0..3 {
        let cleaned = system.json(&["system", "garbage", "run"])?;
        let why = cleaned["datasources"][0]["heldBy"].as_str().unwrap_or_default();
        ensure!(why.contains("backup"), "{cleaned:#}");
    }
    ensure!(before.is_subset(&objects(["packs", "lists"])?), "something went");
    fs::remove_file(&hold)?;
    let ended = system.wait_for_state(&execution, "completed")?;
    ensure!(ended["attempt"] == 1, "{ended:#}");
    ensure!(
        latest(system)?["baseBackupId"] == base.as_str(),
        "it was built on another"
    );
    wait::until("what the older backup alone needed to go", || {
        Ok(!before.is_subset(&objects(["packs", "lists"])?))
    })?;
    system.dgctl(&["backup", "delete", &base, "--yes"]).succeed()?;
    wait::until("its base to be gone", || {
        let shown = system.dgctl(&["backup", "get", &base]);
        Ok(shown.stderr.contains("BACKUP_NOT_FOUND"))
    })?;
    shop.comes_back("restored").await?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_killed_is_gone_on_with() -> Result<()> {
    // Two packs under way, which nobody was told of, are a tenth of it.
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    server.psql(
        "shop",
        "create table scan as select g as id, (select string_agg(sha512(int8send(g * 1000 + n)), '') \
         from generate_series(1, 256) n) as content from generate_series(1::bigint, 24000) g",
    )?;
    let mut system = System::start()?;
    for name in ["measured", "main"] {
        system.add_datasource(name, &server, &["shop"])?;
        system.add_job(name, &["--max-attempts", "3"])?;
    }
    system.run_job("measured").succeed()?;
    let found = system.json(&["backup", "get", "latest", "--datasource", "measured"])?;
    let whole = number(&found["backup"], "storedBytes");
    let packs = system.vault().join(system.datasource_id("main")?).join("packs");
    let stored = || -> u64 {
        let all = files(&packs).unwrap_or_default();
        let is_whole = |path: &&PathBuf| !path.to_string_lossy().contains('#');
        let sizes = all.iter().filter(is_whole);
        sizes
            .filter_map(|path| Some(fs::metadata(path).ok()?.len()))
            .sum()
    };
    let id = system.start_job("main")?;
    wait::until("four fifths to be stored", || Ok(stored() * 5 >= whole * 4))?;
    system.agent.program().kill9()?;
    let at_kill = stored();
    system.agent.start_again()?;
    system.wait_for_agent(AGENT)?;
    // The pause before another attempt may take a minute.
    wait::until_within(4 * wait::PATIENCE, "the second attempt", || {
        Ok(system.execution(&id)?["attempt"] == 2)
    })?;
    let ended = system.wait_for_state(&id, "completed")?;
    ensure!(ended["attempt"] == 2, "{ended:#}");
    let backup = latest(&system)?;
    let anew = number(&backup, "storedBytes");
    println!("of {whole} bytes {at_kill} were stored at the kill, and {anew} after it");
    ensure!(anew * 10 < whole * 3, "{anew} of {whole}");
    system
        .restore_latest("main", &["--database", "shop=restored"])
        .succeed()?;
    let databases = (Database::of(&server, "shop"), Database::of(&server, "restored"));
    let report = Comparison::new(databases.0, databases.1).run().await?;
    report.equal()?;
    system.check_invariants()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_lacks_the_base_gets_its_copy_later() -> Result<()> {
    let shop = Shop::open(ORDERS / 4)?;
    let system = &shop.system;
    let first = back_up(system)?;
    system.add_storage("attic", &system.folder().join("attic"))?;
    let words = [
        "--storage",
        STORAGE,
        "--storage",
        "attic",
        "--strategy",
        "replicate",
    ];
    system
        .dgctl(&[&["job", "update", "main"][..], &words].concat())
        .succeed()?;
    let second = back_up(system)?;
    ensure!(
        number(&second, "storedBytes") * 20 < number(&first, "storedBytes"),
        "{second:#}"
    );
    wait::until("the copy to be made", || {
        let copies = latest(system)?["copies"].as_array().cloned().unwrap_or_default();
        Ok(copies.len() == 2 && copies.iter().all(|copy| copy["complete"] == true))
    })?;
    fs::rename(system.vault(), system.folder().join("away"))?;
    shop.comes_back("restored").await?;
    fs::rename(system.folder().join("away"), system.vault())?;
    system.check_invariants()
}

#[test]
fn where_nothing_repeats_nothing_is_looked_for_until_it_is_tried_again() -> Result<()> {
    let server = Postgres::start(Version::V16)?;
    server.create_database("shop")?;
    let renew = "drop table if exists noise; create table noise as select random() as a, md5(random()::text) as b \
                 from generate_series(1, 60000)";
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;
    let next = || -> Result<Value> { Ok(system.json(&["job", "get", "main"])?["job"].clone()) };
    let mut cut = Vec::new();
    for _ in 0..5 {
        server.psql("shop", renew)?;
        let backup = back_up(&system)?;
        // A base is shown if something of it was used: the schema's few chunks may be the same still.
        let base = backup["baseBackupId"].as_str().unwrap_or_default();
        ensure!(
            base.is_empty() || number(&backup, "reusedBytes") > 0,
            "{backup:#}"
        );
        cut.push(backup["chunking"].as_str().unwrap_or_default().to_owned());
    }
    let expected = [&["CHUNKING_CONTENT_DEFINED"; 4][..], &["CHUNKING_STREAM"]].concat();
    ensure!(cut == expected, "{cut:?}");
    let job = next()?;
    ensure!(
        job["nextChunking"] == "CHUNKING_STREAM"
            && job["nextChunkingReason"] == "CHUNKING_REASON_LITTLE_REUSE",
        "{job:#}"
    );
    let shown = system.dgctl(&["job", "get", "main"]).succeed()?.stdout;
    ensure!(shown.contains("stream: less than 20 %"), "{shown}");
    let execution = latest(&system)?["executionId"]
        .as_str()
        .context("an id")?
        .to_owned();
    let log = system.dgctl(&["execution", "logs", &execution]).succeed()?.stdout;
    ensure!(log.contains("less than 20 %"), "{log}");
    // A person has the last word.
    system
        .dgctl(&["job", "update", "main", "--chunking", "content-defined"])
        .succeed()?;
    let backup = back_up(&system)?;
    ensure!(backup["chunking"] == "CHUNKING_CONTENT_DEFINED", "{backup:#}");
    system
        .dgctl(&["job", "update", "main", "--chunking", "stream"])
        .succeed()?;
    ensure!(next()?["nextChunkingReason"] == "CHUNKING_REASON_JOB");
    system.restore_latest("main", &["--scratch"]).succeed()?;
    system.check_invariants()
}

/// Rows that change all over a wide table are what reuse is worst at; restic reads the same two dumps in the same run.
#[test]
fn the_next_day_adds_at_most_half_of_what_it_adds_to_restic() -> Result<()> {
    let figures = next_day::measure()?;
    println!("{figures:#?}");
    ensure!(figures.restic_next > 1 << 20, "{figures:#?}");
    ensure!(figures.ours_next * 2 <= figures.restic_next, "{figures:#?}");
    Ok(())
}
