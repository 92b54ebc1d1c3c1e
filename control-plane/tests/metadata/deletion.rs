//! Deleting, pinning and importing backups, as the catalogue sees it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use dataguardian_control_plane::domain::backup::BackupFilter;
use dataguardian_control_plane::domain::cleanup::{Held, Sighting};
use dataguardian_control_plane::domain::deletion::{BackupState, CopyState, LastBackup};
use dataguardian_control_plane::domain::import::Unlisted;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::pack::{DataObject, ObjectKind};
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::services::deletion::DeletionRequest;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::BackupId;

use crate::world::{World, on_both};

const GRACE: TimeDelta = TimeDelta::hours(72);

fn request(backup: BackupId) -> DeletionRequest {
    DeletionRequest {
        backup,
        last: LastBackup::Keep,
        revision: None,
    }
}

on_both! {
    async fn a_backup_goes_step_by_step_and_only_its_id_is_remembered(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let mut made = Vec::new();
        for _ in 0..2 {
            world.run(&job).await;
            made.push(agent.back_up().await.backup().unwrap());
        }
        let [first, second] = made[..] else { panic!("two backups") };
        let (deletion, backups) = (&world.services.deletion, &world.services.backups);
        let refused = deletion.delete(request(second)).await.unwrap_err();
        assert_eq!(refused.reason(), "BACKUP_IS_NEWEST");
        let pinned = deletion.pin(first, None, ("ada".into(), "the audit".into())).await.unwrap();
        assert_eq!(pinned.pin.as_ref().map(|pin| pin.reason.as_str()), Some("the audit"));
        assert_eq!(deletion.delete(request(first)).await.unwrap_err().reason(), "BACKUP_PINNED");
        let stale = DeletionRequest { revision: Some(pinned.revision - 1), ..request(first) };
        assert_eq!(deletion.delete(stale).await.unwrap_err().reason(), "ETAG_MISMATCH");
        deletion.unpin(first, Some(pinned.revision)).await.unwrap();
        let would = deletion.validate(request(first)).await.unwrap();
        assert_eq!((would.remaining, would.newest_remaining.map(|other| other.id)), (1, Some(second)));
        assert_eq!(backups.get(&BackupChoice::Id(first, None)).await.unwrap().state, BackupState::Complete);

        let deleted = deletion.delete(request(first)).await.unwrap();
        assert_eq!(deleted.backup.state, BackupState::Deleting);
        assert_eq!(deletion.delete(request(first)).await.unwrap().backup.state, BackupState::Deleting);
        let page = PageRequest::parse(0, "").unwrap();
        let listed = backups.list(&BackupFilter::default(), &page).await.unwrap();
        assert_eq!(listed.items.iter().map(|backup| backup.id).collect::<Vec<_>>(), [second]);
        let all = BackupFilter { with_deleting: true, ..BackupFilter::default() };
        assert_eq!(backups.list(&all, &page).await.unwrap().items.len(), 2);
        assert_eq!(deletion.pin(first, None, ("ada".into(), "late".into())).await.unwrap_err().reason(), "BACKUP_DELETING");

        let leaving = deletion.leaving().await.unwrap();
        let [(backup, storage)] = &leaving[..] else { panic!("one copy") };
        assert_eq!(*backup, first);
        let manifest = &deletion.manifest(first, storage.id).await.unwrap().unwrap();
        deletion.failed(manifest, Failure::new(FailureKind::AgentLost, "away")).await.unwrap();
        let shown = backups.get(&BackupChoice::Id(first, None)).await.unwrap();
        assert_eq!((shown.copies[0].state, shown.copies[0].failure.is_some()), (CopyState::Deleting, true));
        assert!(deletion.gone(manifest).await.unwrap());
        assert!(!deletion.gone(manifest).await.unwrap(), "the same again changes nothing");
        assert_eq!(backups.get(&BackupChoice::Id(first, None)).await.unwrap_err().reason(), "BACKUP_NOT_FOUND");
        assert!(deletion.leaving().await.unwrap().is_empty());

        // Its datasource is looked at until nothing of it is left, and it is known if it comes back.
        let cleanup = &world.services.cleanup;
        assert_eq!(cleanup.suspected(GRACE).await.unwrap(), BTreeSet::from([job.datasource]));
        let refused = world.services.datasources.delete(&Reference::Id(job.datasource)).await.unwrap_err();
        assert_eq!(refused.reason(), "DATASOURCE_IN_USE");
        world.advance(TimeDelta::seconds(1));
        let places = cleanup.places(job.datasource).await.unwrap();
        let look = |manifests: BTreeSet<BackupId>, unnamed: BTreeMap<DataObject, u64>| {
            let sighting = Sighting { manifests, unnamed, absent: BTreeSet::new() };
            let seen = BTreeMap::from([(storage.id, Ok(sighting))]);
            async move { cleanup.plan(job.datasource, seen, GRACE).await.unwrap() }
        };
        let back = look(BTreeSet::from([first, second]), BTreeMap::new()).await;
        assert_eq!(back.returned, BTreeMap::from([(storage.id, BTreeSet::from([first]))]));
        let stray = DataObject { kind: ObjectKind::Pack, id: [5; 32] };
        let strange = look(BTreeSet::from([second, BackupId::new()]), BTreeMap::from([(stray, 7)])).await;
        assert!(matches!(strange.held.get(&storage.id), Some(Held::UnknownManifest(_))));
        cleanup.note(&places, &strange).await.unwrap();
        cleanup.note(&places, &strange).await.unwrap();
        let storages = &world.services.storages;
        assert_eq!(storages.holds(storage.id).await.unwrap()[0].datasource, "shop");
        assert_eq!(storages.held().await.unwrap(), ["shop"]);
        let found = look(BTreeSet::from([second]), BTreeMap::from([(stray, 7)])).await;
        assert!(!found.is_settled());
        cleanup.note(&places, &found).await.unwrap();
        assert!(storages.held().await.unwrap().is_empty());
        let settled = look(BTreeSet::from([second]), BTreeMap::new()).await;
        cleanup.note(&places, &settled).await.unwrap();
        assert!(cleanup.suspected(GRACE).await.unwrap().is_empty());
    }

    async fn a_storage_that_never_comes_back_is_forgotten_with_what_was_to_go(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let made = agent.back_up().await.backup().unwrap();
        world.services.jobs.delete(&Reference::Id(job.id)).await.unwrap();
        let storage = Reference::Id(job.storages[0].id);
        assert_eq!(world.services.storages.delete(&storage).await.unwrap_err().reason(), "STORAGE_IN_USE");
        let last = DeletionRequest { last: LastBackup::MayGo, ..request(made) };
        world.services.deletion.delete(last).await.unwrap();
        world.services.storages.delete(&storage).await.unwrap();
        let gone = world.services.backups.get(&BackupChoice::Id(made, None)).await.unwrap_err();
        assert_eq!(gone.reason(), "BACKUP_NOT_FOUND");
    }

    async fn what_is_known_in_a_storage_is_not_imported_there_again(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let made = agent.back_up().await.backup().unwrap();
        let (storage, strange) = (job.storages[0].id, BackupId::new());
        let there = BTreeSet::from([(job.datasource, made), (job.datasource, strange)]);
        let imports = &world.services.imports;
        let unlisted = Unlisted { datasource: job.datasource, backup: strange };
        assert_eq!(imports.missing(storage, &there).await.unwrap(), [unlisted]);
    }
}
