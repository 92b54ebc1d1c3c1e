//! The schema: from nothing to the newest and back, on both; and how the store is opened.

use std::os::unix::fs::PermissionsExt as _;

use dataguardian_control_plane::secrets::SecretsError;
use dataguardian_control_plane::secrets::master_key::MasterKeySource;
use dataguardian_control_plane::services::Error;
use dataguardian_control_plane::services::installation::Installation;
use dataguardian_control_plane::store::{Backend, Store, StoreError, StoreSettings};
use dataguardian_core::clock::{ManualClock, SharedClock};
use dataguardian_migrations::{Migrator, MigratorTrait as _};
use dataguardian_tests::postgres::{Postgres, Version};

use crate::world::{World, authority, on_both, start_of_time};

on_both! {
    async fn migrations_go_up_down_and_up_again(world: &World) {
        world.store.check_schema().await.unwrap();
        world.store.migrate().await.unwrap();
        let direct = world.connect().await;
        Migrator::down(&direct, None).await.unwrap();
        let old = world.store.check_schema().await.unwrap_err();
        let all = Migrator::migrations().len();
        assert!(matches!(old, StoreError::OldSchema { missing } if missing == all), "{old}");
        Migrator::up(&direct, None).await.unwrap();
        world.store.check_schema().await.unwrap();
        world.agent("db1").await;
    }

    async fn the_master_key_must_be_the_right_one(world: &World) {
        let clock: SharedClock = ManualClock::at(start_of_time());
        let load = async |source: MasterKeySource| Installation::load_or_create(&world.store, &source, &clock, authority).await;
        let key = world.directory.path().join("master.key");
        let again = load(MasterKeySource { file: Some(key), ..MasterKeySource::default() }).await.unwrap();
        assert_eq!(again.control_plane, world.context.installation.control_plane);
        assert_eq!(again.signing.verifying_key(), world.context.installation.signing.verifying_key());
        let elsewhere = world.directory.path().join("another.key");
        let lost = load(MasterKeySource { generated: Some(elsewhere.clone()), ..MasterKeySource::default() }).await;
        assert!(matches!(lost, Err(Error::Secrets(SecretsError::MissingKey { .. }))));
        assert!(!elsewhere.exists(), "no new key is made over an old database");
        let wrong = dataguardian_core::secret::Secret::new(hex::encode([1; 32]));
        let wrong = load(MasterKeySource { environment: Some(wrong), ..MasterKeySource::default() }).await.unwrap_err();
        assert!(wrong.to_string().contains("is not the one that this database was made under"), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_start_together_make_one_installation() {
    let server = Postgres::start(Version::V15).unwrap();
    server.create_database("metadata").unwrap();
    let settings = StoreSettings::new(server.connection().url("metadata"));
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let settings = settings.clone();
        starting.spawn(async move {
            let store = Store::open(&settings).await.unwrap();
            store.migrate().await.unwrap();
            let clock: SharedClock = ManualClock::at(start_of_time());
            let environment = Some(dataguardian_core::secret::Secret::new(hex::encode([1; 32])));
            let source = MasterKeySource {
                environment,
                ..MasterKeySource::default()
            };
            let made = Installation::load_or_create(&store, &source, &clock, authority)
                .await
                .unwrap();
            made.control_plane
        });
    }
    let mut ids = starting.join_all().await;
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn one_process_at_a_time_uses_a_data_directory() {
    let world = World::sqlite().await;
    let refused = Store::open(&world.settings).await.unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused}");
    assert_eq!(world.store.backend(), Backend::Sqlite);
}

#[tokio::test]
async fn the_sqlite_files_are_private_and_durable() {
    let world = World::sqlite().await;
    for file in ["dataguardian.db", "dataguardian.db-wal"] {
        let mode = world
            .directory
            .path()
            .join(file)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
}

#[tokio::test]
async fn other_databases_are_refused() {
    for url in ["", "mysql://localhost/x", "sqlite://"] {
        let refused = Store::open(&StoreSettings::new(url)).await.unwrap_err();
        assert!(matches!(refused, StoreError::UnknownUrl), "{url}");
    }
}

#[tokio::test]
async fn no_table_is_made_among_somebody_elses() {
    let server = Postgres::start(Version::V15).unwrap();
    server.create_database("shop").unwrap();
    server.psql("shop", "CREATE TABLE orders (id int)").unwrap();
    let store = Store::open(&StoreSettings::new(server.connection().url("shop")))
        .await
        .unwrap();
    let refused = store.migrate().await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::TablesOfOthers { one } if one == "orders"),
        "{refused}"
    );
    let tables = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.psql("shop", tables).unwrap().trim(), "orders");
    // In a schema of its own it may be.
    server.psql("shop", "CREATE SCHEMA guardian").unwrap();
    let alone = format!(
        "ALTER ROLE {} SET search_path = guardian",
        server.connection().user
    );
    server.psql("shop", &alone).unwrap();
    let store = Store::open(&StoreSettings::new(server.connection().url("shop")))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
}
