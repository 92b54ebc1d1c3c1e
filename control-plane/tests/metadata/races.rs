//! Two transactions on PostgreSQL, one of which comes in between: a backup that is chosen as a base and deleted, a backup that
//! begins and packs that are condemned. On SQLite there is one at a time.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::Assignment;
use dataguardian_control_plane::domain::cleanup::Sighting;
use dataguardian_control_plane::domain::deletion::{BackupState, LastBackup};
use dataguardian_control_plane::domain::job::{BackupOptions, Job, JobChange};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::pack::{DataObject, ObjectKind, PackState};
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::services::deletion::DeletionRequest;
use dataguardian_control_plane::store::packs::pack_known;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{BackupId, ExecutionId};
use dataguardian_core::storage::Strategy;
use dataguardian_tests::wait;
use tokio::task::JoinSet;

use crate::simulated::{SimulatedAgent, backup};
use crate::world::{OpenTransaction, World};

const GRACE: TimeDelta = TimeDelta::hours(72);

struct Scene {
    world: World,
    agent: SimulatedAgent,
    job: Job,
}

impl Scene {
    async fn set() -> Self {
        let world = World::postgres().await;
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        Self { world, agent, job }
    }

    async fn back_up(&self) -> BackupId {
        self.world.run(&self.job).await;
        self.agent.back_up().await.backup().unwrap()
    }

    /// What another replica does when it hands out that execution.
    async fn handing_out(&self, execution: ExecutionId, base: Option<BackupId>) -> OpenTransaction {
        let held = base.map(|base| format!("SELECT id FROM backups WHERE id = '{base}' FOR NO KEY UPDATE;"));
        let base = base.map_or("NULL".to_owned(), |base| format!("'{base}'"));
        let sql = format!(
            "SELECT id FROM installation FOR NO KEY UPDATE; {}
             UPDATE executions SET state = 'leased', base_backup_id = {base}, chunking = 'content-defined',
             chunking_reason = 'usual' WHERE id = '{execution}'",
            held.unwrap_or_default()
        );
        self.world.open_transaction(&sql).await
    }

    /// Until somebody waits for another transaction.
    async fn somebody_waits(&self) {
        let server = self.world.server.as_ref().unwrap();
        let waiting = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        let look = || async { Ok(server.psql("metadata", waiting)?.trim() == "t") };
        wait::until_async("a transaction to wait for another one", look)
            .await
            .unwrap();
    }
}

fn base(assignment: &Assignment) -> Option<BackupId> {
    backup(assignment).base.as_ref().map(|base| base.backup)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_deleted_while_it_is_chosen_is_no_base() {
    let scene = Box::pin(Scene::set()).await;
    let (first, second) = (scene.back_up().await, scene.back_up().await);
    scene.world.run(&scene.job).await;
    let sql = format!("UPDATE backups SET state = 'deleting', revision = revision + 1 WHERE id = '{second}'");
    let deleting = scene.world.open_transaction(&sql).await;
    let mut claiming = JoinSet::new();
    let agent = scene.agent.at(&scene.world.services);
    claiming.spawn(async move { agent.claim().await });
    scene.somebody_waits().await;
    deleting.commit().await;
    let claimed = claiming.join_next().await.unwrap().unwrap().unwrap();
    assert_eq!(base(&claimed), Some(first));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_is_chosen_while_it_is_deleted_stays() {
    let scene = Box::pin(Scene::set()).await;
    let made = scene.back_up().await;
    let execution = scene.world.run(&scene.job).await;
    let handing_out = scene.handing_out(execution.id, Some(made)).await;
    let (mut deleting, deletion) = (JoinSet::new(), scene.world.services.deletion.clone());
    let request = DeletionRequest {
        backup: made,
        last: LastBackup::MayGo,
        revision: None,
    };
    deleting.spawn(async move { deletion.delete(request).await });
    scene.somebody_waits().await;
    handing_out.commit().await;
    let refused = deleting.join_next().await.unwrap().unwrap().unwrap_err();
    assert_eq!(refused.reason(), "BACKUP_IN_USE");
    let kept = BackupChoice::Id(made, None);
    let kept = scene.world.services.backups.get(&kept).await.unwrap();
    assert_eq!(kept.state, BackupState::Complete);
}

/// The last two copies go at the same time, one with its storage: the deletion ends all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_is_forgotten_while_the_other_manifest_goes_leaves_no_backup_half_deleted() {
    let scene = Box::pin(Scene::set()).await;
    let other = scene.world.storage(scene.agent.id, "other").await;
    let change = JobChange {
        storages: Some(vec![
            Reference::Id(scene.job.storages[0].id),
            Reference::Id(other),
        ]),
        options: Some(BackupOptions::default()),
        strategy: Some(Strategy::Replicate),
        ..JobChange::default()
    };
    let job = Reference::Id(scene.job.id);
    scene.world.services.jobs.update(&job, change).await.unwrap();
    let made = scene.back_up().await;
    scene.world.services.jobs.delete(&job).await.unwrap();
    let (deletion, storages) = (
        &scene.world.services.deletion,
        scene.world.services.storages.clone(),
    );
    let request = DeletionRequest {
        backup: made,
        last: LastBackup::MayGo,
        revision: None,
    };
    deletion.delete(request).await.unwrap();
    assert_eq!(deletion.leaving().await.unwrap().len(), 2);
    // Another replica hears that the manifest is gone from the second one, and has not committed yet.
    let sql = format!(
        "SELECT id FROM backups WHERE id = '{made}' FOR NO KEY UPDATE;
         UPDATE backup_copies SET leaving = 'deleted' WHERE backup_id = '{made}' AND storage_id = '{other}'"
    );
    let going = scene.world.open_transaction(&sql).await;
    let (mut forgetting, first) = (JoinSet::new(), Reference::Id(scene.job.storages[0].id));
    forgetting.spawn(async move { storages.delete(&first).await });
    scene.somebody_waits().await;
    going.commit().await;
    forgetting.join_next().await.unwrap().unwrap().unwrap();
    let gone = scene
        .world
        .services
        .backups
        .get(&BackupChoice::Id(made, None))
        .await;
    assert_eq!(gone.unwrap_err().reason(), "BACKUP_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_condemned_that_a_backup_which_begins_may_refer_to() {
    let scene = Box::pin(Scene::set()).await;
    scene.world.run(&scene.job).await;
    let failing = scene.agent.begin().await;
    let left = scene.agent.packs(&failing);
    scene.agent.report(&failing, &left).await.unwrap();
    scene
        .agent
        .fail(failing.fence, FailureKind::StorageFull)
        .await
        .unwrap();
    let (of, cleanup) = (scene.job.datasource, scene.world.services.cleanup.clone());
    let plan = async || {
        let unnamed = left.iter().map(|pack| {
            let kind = ObjectKind::Pack;
            (DataObject { kind, id: pack.id }, pack.stored_bytes)
        });
        let sighting = Sighting {
            manifests: BTreeSet::new(),
            unnamed: unnamed.collect(),
            absent: BTreeSet::new(),
        };
        let seen = BTreeMap::from([(left[0].storage, Ok(sighting))]);
        cleanup.plan(of, seen, GRACE).await.unwrap()
    };
    assert!(cleanup.carry_out(of, &plan().await, Tenure::Free).await.unwrap());
    scene.world.advance(GRACE);
    let plan = plan().await;
    assert_eq!(plan.condemn.len(), left.len());

    let execution = scene.world.run(&scene.job).await;
    let handing_out = scene.handing_out(execution.id, None).await;
    let (mut condemning, slow) = (JoinSet::new(), cleanup.clone());
    condemning.spawn(async move { slow.carry_out(of, &plan, Tenure::Free).await });
    scene.somebody_waits().await;
    handing_out.commit().await;
    assert!(!condemning.join_next().await.unwrap().unwrap().unwrap());
    let ids: Vec<_> = left.iter().map(|pack| pack.id).collect();
    let known = pack_known(&scene.world.store, &ids).await.unwrap();
    assert!(
        known.iter().all(|known| known.state == PackState::Tombstoned),
        "{known:?}"
    );
}
