//! Datasources, storages, jobs.

use dataguardian_control_plane::domain::datasource::DatasourceChange;
use dataguardian_control_plane::domain::job::{BackupOptions, Job, JobChange};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::storage::{
    NewLocation, NewStorage, PreparedRepository, S3Bucket, S3Change, S3Secrets, StorageChange,
    StorageCreation,
};
use dataguardian_core::chunking::ChunkingReason;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::DatasourceId;
use dataguardian_core::secret::Secret;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_repository::chunker::Profile;
use uuid::Uuid;

use crate::world::{World, new_datasource, new_job, new_storage, on_both};

on_both! {
    async fn a_datasource_keeps_what_it_was_told(world: &World) {
        let agent = world.agent("db1").await;
        let datasources = &world.services.datasources;
        let made = datasources.create(new_datasource(agent.id, "shop")).await.unwrap();
        let read = datasources.get(&Reference::Name("shop".parse().unwrap())).await.unwrap();
        assert_eq!(read, made);
        assert_eq!(read.agent_name.as_str(), "db1");
        let target = datasources.target(made.id).await.unwrap();
        assert_eq!(target.password.unwrap().expose(), "hunter2-hunter2");

        let taken = datasources.create(new_datasource(agent.id, "shop")).await.unwrap_err();
        assert_eq!((taken.code(), taken.reason()), (ErrorCode::AlreadyExists, "NAME_TAKEN"));
        assert_eq!(datasources.validate(new_datasource(agent.id, "shop")).await.unwrap_err().reason(), "NAME_TAKEN");
        datasources.validate(new_datasource(agent.id, "blog")).await.unwrap();
        let missing = datasources.get(&Reference::Name("blog".parse().unwrap())).await.unwrap_err();
        assert_eq!((missing.code(), missing.reason()), (ErrorCode::NotFound, "DATASOURCE_NOT_FOUND"));
    }

    async fn a_datasource_changes_only_as_it_was_read(world: &World) {
        let agent = world.agent("db1").await;
        let datasources = &world.services.datasources;
        let made = datasources.create(new_datasource(agent.id, "shop")).await.unwrap();
        let reference = Reference::Id(made.id);
        let change = |revision| DatasourceChange {
            host: Some("db.internal".into()),
            password: Some(None),
            databases: Some(DatabaseSelection::AllExcept(vec!["test.*".into()])),
            expected_revision: Some(revision),
            ..DatasourceChange::default()
        };
        let after = datasources.update(&reference, change(made.revision)).await.unwrap().after;
        assert_eq!(after.connection.host, "db.internal");
        assert_eq!(after.connection.port, made.connection.port);
        assert_eq!(after.databases, DatabaseSelection::AllExcept(vec!["test.*".into()]));
        assert_eq!(after.revision, made.revision + 1);
        assert!(datasources.target(made.id).await.unwrap().password.is_none());
        let stale = datasources.update(&reference, change(made.revision)).await.unwrap_err();
        assert_eq!((stale.code(), stale.reason()), (ErrorCode::Aborted, "ETAG_MISMATCH"));
        let bad = DatasourceChange { host: Some(String::new()), ..DatasourceChange::default() };
        assert_eq!(datasources.update(&reference, bad).await.unwrap_err().fields()[0].field, "host");
    }

    async fn the_same_request_makes_one_thing(world: &World) {
        let agent = world.agent("db1").await;
        let request_id = Some(Uuid::now_v7());
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..6 {
            let datasources = world.services.datasources.clone();
            let mut new = new_datasource(agent.id, "shop");
            new.request_id = request_id;
            asking.spawn(async move { datasources.create(new).await.unwrap().id });
        }
        let ids: std::collections::HashSet<DatasourceId> = asking.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 1);
        let mut other = new_datasource(agent.id, "blog");
        other.request_id = request_id;
        let reused = world.services.datasources.create(other).await.unwrap_err();
        assert_eq!(reused.reason(), "REQUEST_ID_REUSED");

        let job = world.job(agent.id, "nightly", BackupOptions::default()).await;
        let reference = Reference::Id(job.id);
        let run = || world.services.jobs.run(&reference, request_id);
        assert_eq!(run().await.unwrap().id, run().await.unwrap().id);
    }

    async fn lists_come_in_pages(world: &World) {
        let agent = world.agent("db1").await;
        for name in ["delta", "alpha", "charlie", "bravo"] {
            world.datasource(agent.id, name).await;
        }
        let (mut names, mut token) = (Vec::new(), String::new());
        loop {
            let page = PageRequest::parse(3, &token).unwrap();
            let page = world.services.datasources.list(&page).await.unwrap();
            names.extend(page.items.into_iter().map(|datasource| datasource.name.to_string()));
            token = page.next_page_token;
            if token.is_empty() { break; }
        }
        assert_eq!(names, ["alpha", "bravo", "charlie", "delta"]);
    }

    async fn a_storage_is_made_in_two_steps(world: &World) {
        let agent = world.agent("db1").await;
        let storages = &world.services.storages;
        let mut new = new_storage(agent.id, "local");
        new.request_id = Some(Uuid::now_v7());
        let StorageCreation::Prepare(draft) = storages.begin_create(new.clone()).await.unwrap() else {
            panic!("nothing is there yet")
        };
        let prepared = PreparedRepository { repository: draft.repository, conditional_put: true };
        let made = storages.finish_create((*draft).clone(), prepared).await.unwrap();
        assert_eq!(storages.finish_create(*draft, prepared).await.unwrap(), made, "the same request again");
        assert_eq!(storages.begin_create(new).await.unwrap(), StorageCreation::Done(Box::new(made.clone())));
        assert_eq!(storages.get(&Reference::Id(made.id)).await.unwrap(), made);

        let mut elsewhere = new_storage(agent.id, "local");
        elsewhere.name = "again".parse().unwrap();
        assert_eq!(storages.begin_create(elsewhere).await.unwrap_err().reason(), "PLACE_TAKEN");
        storages.delete(&Reference::Id(made.id)).await.unwrap();
        assert_eq!(storages.get(&Reference::Id(made.id)).await.unwrap_err().reason(), "STORAGE_NOT_FOUND");
    }

    async fn two_storages_never_share_a_prefix_of_a_bucket(world: &World) {
        let storages = &world.services.storages;
        let new = |name: &str, endpoint: &str, prefix: &str| NewStorage {
            name: name.parse().unwrap(),
            location: NewLocation::S3(
                Box::new(S3Bucket {
                    endpoint: endpoint.to_owned(), bucket: "backups".to_owned(), prefix: prefix.to_owned(),
                    access_key_id: "keeper".to_owned(), ..S3Bucket::default()
                }),
                S3Secrets { secret: Secret::new("word"), delete: None },
            ),
            max_concurrent: None,
            request_id: None,
        };
        let made = async |new: NewStorage| {
            let StorageCreation::Prepare(draft) = storages.begin_create(new).await.unwrap() else {
                panic!("nothing was answered before")
            };
            assert_eq!(draft.neighbours, [], "no agent looks into a bucket for links");
            let prepared = PreparedRepository { repository: draft.repository, conditional_put: true };
            storages.finish_create(*draft, prepared).await.unwrap()
        };
        made(new("offsite", "https://s3.example.org", "dg/one")).await;
        for (endpoint, prefix) in [
            ("https://s3.example.org", "dg/one"), ("https://S3.example.org:443/", "dg/one/more"), ("http://s3.example.org", "dg"),
            ("https://s3.example.org", ""),
        ] {
            let mut new = new("copy", endpoint, prefix);
            if let NewLocation::S3(bucket, _) = &mut new.location { bucket.allow_http = true; }
            let refused = storages.begin_create(new).await.unwrap_err();
            assert_eq!(refused.reason(), "PLACE_TAKEN", "{endpoint} {prefix}");
            assert!(refused.to_string().contains("storage offsite"), "{endpoint} {prefix}: {refused}");
        }
        // What only begins alike, and what is on another server, is elsewhere.
        made(new("beside", "https://s3.example.org", "dg/one-more")).await;
        let copy = made(new("copy", "https://s3.example.net", "dg/one/more")).await;
        // Another address would put it there.
        let change = |endpoint: &str| StorageChange {
            s3: S3Change { endpoint: Some(endpoint.to_owned()), ..S3Change::default() },
            ..StorageChange::default()
        };
        let refused = storages.begin_update(&Reference::Id(copy.id), &change("https://s3.example.org")).await.unwrap_err();
        assert_eq!(refused.reason(), "PLACE_TAKEN");
        assert!(refused.to_string().contains("storage offsite is at s3://backups/dg/one, around that place"), "{refused}");
        storages.begin_update(&Reference::Id(copy.id), &change("https://other.example.net")).await.unwrap();
    }

    async fn two_storages_never_share_a_place(world: &World) {
        let (here, there) = (world.agent("db1").await, world.agent("db2").await);
        let storages = &world.services.storages;
        let first = world.storage(here.id, "vault").await;
        let first = storages.get(&Reference::Id(first)).await.unwrap();
        let at = |agent, path: &str| NewStorage {
            location: NewLocation::Local { agent: Reference::Id(agent), path: path.into() },
            ..new_storage(agent, "copy")
        };
        for path in ["/var/backups/vault", "/var/backups/vault/", "/var/backups/vault/sub/folder", "/var/backups", "/"] {
            let refused = storages.begin_create(at(here.id, path)).await.unwrap_err();
            assert_eq!(refused.reason(), "PLACE_TAKEN", "{path}");
            assert!(refused.to_string().contains("vault"), "{path}: {refused}");
        }
        for (agent, path) in [(here.id, "/var/backups/vault2"), (there.id, "/var/backups/vault")] {
            let StorageCreation::Prepare(draft) = storages.begin_create(at(agent, path)).await.unwrap() else {
                panic!("nothing was answered before")
            };
            // The agent found the first one's repository there: a link, a second mount of the same disk.
            let found = PreparedRepository { repository: first.repository, conditional_put: true };
            let refused = storages.finish_create(*draft, found).await.unwrap_err();
            assert_eq!(refused.reason(), "PLACE_TAKEN", "{path}");
            assert!(refused.to_string().contains("vault"), "{path}: {refused}");
        }
        storages.delete(&Reference::Id(first.id)).await.unwrap();
        let StorageCreation::Prepare(draft) = storages.begin_create(at(here.id, "/var/backups/vault")).await.unwrap() else {
            panic!("nothing was answered before")
        };
        let found = PreparedRepository { repository: first.repository, conditional_put: true };
        storages.finish_create(*draft, found).await.expect("a forgotten storage's repository may be taken on again");
    }

    async fn a_job_names_storages_that_its_agent_reaches(world: &World) {
        let (here, there) = (world.agent("here").await, world.agent("there").await);
        let datasource = world.datasource(here.id, "shop").await;
        let (near, far) = (world.storage(here.id, "near").await, world.storage(there.id, "far").await);
        let jobs = &world.services.jobs;
        let beyond = jobs.create(new_job("nightly", datasource, &[near, far])).await.unwrap_err();
        assert_eq!((beyond.code(), beyond.reason()), (ErrorCode::FailedPrecondition, "STORAGE_NOT_REACHABLE"));
        assert!(beyond.to_string().contains("far") && !beyond.to_string().contains("near"), "{beyond}");
        let twice = jobs.create(new_job("nightly", datasource, &[near, near])).await.unwrap_err();
        assert_eq!(twice.fields()[0].field, "storages");
        assert_eq!(jobs.create(new_job("nightly", datasource, &[])).await.unwrap_err().fields()[0].field, "storages");

        let second = world.storage(here.id, "second").await;
        let made = jobs.create(new_job("nightly", datasource, &[second, near])).await.unwrap();
        let read = jobs.get(&Reference::Id(made.id)).await.unwrap();
        assert_eq!(read.next_chunking, Some((Profile::ContentDefined, ChunkingReason::Usual)));
        assert_eq!(Job { next_chunking: None, ..read.clone() }, made);
        let names: Vec<_> = read.storages.iter().map(|storage| storage.name.as_str()).collect();
        assert_eq!(names, ["second", "near"]);
        let change = JobChange {
            storages: Some(vec![Reference::Id(near)]),
            strategy: Some(Strategy::Fallback),
            expected_revision: Some(made.revision),
            ..JobChange::default()
        };
        let after = jobs.update(&Reference::Id(made.id), change.clone()).await.unwrap().after;
        assert_eq!((after.storages.len(), after.strategy), (1, Strategy::Fallback));
        assert_eq!(jobs.update(&Reference::Id(made.id), change).await.unwrap_err().reason(), "ETAG_MISMATCH");
    }

    async fn what_is_used_can_not_be_deleted(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "nightly", BackupOptions::default()).await;
        let services = &world.services;
        let (datasource, storage) = (Reference::Id(job.datasource), Reference::Id(job.storages[0].id));
        for (error, reason) in [
            (services.datasources.delete(&datasource).await.unwrap_err(), "DATASOURCE_IN_USE"),
            (services.storages.delete(&storage).await.unwrap_err(), "STORAGE_IN_USE"),
        ] {
            assert_eq!(error.reason(), reason);
            assert!(error.to_string().contains("jobs first"), "{error}");
        }
        let execution = world.run(&job).await;
        assert_eq!(services.jobs.delete(&Reference::Id(job.id)).await.unwrap_err().reason(), "JOB_BUSY");
        let done = agent.back_up().await;
        assert_eq!(done.id, execution.id);
        services.jobs.delete(&Reference::Id(job.id)).await.unwrap();
        for error in [
            services.datasources.delete(&datasource).await.unwrap_err(),
            services.storages.delete(&storage).await.unwrap_err(),
        ] {
            assert!(["DATASOURCE_IN_USE", "STORAGE_IN_USE"].contains(&error.reason()), "{error}");
            let told = error.to_string();
            assert!(told.contains("dgctl backup delete"), "{told}");
        }
        let history = services.executions.get(execution.id).await.unwrap();
        assert_eq!((history.job, history.datasource_name.as_str()), (None, "nightly"));
    }

    async fn a_storage_in_use_by_a_run_stays_though_its_job_lets_go(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "nightly", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let other = world.storage(agent.id, "other").await;
        let change = JobChange { storages: Some(vec![Reference::Id(other)]), ..JobChange::default() };
        world.services.jobs.update(&Reference::Id(job.id), change).await.unwrap();
        let storage = Reference::Id(job.storages[0].id);
        assert_eq!(world.services.storages.delete(&storage).await.unwrap_err().reason(), "STORAGE_IN_USE");
        world.services.executions.cancel(execution.id).await.unwrap();
        world.services.storages.delete(&storage).await.unwrap();
    }

    async fn awkward_texts_survive(world: &World) {
        let agent = world.agent("db1").await;
        let mut new = new_datasource(agent.id, "shop");
        new.connection.username = r#"O'Brien "\ ☃ 𝄞"#.into();
        new.password = Some(Secret::new("p'\"\\☃\n\t "));
        new.databases = DatabaseSelection::Named(vec![r#"we"ird; DROP TABLE users--"#.into(), "ä".into()]);
        let made = world.services.datasources.create(new.clone()).await.unwrap();
        assert_eq!(world.services.datasources.get(&Reference::Id(made.id)).await.unwrap(), made);
        let target = world.services.datasources.target(made.id).await.unwrap();
        assert_eq!(target.password, new.password);
        new.name = "zero".parse().unwrap();
        new.connection.username = "a\0b".into();
        assert_eq!(world.services.datasources.create(new).await.unwrap_err().fields()[0].field, "username");
    }
}
