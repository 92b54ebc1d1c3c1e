//! Whatever goes wrong with a dump is a failure with its reason, and leaves nothing; the next run works.

use std::time::Duration;

use dataguardian_agent::engines::restore::RestoreMode;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::secret::Secret;
use dataguardian_core::stream::{StreamHeader, StreamRole};
use dataguardian_tests::mysql::{MySql, PASSWORD, Version, compare};

use crate::setup::{Dumping, Restoring, backup_user, clients_with, probe, processes_with, target_as};

/// More rows than pipes and buffers hold.
const BULK: &str = "
    CREATE TABLE bulk (id int PRIMARY KEY, v varchar(1000));
    INSERT INTO bulk VALUES (1, REPEAT('x', 1000));
    INSERT INTO bulk SELECT id + 1, v FROM bulk; INSERT INTO bulk SELECT id + 2, v FROM bulk; INSERT INTO bulk SELECT id + 4, v FROM bulk;
    INSERT INTO bulk SELECT id + 8, v FROM bulk; INSERT INTO bulk SELECT id + 16, v FROM bulk; INSERT INTO bulk SELECT id + 32, v FROM bulk;
    INSERT INTO bulk SELECT id + 64, v FROM bulk; INSERT INTO bulk SELECT id + 128, v FROM bulk; INSERT INTO bulk SELECT id + 256, v FROM bulk;
    INSERT INTO bulk SELECT id + 512, v FROM bulk; INSERT INTO bulk SELECT id + 1024, v FROM bulk; INSERT INTO bulk SELECT id + 2048, v FROM bulk;
    INSERT INTO bulk SELECT id + 4096, v FROM bulk; INSERT INTO bulk SELECT id + 8192, v FROM bulk; INSERT INTO bulk SELECT id + 16384, v FROM bulk;
    CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (1), (2);";

fn with_bulk(version: Version) -> MySql {
    let server = MySql::start(version).unwrap();
    server.create_database("shop").unwrap();
    server.sql("shop", BULK).unwrap();
    server
}

async fn fails(dumping: &Dumping, server: &MySql, kind: FailureKind) -> Failure {
    let failure = dumping.run().await.unwrap_err();
    assert_eq!(failure.kind, kind, "{}: {failure}", server.version());
    assert!(!failure.message.contains(PASSWORD), "{failure}");
    dumping.assert_nothing_left(server);
    failure
}

#[tokio::test]
async fn a_dump_is_of_one_moment_whatever_is_written_meanwhile() {
    for version in Version::ALL {
        let server = with_bulk(version);
        let dumping = Dumping::of(&server, &["shop"]).stopping_at(StreamRole::TableData);
        let (report, ()) = tokio::join!(dumping.run(), async {
            dumping.sink.reached().await;
            server.sql("shop", "INSERT INTO later VALUES (3); UPDATE bulk SET v = 'changed'; DELETE FROM later WHERE id = 1").unwrap();
            // The passwords are nowhere where other users see them.
            assert_eq!(processes_with("dg-S3cret"), Vec::<String>::new());
            dumping.sink.open_gate();
        });
        let report = report.unwrap();
        Restoring::of(
            &server,
            &report,
            dumping.sink.source(),
            &[("shop", "copy")],
            RestoreMode::CreateNew,
        )
        .run()
        .await
        .unwrap();
        assert_eq!(
            server
                .sql("copy", "SELECT COUNT(*), SUM(v = 'changed') FROM bulk")
                .unwrap(),
            "32768\t0",
            "{version}"
        );
        assert_eq!(
            server
                .sql("copy", "SELECT GROUP_CONCAT(id ORDER BY id) FROM later")
                .unwrap(),
            "1,2",
            "{version}"
        );
    }
}

#[tokio::test]
async fn what_breaks_a_dump_is_told_and_nothing_is_left() {
    for version in Version::ALL {
        let mut server = with_bulk(version);
        let at_the_rows = |server: &MySql| Dumping::of(server, &["shop"]).stopping_at(StreamRole::TableData);

        // The program is killed.
        let dumping = at_the_rows(&server);
        let (failed, ()) = tokio::join!(fails(&dumping, &server, FailureKind::ClientFailed), async {
            dumping.sink.reached().await;
            kill_dump(&dumping);
            dumping.sink.open_gate();
        });
        assert!(
            failed.message.contains("signal 9") || failed.message.contains("not whole"),
            "{version}: {failed}"
        );

        // Its session is killed.
        let dumping = at_the_rows(&server);
        let (_, ()) = tokio::join!(
            fails(&dumping, &server, FailureKind::DatabaseConnectionLost),
            async {
                dumping.sink.reached().await;
                server.sql("", "SELECT id INTO @id FROM information_schema.processlist WHERE info LIKE 'SELECT%FROM `bulk`%' AND info NOT LIKE '%processlist%'; KILL @id").unwrap_or_else(|_| {
                let id = server.sql("", "SELECT id FROM information_schema.processlist WHERE host LIKE '127.0.0.1%' AND command <> 'Sleep' AND id <> CONNECTION_ID()").unwrap();
                server.sql("", &format!("KILL {}", id.lines().next().unwrap())).unwrap()
            });
                dumping.sink.open_gate();
            }
        );

        // It is cancelled.
        let dumping = at_the_rows(&server);
        let (_, ()) = tokio::join!(fails(&dumping, &server, FailureKind::Superseded), async {
            dumping.sink.reached().await;
            dumping.cancel.cancel();
        });

        // A table is altered before the dump comes to it.
        let dumping = at_the_rows(&server);
        let (failed, ()) = tokio::join!(
            fails(&dumping, &server, FailureKind::DatabaseSchemaChanged),
            async {
                dumping.sink.reached().await;
                server
                    .sql("shop", "ALTER TABLE later ADD COLUMN x int, FORCE")
                    .unwrap();
                dumping.sink.open_gate();
            }
        );
        assert!(
            failed.kind.is_retryable() && failed.message.contains("during the dump"),
            "{failed}"
        );

        // The server goes away.
        let dumping = at_the_rows(&server);
        let run = dumping.run();
        let (failed, ()) = tokio::join!(run, async {
            dumping.sink.reached().await;
            server.kill9();
            dumping.sink.open_gate();
        });
        assert_eq!(
            failed.unwrap_err().kind,
            FailureKind::DatabaseConnectionLost,
            "{version}"
        );
        let unreachable = Dumping::of(&server, &["shop"]).run().await.unwrap_err();
        assert_eq!(
            unreachable.kind,
            FailureKind::DatabaseUnreachable,
            "{version}: {unreachable}"
        );
        server.start_again().unwrap();

        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        Restoring::of(
            &server,
            &report,
            dumping.sink.source(),
            &[("shop", "copy")],
            RestoreMode::CreateNew,
        )
        .run()
        .await
        .unwrap();
        compare::equal((&server, "shop"), (&server, "copy")).unwrap();
    }
}

fn kill_dump(dumping: &Dumping) {
    let work = dumping.request.work_dir.display().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&work) {
            let pid = entry.file_name().to_string_lossy().parse().unwrap();
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL)
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_lock_is_waited_for_no_longer_than_allowed() {
    for version in Version::ALL {
        let server = with_bulk(version);
        let mut holder = server.command_as("root", "mysql").unwrap();
        let mut holder = holder
            .arg("--database=shop")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = holder.stdin.take().unwrap();
        std::io::Write::write_all(&mut stdin, b"LOCK TABLES later WRITE;\n").unwrap();
        let locked =
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'shop' AND command = 'Sleep'";
        dataguardian_tests::wait::until("the lock", || Ok(server.sql("", locked)? == "1")).unwrap();
        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.options.lock_timeout = Duration::from_secs(1);
        let failed = fails(&dumping, &server, FailureKind::DatabaseLockTimeout).await;
        assert!(failed.message.contains("waited for more than 1 s"), "{failed}");
        drop(stdin);
        holder.wait().unwrap();
        Dumping::of(&server, &["shop"]).run().await.unwrap();
    }
}

#[tokio::test]
async fn what_can_not_work_is_refused_with_what_mends_it() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.create_database("shop").unwrap();
        server.sql("shop", "CREATE TABLE t (id int)").unwrap();

        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.target.password = Some(Secret::new("wrong"));
        fails(&dumping, &server, FailureKind::DatabaseAuthentication).await;

        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.clients.directories = Vec::new();
        let failed = fails(&dumping, &server, FailureKind::ClientMissing).await;
        assert!(failed.message.contains("install"), "{failed}");

        fails(
            &Dumping::of(&server, &["gone"]),
            &server,
            FailureKind::DatabaseMissing,
        )
        .await;

        // The other family's name.
        let mut dumping = Dumping::of(&server, &["shop"]);
        let other = if version.is_mariadb() { "mysql" } else { "mariadb" };
        dumping.request.target.engine = other.parse().unwrap();
        let failed = fails(&dumping, &server, FailureKind::DatabaseError).await;
        assert!(
            failed
                .message
                .contains(&format!("dgctl datasource create {}", version.engine())),
            "{failed}"
        );

        // A program that says it has ended well, and has not said that the dump is complete.
        let (_kept, search) = clients_with(version, "\"$real\" \"$@\" | head -n 20\nexit 0");
        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.clients = search;
        let failed = fails(&dumping, &server, FailureKind::ClientFailed).await;
        assert!(failed.message.contains("not whole"), "{failed}");
        // One that writes everything and ends badly.
        let (_kept, search) = clients_with(version, "\"$real\" \"$@\"\nexit 5");
        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.clients = search;
        fails(&dumping, &server, FailureKind::ClientFailed).await;
    }
}

#[tokio::test]
async fn missing_privileges_are_told_with_the_grant_that_mends_them() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.load_sample("shop").unwrap();
        let password = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
        server
            .sql(
                "",
                &format!(
                    "CREATE USER 'poor'@'%' IDENTIFIED BY '{password}'; GRANT SELECT ON shop.* TO 'poor'@'%'"
                ),
            )
            .unwrap();
        let found = probe(&server, "poor", &["shop"]).await.unwrap();
        let told: Vec<_> = found
            .problems
            .iter()
            .map(|problem| problem.message.clone())
            .collect();
        let told = told.join("\n");
        assert!(
            told.contains("GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON `shop`.* TO 'poor'@'%'"),
            "{version}: {told}"
        );
        assert!(
            told.contains("procedures and functions would be missing"),
            "{version}: {told}"
        );
        assert!(
            found
                .problems
                .iter()
                .all(|problem| problem.kind == FailureKind::DatabasePrivilege)
        );
        // What the messages say is enough.
        for problem in &found.problems {
            let (_, grant) = problem.message.split_once(": GRANT").unwrap();
            server.sql("", &format!("GRANT{grant}")).unwrap();
        }
        let found = probe(&server, "poor", &["shop"]).await.unwrap();
        assert!(found.problems.is_empty(), "{version}: {:?}", found.problems);
        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.target = target_as(&server, "poor");
        let report = dumping
            .run()
            .await
            .unwrap_or_else(|failure| panic!("{version}: {failure}"));
        Restoring::of(
            &server,
            &report,
            dumping.sink.source(),
            &[("shop", "copy")],
            RestoreMode::CreateNew,
        )
        .run()
        .await
        .unwrap();
        compare::equal((&server, "shop"), (&server, "copy")).unwrap();
        // With a little more the position is told too.
        backup_user(
            &server,
            if version.is_mariadb() {
                ", RELOAD, BINLOG MONITOR"
            } else {
                ", RELOAD, REPLICATION CLIENT"
            },
        );
        let mut dumping = Dumping::of(&server, &["shop"]);
        dumping.request.target = target_as(&server, "backup");
        let report = dumping
            .run()
            .await
            .unwrap_or_else(|failure| panic!("{version}: {failure}"));
        assert!(report.shared_snapshot.unwrap().binlog.is_some(), "{version}");
    }
}

/// Servers are set up with `root` of the host's name, and many of them look up no names: they keep that account and do not use it.
#[tokio::test]
async fn an_account_that_the_server_ignores_is_named_and_fails_no_backup() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.create_database("shop").unwrap();
        let sql = "CREATE USER 'far'@'db.example.org'; CREATE USER 'near'@'127.0.0.1'; FLUSH PRIVILEGES";
        server.sql("", sql).unwrap();
        // A role of MariaDB belongs to no host, whatever its name looks like.
        server.sql("", "CREATE ROLE 'read@shop'").unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let streams = dumping.sink.streams();
        let is_globals = |header: &StreamHeader| header.role == StreamRole::Globals;
        let globals = streams.iter().find(|stream| is_globals(&stream.header)).unwrap();
        let globals = String::from_utf8(globals.bytes()).unwrap();
        for kept in ["`near`@`127.0.0.1`", "`read@shop`"] {
            assert!(globals.contains(kept), "{version}: {kept}: {globals}");
        }
        let told: Vec<_> = report
            .warnings
            .iter()
            .map(|warning| warning.message.as_str())
            .collect();
        let named = told.iter().any(|told| told.contains("'far'@'db.example.org'"));
        assert_ne!(
            globals.contains("`far`@`db.example.org`"),
            named,
            "{version}: {told:?}: {globals}"
        );
    }
}

/// No program dumps a history that tells of transactions, and one such table ends the dump of all others.
#[tokio::test]
async fn a_history_by_transactions_costs_the_histories_and_not_the_backup() {
    for version in [Version::MariaDb10, Version::MariaDb11] {
        let server = MySql::start(version).unwrap();
        server.create_database("shop").unwrap();
        let sql = "CREATE TABLE by_time (id int PRIMARY KEY, v int) WITH SYSTEM VERSIONING;
            INSERT INTO by_time VALUES (1, 1); UPDATE by_time SET v = 2;
            CREATE TABLE by_transaction (id int PRIMARY KEY, v int, a bigint unsigned GENERATED ALWAYS AS ROW START,
                b bigint unsigned GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (a, b)) WITH SYSTEM VERSIONING;
            INSERT INTO by_transaction (id, v) VALUES (1, 1); UPDATE by_transaction SET v = 2;";
        server.sql("shop", sql).unwrap();
        for (excluded, past) in [(vec![], "1"), (vec!["shop.by_transaction".to_owned()], "2")] {
            let all = excluded.is_empty();
            let mut dumping = Dumping::of(&server, &["shop"]);
            dumping.request.options.exclude_tables = excluded;
            let report = dumping
                .run()
                .await
                .unwrap_or_else(|failure| panic!("{version}: {failure}"));
            let told = |text: &str| {
                report
                    .warnings
                    .iter()
                    .any(|warning| warning.message.contains(text))
            };
            assert!(
                told("by_transaction") && told("history"),
                "{version}: {:?}",
                report.warnings
            );
            let mode = RestoreMode::CreateNew;
            let names = [("shop", "copy")];
            Restoring::of(&server, &report, dumping.sink.source(), &names, mode)
                .run()
                .await
                .unwrap();
            let rows = "SELECT COUNT(*) FROM by_time FOR SYSTEM_TIME ALL";
            assert_eq!(server.sql("copy", rows).unwrap(), past, "{version}");
            if all {
                assert_eq!(
                    server.sql("copy", "SELECT id, v FROM by_transaction").unwrap(),
                    "1\t2",
                    "{version}"
                );
            }
            server.sql("", "DROP DATABASE copy").unwrap();
        }
    }
}
