//! Logins to several servers, and answers in YAML.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::fake_server::FakeServer;
use crate::program::{Dgctl, Ran};

async fn sign_in(dgctl: &Dgctl, server: &FakeServer, profile: &str) -> Ran {
    dgctl.write("password", "correct horse battery\n");
    let password = dgctl.path("password");
    let line = format!(
        "login --username ada --password-file {password} --profile {profile} {}",
        server.flags()
    );
    dgctl.run(&line).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_server_has_a_login_of_its_own() {
    let (prod, lab) = (FakeServer::start().await, FakeServer::start().await);
    let dgctl = Dgctl::stranger();
    let ran = sign_in(&dgctl, &prod, "prod").await;
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("(profile prod)"), "{ran:?}");
    assert_eq!(sign_in(&dgctl, &lab, "lab").await.status, 0);

    // The first login counts until somebody chooses another.
    let listed = dgctl.run("profile list -o json").await;
    let json: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(json["profiles"][0]["name"], "lab");
    assert_eq!(json["profiles"][0]["server"], lab.url());
    assert_eq!(json["profiles"][0]["current"], false);
    assert_eq!(json["profiles"][1]["current"], true);
    assert_eq!(dgctl.run("whoami").await.status, 0);
    assert_eq!(
        (
            prod.last_authorization().as_str(),
            lab.last_authorization().as_str()
        ),
        ("Bearer dg_1_secret", "")
    );

    // Signing in elsewhere without a name takes no login away.
    let password = dgctl.path("password");
    let line = format!("login --username ada --password-file {password} {}", lab.flags());
    let ran = dgctl.run(&line).await;
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("--profile"), "{ran:?}");

    assert_eq!(dgctl.run("profile use lab").await.status, 0);
    assert_eq!(dgctl.run("whoami").await.status, 0);
    assert_eq!(lab.last_authorization(), "Bearer dg_1_secret");
    let mode = |path: &str| fs::metadata(dgctl.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("dataguardian/profiles/lab.toml"), 0o600);

    // Forgotten, it counts no more; the other is there still.
    assert_eq!(dgctl.run("profile remove lab").await.status, 0);
    let ran = dgctl.run("whoami --profile lab").await;
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("there is no profile lab"), "{ran:?}");
    assert_eq!(dgctl.run("whoami --profile prod").await.status, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_never_sees_what_was_meant_for_another() {
    let (prod, other) = (FakeServer::start().await, FakeServer::start().await);
    let dgctl = Dgctl::stranger();
    assert_eq!(sign_in(&dgctl, &prod, "prod").await.status, 0);
    // The environment is of another server: the profile that is named goes before it, with its own token.
    let dgctl = dgctl
        .with("DATAGUARDIAN_SERVER", &other.url())
        .with("DATAGUARDIAN_CA", &other.ca_file())
        .with("DATAGUARDIAN_TOKEN", "dg_2_other");
    assert_eq!(dgctl.run("whoami --profile prod").await.status, 0);
    assert_eq!(prod.last_authorization(), "Bearer dg_1_secret");
    assert_eq!(other.last_authorization(), "");
    // And the other way round.
    assert_eq!(dgctl.run("whoami").await.status, 0);
    assert_eq!(other.last_authorization(), "Bearer dg_2_other");
    let ran = dgctl
        .run(&format!("whoami --profile prod --server {}", other.url()))
        .await;
    assert_eq!(ran.status, 2, "neither token is for that server: {ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_without_a_name_is_the_one_that_was_there_before() {
    let server = FakeServer::start().await;
    let dgctl = Dgctl::signed_in(&server);
    assert_eq!(dgctl.run("whoami").await.status, 0);
    assert_eq!(dgctl.run("whoami --profile default").await.status, 0);
    let listed = dgctl.run("profile list").await;
    assert!(
        listed.stdout.contains("default") && listed.stdout.contains("yes"),
        "{listed:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_destroys_names_the_server_and_the_profile() {
    let server = FakeServer::start().await;
    let dgctl = Dgctl::stranger();
    assert_eq!(sign_in(&dgctl, &server, "prod").await.status, 0);
    let ran = dgctl.run("job delete nightly").await;
    assert_eq!(ran.status, 2);
    let place = format!("On {} (profile prod): Remove job nightly?", server.url());
    assert!(ran.stderr.contains(&place), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn yaml_has_the_fields_of_the_json() {
    let server = FakeServer::start().await;
    let dgctl = Dgctl::signed_in(&server);
    let json = dgctl.run("whoami -o json").await;
    let yaml = dgctl.run("whoami -o yaml").await;
    assert_eq!((json.status, yaml.status), (0, 0), "{yaml:?}");
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let yaml: serde_json::Value = serde_saphyr::from_str(&yaml.stdout).unwrap();
    assert_eq!(yaml, json);
}
