//! `dgctl` as people and scripts meet it: the real program against a small server of this test's own, over TLS with an
//! authority of its own. What the real server answers is tested with the real server, in `tests/`.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a broken assumption may end it, also in a helper"
)]

mod fake_server;
mod profiles;
mod program;

use fake_server::{FakeServer, ended, running};

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::{ApiError, BadField};
use dataguardian_proto::v1;
use tonic::Status;

use crate::fake_server::Step;
use crate::program::Dgctl;

#[tokio::test(flavor = "multi_thread")]
async fn waiting_survives_lost_connections() {
    let server = FakeServer::start().await;
    server.will_answer_watches([
        vec![Step::Send(running(1)), Step::End],
        vec![Step::Fail(Status::unavailable("restarting"))],
        vec![
            Step::Send(running(1)),
            Step::Send(ended(2, v1::ExecutionState::Completed)),
        ],
    ]);
    let ran = Dgctl::signed_in(&server)
        .run("job run nightly --wait -o json")
        .await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let json: serde_json::Value =
        serde_json::from_str(&ran.stdout).expect("one JSON document and nothing else");
    assert_eq!(json["execution"]["state"], "EXECUTION_STATE_COMPLETED");
    assert!(ran.stderr.contains("connection lost, trying again"), "{ran:?}");
    assert_eq!(
        ran.stderr.matches("backup running: copying tables").count(),
        1,
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_that_fails_fails_the_command() {
    let server = FakeServer::start().await;
    let failed = v1::Execution {
        failure: Some(v1::Failure {
            reason: "STORAGE_FULL".into(),
            message: "/srv/backups has no room".into(),
            advice: "free space".into(),
        }),
        ..ended(2, v1::ExecutionState::Failed)
    };
    server.will_answer_watches([vec![Step::Send(failed)]]);
    let ran = Dgctl::signed_in(&server)
        .run("job run nightly --wait -o json")
        .await;
    assert_eq!(ran.status, 1);
    let json: serde_json::Value =
        serde_json::from_str(&ran.stdout).expect("one JSON document and nothing else");
    assert_eq!(json["execution"]["failure"]["reason"], "STORAGE_FULL");
    let told = ran.stderr.split_once("error:").expect("an error").1;
    insta::assert_snapshot!(told, @r"
     the backup ended as failed [STORAGE_FULL]
      /srv/backups has no room
      advice: free space
      log: dgctl execution logs 0192f3a4
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn watching_as_json_gives_a_line_per_change() {
    let server = FakeServer::start().await;
    server.will_answer_watches([vec![
        Step::Send(running(1)),
        Step::Send(running(2)),
        Step::Send(ended(3, v1::ExecutionState::Cancelled)),
    ]]);
    let ran = Dgctl::signed_in(&server)
        .run("execution watch 0192f3a4 -o json")
        .await;
    assert_eq!(ran.status, 1, "a cancelled execution is no success");
    let revision = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).unwrap()["execution"]["revision"].clone()
    };
    let revisions: Vec<_> = ran.stdout.lines().map(revision).collect();
    assert_eq!(revisions, ["1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_goes_on_where_it_broke() {
    let server = FakeServer::start().await;
    server.will_answer_tails([
        vec![
            Step::Send(vec!["one", "two"]),
            Step::Fail(Status::unavailable("restarting")),
        ],
        vec![Step::Send(vec!["three"])],
    ]);
    let ran = Dgctl::signed_in(&server).run("execution logs -f 0192f3a4").await;
    assert_eq!(ran.status, 0, "{ran:?}");
    let messages: Vec<_> = ran
        .stdout
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    assert_eq!(messages, ["one", "two", "three"]);
    assert_eq!(server.tail_offsets(), [0, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_tells_every_bad_field() {
    let server = FakeServer::start().await;
    let bad = |field: &str, description: &str| BadField {
        field: field.into(),
        description: description.into(),
    };
    server.will_refuse(ApiError::bad_fields(vec![
        bad("name", "must not be empty"),
        bad("storages", "names \"vault\" twice"),
    ]));
    let ran = Dgctl::signed_in(&server)
        .run("job create --name= --datasource main --storage vault --storage vault")
        .await;
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    insta::assert_snapshot!(ran.stderr, @r#"
    error: the request is not valid [BAD_REQUEST]
      name: must not be empty
      storages: names "vault" twice
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_stored_used_and_forgotten() {
    let server = FakeServer::start().await;
    let dgctl = Dgctl::stranger();
    dgctl.write("password", "correct horse battery\n");
    let login = format!("login --username ada --password-file {}", dgctl.path("password"));
    let ran = dgctl.run(&format!("{login} {}", server.flags())).await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(
        !ran.stdout.contains("dg_"),
        "the token is not for the screen: {ran:?}"
    );
    assert_eq!(server.last_password(), "correct horse battery");

    // Neither server nor authority are named any more.
    let ran = dgctl.run("whoami -o json").await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert_eq!(server.last_authorization(), "Bearer dg_1_secret");

    assert_eq!(dgctl.run("logout").await.status, 0);
    let ran = dgctl.run("whoami").await;
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("no server is known"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_server_refuses_is_not_stored() {
    let server = FakeServer::start().await;
    server.will_refuse(ApiError::new(
        ErrorCode::Unauthenticated,
        "UNAUTHENTICATED",
        "no such token",
    ));
    let dgctl = Dgctl::stranger();
    dgctl.write("token", "dg_9_wrong");
    let ran = dgctl
        .run(&format!(
            "login --token-file {} {}",
            dgctl.path("token"),
            server.flags()
        ))
        .await;
    assert_eq!(ran.status, 1);
    assert!(ran.stderr.contains("[UNAUTHENTICATED]"), "{ran:?}");
    assert_eq!(dgctl.run("whoami").await.status, 2, "nothing was stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_another_authority_vouches_for_is_refused() {
    let server = FakeServer::start().await;
    let other = FakeServer::start().await;
    let dgctl = Dgctl::signed_in(&server);
    let ran = dgctl.run(&format!("whoami --ca {}", other.ca_file())).await;
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.stderr.contains("check --ca or DATAGUARDIAN_CA"), "{ran:?}");
    assert_eq!(server.last_authorization(), "", "the token did not leave");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told() {
    let ran = Dgctl::stranger()
        .with("DATAGUARDIAN_TOKEN", "dg_1_secret")
        .run("--server http://127.0.0.1:1 job list")
        .await;
    assert_eq!(ran.status, 1);
    assert!(
        ran.stderr
            .starts_with("error: can't connect to http://127.0.0.1:1: "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("check --server"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_told_apart_from_failure() {
    for (line, told) in [
        ("", "Usage: dgctl"),
        ("job", "Usage: dgctl job"),
        ("job fly", "unrecognized subcommand 'fly'"),
        ("job run", "<JOB>"),
        ("restore --backup latest", "--datasource"),
        ("restore --backup 1 --database =x", "OLD or OLD=NEW"),
        ("agent token create --ttl 1w", "as in 90s"),
        ("execution list --state gone", "possible values"),
        (
            "datasource create postgres --name a --agent b --host c --username d",
            "--all-databases",
        ),
        ("job list", "no server is known"),
        (
            "job list --server dg.example",
            "no token for https://dg.example:8443",
        ),
        ("job list --server http://dg.example", "use https://"),
        ("login --server dg.example", "--username"),
        (
            "login --server dg.example --username ada",
            "--password-file is needed",
        ),
        ("job update nightly", "nothing to change"),
    ] {
        let ran = Dgctl::stranger().run(line).await;
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (2, ""),
            "dgctl {line}: {ran:?}"
        );
        assert!(ran.stderr.contains(told), "dgctl {line}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_is_not_done_where_nobody_can_be_asked() {
    let server = FakeServer::start().await;
    let dgctl = Dgctl::signed_in(&server);
    for line in [
        "restore --backup latest --datasource main --replace",
        "agent revoke db1",
        "datasource delete main",
        "storage delete vault",
        "job delete nightly",
        "system rotate-ca",
        "system rotate-key",
    ] {
        let ran = dgctl.run(line).await;
        assert_eq!(
            (ran.status, ran.stdout.as_str()),
            (2, ""),
            "dgctl {line}: {ran:?}"
        );
        assert!(ran.stderr.contains("add --yes"), "dgctl {line}: {ran:?}");
        assert_eq!(
            server.last_authorization(),
            "",
            "dgctl {line}: the server was asked"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_name_the_words() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Dgctl::stranger().run(&format!("completions {shell}")).await;
        assert_eq!(ran.status, 0);
        assert!(ran.stdout.contains("datasource"), "{shell}");
    }
}
