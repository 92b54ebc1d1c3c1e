//! What goes wrong is called by its name, leaves nothing behind, and the next run works.

use dataguardian_agent::engines::postgres::{ClientSearch, ProbeRequest, discover, probe};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::stream::StreamRole;
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use dataguardian_tests::postgres::{PASSWORD, Postgres, Tls, Version};
use dataguardian_tests::sample::load_bulk;

use crate::setup::{Dumping, clients, clients_with, target};

fn server() -> Postgres {
    let server = Postgres::start(Version::V15).unwrap();
    // More than any buffer on the way holds.
    load_bulk(&server, "shop", 100_000).unwrap();
    server
}

async fn fails(dumping: &Dumping, server: &Postgres, kind: FailureKind) -> String {
    let failure = dumping.run().await.unwrap_err();
    assert_eq!(failure.kind, kind, "{failure}");
    assert!(!failure.message.contains(PASSWORD));
    dumping.assert_nothing_left(server);
    failure.message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_killed_fails_the_dump() {
    let server = server();
    let mut dumping = Dumping::of(&server, &["shop"]);
    let (_programs, killed) = clients_with(server.version(), "kill -9 $$");
    let good = std::mem::replace(&mut dumping.request.clients, killed);
    let message = fails(&dumping, &server, FailureKind::ClientFailed).await;
    assert!(message.contains("signal 9"), "{message}");
    dumping.request.clients = good;
    dumping.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_ended_by_somebody_else_is_a_lost_connection() {
    let server = server();
    let dumping = Dumping::of(&server, &["shop"]).stopping_at(StreamRole::TableData);
    let ending = async {
        dumping.sink.reached().await;
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE starts_with(application_name, 'dataguardian')";
        server.psql("postgres", sql).unwrap();
        dumping.sink.open_gate();
    };
    let (failure, ()) = tokio::join!(
        fails(&dumping, &server, FailureKind::DatabaseConnectionLost),
        ending
    );
    assert!(failure.contains("copying the rows"), "{failure}");
    Dumping::of(&server, &["shop"]).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_is_a_lost_connection() {
    let mut server = server();
    let dumping = Dumping::of(&server, &["shop"]).stopping_at(StreamRole::TableData);
    let stopping = async {
        dumping.sink.reached().await;
        server.kill9();
        dumping.sink.open_gate();
    };
    let (dumped, ()) = tokio::join!(dumping.run(), stopping);
    assert_eq!(dumped.unwrap_err().kind, FailureKind::DatabaseConnectionLost);
    dumping.assert_nothing_left(&server);
    fails(&dumping, &server, FailureKind::DatabaseUnreachable).await;
    server.start_again().unwrap();
    Dumping::of(&server, &["shop"]).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_under_a_program_is_a_lost_connection() {
    let mut server = server();
    let gate = tempfile::tempdir().unwrap();
    let path = |name: &str| gate.path().join(name).display().to_string();
    let script = format!(
        "touch {}; until [ -e {} ]; do sleep 0.01; done",
        path("reached"),
        path("open")
    );
    let (_programs, slow) = clients_with(server.version(), &script);
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.clients = slow;
    let stopping = async {
        let reached = gate.path().join("reached");
        dataguardian_tests::wait::until_async("pg_dump", || async { Ok(reached.exists()) })
            .await
            .unwrap();
        server.stop();
        std::fs::write(gate.path().join("open"), "").unwrap();
    };
    let (dumped, ()) = tokio::join!(dumping.run(), stopping);
    assert_eq!(dumped.unwrap_err().kind, FailureKind::DatabaseConnectionLost);
    dumping.assert_nothing_left(&server);
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_leaves_nothing() {
    let server = server();
    for connections in [1, 3] {
        let mut dumping = Dumping::of(&server, &["shop"]).stopping_at(StreamRole::TableData);
        dumping.request.options.connections = connections;
        let cancelling = async {
            dumping.sink.reached().await;
            dumping.cancel.cancel();
        };
        tokio::join!(fails(&dumping, &server, FailureKind::Superseded), cancelling);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_end_is_cancelled_with_its_children() {
    let server = server();
    let gate = tempfile::tempdir().unwrap();
    let reached = gate.path().join("reached");
    // It ignores the polite request, and so does its child.
    let script = format!(
        "trap '' TERM; sleep 1000 & touch {}; wait; wait",
        reached.display()
    );
    let (_programs, endless) = clients_with(server.version(), &script);
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.clients = endless;
    let cancelling = async {
        dataguardian_tests::wait::until_async("pg_dump", || async { Ok(reached.exists()) })
            .await
            .unwrap();
        dumping.cancel.cancel();
    };
    tokio::join!(fails(&dumping, &server, FailureKind::Superseded), cancelling);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_from_the_beginning_is_called_by_its_name() {
    let server = Postgres::start(Version::V18).unwrap();
    server.create_database("shop").unwrap();
    let with = |change: &dyn Fn(&mut ConnectionTarget)| {
        let mut dumping = Dumping::of(&server, &["shop"]);
        change(&mut dumping.request.target);
        dumping
    };
    let wrong = with(&|target| target.password = Some(Secret::new("wrong")));
    fails(&wrong, &server, FailureKind::DatabaseAuthentication).await;
    let nobody = with(&|target| target.username = "nobody".into());
    fails(&nobody, &server, FailureKind::DatabaseAuthentication).await;
    let nowhere = with(&|target| target.port = 1);
    fails(&nowhere, &server, FailureKind::DatabaseUnreachable).await;
    let nameless = with(&|target| target.host = "no-such-host.invalid".into());
    fails(&nameless, &server, FailureKind::DatabaseUnreachable).await;
    let untrusted = with(&|target| target.tls = TlsMode::Require);
    fails(&untrusted, &server, FailureKind::DatabaseTls).await;
    let beside = Dumping::of(&server, &["shop", "gone"]).run().await.unwrap();
    let [left_out] = &beside.failed[..] else {
        panic!("{:?}", beside.failed)
    };
    assert_eq!(
        (left_out.database.as_str(), left_out.failure.kind),
        ("gone", FailureKind::DatabaseMissing)
    );
    assert_eq!(beside.databases.len(), 1, "the other one is dumped all the same");
    let missing = Dumping::of(&server, &["gone"]);
    assert!(
        fails(&missing, &server, FailureKind::DatabaseMissing)
            .await
            .contains("gone")
    );

    let mut without_client = Dumping::of(&server, &["shop"]);
    without_client.request.clients = ClientSearch {
        directories: vec!["/nowhere".into()],
        only_these: true,
    };
    let message = fails(&without_client, &server, FailureKind::ClientMissing).await;
    assert!(message.contains("postgresql-client-18"), "{message}");
    let mut with_old_client = Dumping::of(&server, &["shop"]);
    with_old_client.request.clients = clients(Version::V15);
    let message = fails(&with_old_client, &server, FailureKind::ClientTooOld).await;
    assert!(message.contains("postgresql-client-18"), "{message}");
    Dumping::of(&server, &["shop"]).run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_checked_when_asked_for() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = Postgres::builder(Version::V15)
        .tls(Tls::Required)
        .start()
        .unwrap();
    server.create_database("shop").unwrap();
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.target.tls = TlsMode::VerifyCa;
    fails(&dumping, &server, FailureKind::DatabaseTls).await;
    dumping.request.target.tls_ca = server.ca_certificate().map(ToOwned::to_owned);
    dumping.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_privilege_is_named_with_the_grant_that_mends_it() {
    let server = Postgres::start(Version::V15).unwrap();
    server.create_database("shop").unwrap();
    let script = "CREATE TABLE secret (id int); INSERT INTO secret VALUES (1); CREATE SEQUENCE hidden;
        CREATE ROLE reader LOGIN PASSWORD 'reader'";
    server.psql("shop", script).unwrap();
    let reader = |target: &mut ConnectionTarget| {
        target.username = "reader".into();
        target.password = Some(Secret::new("reader"));
    };
    let mut dumping = Dumping::of(&server, &["shop"]);
    reader(&mut dumping.request.target);
    fails(&dumping, &server, FailureKind::DatabasePrivilege).await;

    let mut request = ProbeRequest {
        target: target(&server),
        selection: DatabaseSelection::Named(vec!["shop".into()]),
        clients: clients(server.version()),
    };
    reader(&mut request.target);
    let found = probe(&request).await.unwrap();
    let [problem] = &found.problems[..] else {
        panic!("{:?}", found.problems)
    };
    let grant = "GRANT pg_read_all_data TO \"reader\"";
    assert!(problem.message.ends_with(grant), "{problem}");
    server.psql("shop", grant).unwrap();
    assert_eq!(probe(&request).await.unwrap().problems, []);
    let mut dumping = Dumping::of(&server, &["shop"]);
    reader(&mut dumping.request.target);
    dumping.run().await.unwrap();

    server
        .psql("shop", "ALTER TABLE secret ENABLE ROW LEVEL SECURITY")
        .unwrap();
    let [problem] = &probe(&request).await.unwrap().problems[..] else {
        panic!()
    };
    assert!(
        problem.message.ends_with("ALTER ROLE \"reader\" BYPASSRLS"),
        "{problem}"
    );
    let mut dumping = Dumping::of(&server, &["shop"]);
    reader(&mut dumping.request.target);
    assert_eq!(
        dumping.run().await.unwrap_err().kind,
        FailureKind::DatabasePrivilege
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_roles_passwords_the_globals_are_dumped_all_the_same() {
    let server = Postgres::start(Version::V16).unwrap();
    server.create_database("shop").unwrap();
    let script = "CREATE TABLE item (id int); CREATE ROLE reader LOGIN PASSWORD 'reader'; GRANT SELECT ON item TO reader";
    server.psql("shop", script).unwrap();
    let mut dumping = Dumping::of(&server, &["shop"]);
    dumping.request.target.username = "reader".into();
    dumping.request.target.password = Some(Secret::new("reader"));
    let report = dumping.run().await.unwrap();
    assert!(
        report
            .warnings
            .iter()
            .any(|warning| warning.message.contains("passwords")),
        "{:?}",
        report.warnings
    );
    let globals = String::from_utf8(dumping.sink.streams()[0].bytes()).unwrap();
    assert!(
        globals.contains("CREATE ROLE reader") && !globals.contains("PASSWORD"),
        "{globals}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_looked_at() {
    let server = Postgres::start(Version::V18).unwrap();
    server.create_database("odd \"name\"").unwrap();
    let request = ProbeRequest {
        target: target(&server),
        selection: DatabaseSelection::AllExcept(vec!["postgres".into()]),
        clients: clients(server.version()),
    };
    let found = probe(&request).await.unwrap();
    assert_eq!(found.version_num / 10_000, 18);
    assert!(found.superuser && !found.in_recovery && found.system_identifier.is_some());
    assert_eq!(found.databases, ["odd \"name\""]);
    assert_eq!(found.problems, []);
    assert_eq!(found.client.unwrap().major, 18);
    let all = discover(&target(&server)).await.unwrap();
    let names: Vec<&str> = all.iter().map(|database| database.name.as_str()).collect();
    assert_eq!(names, ["odd \"name\"", "postgres", "template0", "template1"]);
    assert!(all[0].size.is_some_and(|size| size > 0) && all[0].owner == "postgres" && all[0].is_ordinary());
}
