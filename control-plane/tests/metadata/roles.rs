//! Roles: what they reach, who keeps one, and what became of the users from before there were any.

use dataguardian_control_plane::domain::access::{Grant, Mandate, Permissions, Resource, Rights, Scope};
use dataguardian_control_plane::domain::backup::BackupFilter;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::restore::{BackupChoice, NewRestore, RestoreOptions};
use dataguardian_control_plane::domain::user::UserReference;
use dataguardian_control_plane::services::access::{NewUser, UserChange};
use dataguardian_core::secret::Secret;
use dataguardian_migrations::{MigrationName as _, Migrator, MigratorTrait as _};

use crate::access::{PASSWORD, set_up};
use crate::world::{World, on_both};

/// A caller of a method with that permission, with all the permissions of a restorer over one thing.
fn mandate(permission: &str, over: Resource) -> Mandate {
    let names = [
        "backups.get",
        "backups.list",
        "backups.download",
        "datasources.get",
        "restores.start",
    ];
    let grant = Grant {
        permissions: Permissions::from_names(names.map(str::to_owned)),
        scope: Scope::Only(over),
    };
    Mandate {
        rights: Rights::of_user(vec![grant]),
        permission: permission.to_owned(),
    }
}

on_both! {
    async fn a_backup_is_reached_over_its_datasource_and_over_its_job(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let id = agent.back_up().await.backup().unwrap();
        let other = world.datasource(agent.id, "crm").await;
        let reach = &world.services.reach;
        let (own, by_job) = (Resource::Datasource(job.datasource), Resource::Job(job.id));
        let foreign = Resource::Datasource(other);
        for over in [own, by_job] {
            reach.backup(&mandate("backups.download", over), id).await.unwrap();
            let refused = reach.backup(&mandate("backups.delete", over), id).await.unwrap_err();
            assert_eq!(refused.reason(), "PERMISSION_DENIED");
            assert!(refused.to_string().contains("backups.delete"));
            let filter = reach.listed_backups(&mandate("backups.list", over), BackupFilter::default()).await.unwrap();
            let listed = world.services.backups.list(&filter, &PageRequest::default()).await.unwrap();
            assert_eq!(listed.items.len(), 1);
        }
        let unseen = reach.backup(&mandate("backups.download", foreign), id).await.unwrap_err();
        assert_eq!(unseen.reason(), "BACKUP_NOT_FOUND");
        let filter = reach.listed_backups(&mandate("backups.list", foreign), BackupFilter::default()).await.unwrap();
        let listed = world.services.backups.list(&filter, &PageRequest::default()).await.unwrap();
        assert!(listed.items.is_empty());
        let latest = BackupChoice::Latest(Reference::Id(job.datasource));
        let unseen = reach.chosen(&mandate("backups.download", foreign), latest.clone()).await.unwrap_err();
        assert_eq!(unseen.reason(), "DATASOURCE_NOT_FOUND");
        let chosen = reach.chosen(&mandate("backups.download", own), latest).await.unwrap();
        assert_eq!(chosen, BackupChoice::Id(id, None));
    }

    async fn a_restore_needs_what_it_is_of_and_what_it_goes_into(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let id = agent.back_up().await.backup().unwrap();
        let other = world.datasource(agent.id, "crm").await;
        let reach = &world.services.reach;
        let into = |target| NewRestore {
            backup: BackupChoice::Id(id, None),
            target,
            options: RestoreOptions::default(),
            request_id: None,
        };
        let start = |over| mandate("restores.start", over);
        let own = Resource::Datasource(job.datasource);
        let restore = reach.restore(&start(own), into(None)).await.unwrap();
        assert_eq!(restore.target, Some(Reference::Id(job.datasource)));
        let elsewhere = reach.restore(&start(own), into(Some(Reference::Id(other)))).await.unwrap_err();
        assert_eq!(elsewhere.reason(), "DATASOURCE_NOT_FOUND");
        let by_target = reach.restore(&start(Resource::Datasource(other)), into(Some(Reference::Id(other)))).await;
        assert_eq!(by_target.unwrap_err().reason(), "BACKUP_NOT_FOUND");
        let by_job = reach.restore(&start(Resource::Job(job.id)), into(None)).await.unwrap_err();
        assert_eq!(by_job.reason(), "PERMISSION_DENIED", "the datasource is more than the job");
    }

    async fn users_from_before_there_were_roles_are_administrators(world: &World) {
        let token = set_up(world).await;
        let direct = world.connect().await;
        let all = Migrator::migrations();
        let roles = all.iter().position(|one| one.name().ends_with("_roles")).unwrap();
        let steps = u32::try_from(all.len() - roles).unwrap();
        Migrator::down(&direct, Some(steps)).await.unwrap();
        Migrator::up(&direct, None).await.unwrap();
        let caller = world.services.auth.verify_bearer(&token).await.unwrap();
        assert!(caller.rights.everywhere("users.delete"));
        let seeded = world.services.access.list_roles().await.unwrap();
        let names: Vec<_> = seeded.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(names, ["admin", "operator", "restorer", "viewer"]);
    }

    async fn of_two_administrators_who_lock_each_other_out_one_stays(world: &World) {
        let auth = &world.services.auth;
        let first = auth.verify_bearer(&set_up(world).await).await.unwrap();
        let new = NewUser {
            username: "second".into(),
            password: Secret::new(PASSWORD),
            roles: vec!["admin".into()],
        };
        let second = world.services.access.create_user(&first.rights, new).await.unwrap().user;
        let replica = world.replica().await;
        let lock = || UserChange { locked: Some(true), password: None };
        let (one, other) = (UserReference::Id(first.user.id), UserReference::Id(second.id));
        let (one, other) = tokio::join!(
            world.services.access.update_user(&first, &other, lock()),
            replica.access.update_user(&first, &one, lock()),
        );
        let refused: Vec<_> = [one, other].into_iter().filter_map(Result::err).collect();
        assert_eq!(refused.iter().map(|error| error.reason()).collect::<Vec<_>>(), ["LAST_ADMIN"]);
    }
}
