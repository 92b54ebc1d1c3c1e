//! What is secret is nowhere in the database in plain text.

use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_core::secret::Secret;

use crate::access::begin;
use crate::world::{AUTHORITY_KEY, World};

/// Everything secret that has gone through the world, by name.
async fn fill(world: &World) -> Vec<(&'static str, Vec<u8>)> {
    let auth = &world.services.auth;
    let path = auth
        .provide_setup_token(world.directory.path())
        .await
        .unwrap()
        .unwrap();
    let setup = std::fs::read_to_string(path).unwrap().trim().to_owned();
    let password = Secret::new("the administrator's password");
    let login = auth
        .setup(&Secret::new(setup.clone()), "root", password.clone(), begin())
        .await
        .unwrap();
    let join = world
        .services
        .agents
        .create_join_token("other", None)
        .await
        .unwrap();
    let agent = world.agent("db1").await;
    let job = world.job(agent.id, "shop", BackupOptions::default()).await;
    world.run(&job).await;
    agent.back_up().await;
    let channel = crate::notification_channels::webhook("ops");
    world
        .services
        .notifications
        .create_channel(channel)
        .await
        .unwrap();
    let installation = &world.context.installation;
    let keys = world.services.keys.of_datasource(job.datasource).await.unwrap();
    let keys = keys.to_bytes();
    let master = std::fs::read_to_string(world.directory.path().join("master.key")).unwrap();
    let secret_of = |token: &Secret| token.expose().rsplit('_').next().unwrap().as_bytes().to_vec();
    let raw_of = |token: &Secret| hex::decode(token.expose().rsplit('_').next().unwrap()).unwrap();
    vec![
        ("the datasource's password", b"hunter2-hunter2".to_vec()),
        (
            "the administrator's password",
            password.expose().as_bytes().to_vec(),
        ),
        ("the setup token", setup.into_bytes()),
        ("the API token", secret_of(&login.secret)),
        ("the webhook's URL", b"a-path-that-nobody-sees".to_vec()),
        ("the webhook's signing secret", b"a signing secret".to_vec()),
        ("the webhook's header", b"a-bearer-nobody-sees".to_vec()),
        ("the API token's bits", raw_of(&login.secret)),
        ("the join token", secret_of(&join.token)),
        ("the join token's bits", raw_of(&join.token)),
        ("the authority's key", AUTHORITY_KEY.to_vec()),
        ("the signing key", installation.signing.expose().to_vec()),
        ("the datasource's data key", keys.expose()[2..34].to_vec()),
        ("the master key", master.trim().as_bytes().to_vec()),
    ]
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_in_the_sqlite_files() {
    let world = World::sqlite().await;
    let secrets = Box::pin(fill(&world)).await;
    for file in ["dataguardian.db", "dataguardian.db-wal"] {
        let bytes = std::fs::read(world.directory.path().join(file)).unwrap();
        for (name, secret) in &secrets {
            assert!(!contains(&bytes, secret), "{name} is in {file}");
            assert!(
                !contains(&bytes, hex::encode(secret).as_bytes()),
                "{name} is in {file} as hexadecimal"
            );
        }
    }
    world
        .services
        .agents
        .create_join_token("seen", None)
        .await
        .unwrap();
    let wal = std::fs::read(world.directory.path().join("dataguardian.db-wal")).unwrap();
    assert!(
        contains(&wal, b"seen"),
        "what is not secret would have been found"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_secret_is_in_a_postgres_dump() {
    let world = World::postgres().await;
    let secrets = Box::pin(fill(&world)).await;
    let server = world.server.as_ref().unwrap();
    let dump = server.command("pg_dump", "metadata").output().unwrap();
    assert!(dump.status.success());
    assert!(
        contains(&dump.stdout, b"db1"),
        "what is not secret would have been found"
    );
    for (name, secret) in &secrets {
        assert!(!contains(&dump.stdout, secret), "{name} is in the dump");
        assert!(
            !contains(&dump.stdout, hex::encode(secret).as_bytes()),
            "{name} is in the dump as hexadecimal"
        );
    }
}
