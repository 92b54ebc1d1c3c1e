//! The harness's MySQL and MariaDB servers, their sample, and the comparison of two databases.

use anyhow::Result;
use dataguardian_tests::mysql::{MySql, PASSWORD, Version, compare, quoted_name};

#[test]
fn every_version_starts_stops_and_keeps_its_port() -> Result<()> {
    for version in Version::ALL {
        let mut server = MySql::start(version)?;
        let said = server.sql("", "SELECT VERSION()")?;
        assert_eq!(said.contains("MariaDB"), version.is_mariadb(), "{said}");
        server.create_database("shop")?;
        server.sql("shop", "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")?;
        let port = server.port();
        server.kill9();
        server.start_again()?;
        assert_eq!(
            (server.port(), server.sql("shop", "SELECT COUNT(*) FROM t")?),
            (port, "1".to_owned())
        );
        assert!(!server.log()?.contains(PASSWORD));
    }
    Ok(())
}

/// The oracle of all other tests: the programs' own dump, loaded elsewhere, is equal; and the comparison sees what differs.
#[test]
fn a_plain_dump_of_the_sample_is_equal_and_any_change_is_seen() -> Result<()> {
    for version in Version::ALL {
        let server = MySql::start(version)?;
        server.load_sample("shop")?;
        let mut dump = server.command_as("root", "mysqldump")?;
        dump.args([
            "--single-transaction",
            "--routines",
            "--events",
            "--triggers",
            "--hex-blob",
            // MariaDB's own locks would keep a sequence from being used by a column's default.
            "--skip-add-locks",
            "--default-character-set=utf8mb4",
        ]);
        dump.args(if version.is_mariadb() {
            &["--dump-history"][..]
        } else {
            &["--set-gtid-purged=OFF", "--no-tablespaces"][..]
        });
        let output = dump.arg("shop").output()?;
        assert!(
            output.status.success(),
            "{version}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        server.sql("", "CREATE DATABASE copy CHARACTER SET utf8mb4")?;
        // MariaDB's own program names the database of a column's sequence, so that the copy would go on using the original's.
        let script = String::from_utf8(output.stdout)?.replace("nextval(`shop`.", "nextval(");
        server.sql("copy", &script)?;
        compare::equal((&server, "shop"), (&server, "copy"))?;
        for (change, expected) in [
            ("UPDATE bytes SET b = 'ac' WHERE id = 1", "rows of bytes"),
            ("DROP TRIGGER watched_second", "TRIGGER watched_second"),
            ("ALTER TABLE zero_id AUTO_INCREMENT = 100", "TABLE zero_id"),
            ("ALTER EVENT once DISABLE", "EVENT once"),
            ("DROP VIEW a_on_z", "VIEW a_on_z"),
        ] {
            server.sql("copy", change)?;
            let told = compare::equal((&server, "shop"), (&server, "copy"))
                .unwrap_err()
                .to_string();
            assert!(told.contains(expected), "{version}: {change}: {told}");
        }
        server.sql("", &format!("DROP DATABASE {}", quoted_name("copy")))?;
    }
    Ok(())
}
