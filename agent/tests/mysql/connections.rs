//! Ways to reach a server, and rows that are long.

use dataguardian_agent::engines::restore::RestoreMode;
use dataguardian_core::target::TlsMode;
use dataguardian_tests::mysql::{MySql, Version, compare};

use crate::setup::{Dumping, Restoring};

#[tokio::test]
async fn a_server_is_reached_by_socket_and_with_or_without_tls() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.create_database("shop").unwrap();
        server
            .sql(
                "shop",
                "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)",
            )
            .unwrap();
        // MariaDB 10.11 makes no certificate by itself.
        let encrypts = version != Version::MariaDb10;
        let mut ways = vec![
            ("127.0.0.1".to_owned(), TlsMode::Disable),
            ("127.0.0.1".to_owned(), TlsMode::Prefer),
        ];
        if encrypts {
            ways.push(("127.0.0.1".to_owned(), TlsMode::Require));
        }
        ways.push((server.directory().display().to_string(), TlsMode::Prefer));
        ways.push((server.socket().display().to_string(), TlsMode::Disable));
        for (host, tls) in ways {
            let mut dumping = Dumping::of(&server, &["shop"]);
            (dumping.request.target.host, dumping.request.target.tls) = (host.clone(), tls);
            let report = dumping
                .run()
                .await
                .unwrap_or_else(|failure| panic!("{version} {host} {tls:?}: {failure}"));
            let mut restoring = Restoring::of(
                &server,
                &report,
                dumping.sink.source(),
                &[("shop", "copy")],
                RestoreMode::Scratch { keep: false },
            );
            (restoring.request.target.host, restoring.request.target.tls) = (host, tls);
            restoring.run().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_blob_of_50_mb_goes_there_and_back() {
    for version in Version::ALL {
        let server = MySql::start(version).unwrap();
        server.create_database("shop").unwrap();
        server
            .sql("shop", "CREATE TABLE big (id int PRIMARY KEY, b longblob); INSERT INTO big VALUES (1, REPEAT(UNHEX('00FF5C27'), 13107200)), (2, 'x')")
            .unwrap();
        let dumping = Dumping::of(&server, &["shop"]);
        let report = dumping.run().await.unwrap();
        let longest = report.databases[0].longest_statement.unwrap();
        assert!(longest > 100 << 20, "{version}: {longest}");
        assert!(
            report
                .warnings
                .iter()
                .any(|warning| warning.message.contains("max_allowed_packet"))
        );
        // It came in pieces: nobody held the whole statement.
        let streams = dumping.sink.streams();
        assert!(
            streams
                .iter()
                .flat_map(|stream| &stream.pieces)
                .all(|piece| piece.len() <= 1 << 20)
        );
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
