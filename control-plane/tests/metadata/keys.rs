//! The installation's key is replaced: what comes after is sealed with the new one, what was before stays readable.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::Assignment;
use dataguardian_control_plane::domain::installation_key::Rotation;
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_core::ids::BackupId;
use dataguardian_core::secret::Secret;
use dataguardian_repository::id::KeyId;
use dataguardian_repository::keys::DatasourceKeys;
use dataguardian_repository::kit::{Credentials, Opener, Recipient, RecoveryKit};

use crate::simulated::{SimulatedAgent, backup};
use crate::world::{World, on_both};

async fn rotate(world: &World, rotation: Rotation) -> Vec<KeyId> {
    let shown = world.services.keys.rotate(rotation, None).await.unwrap();
    shown.into_iter().map(|key| key.id).collect()
}

/// A kit for a new recipient, opened.
async fn kit(world: &World) -> (RecoveryKit, Secret) {
    let (identity, recipient) = Recipient::generate();
    let recovery = &world.services.recovery;
    let made = recovery
        .make_kit(&[recipient.to_string()], Credentials::Included)
        .await
        .unwrap();
    let kit = open(&made.text, &identity);
    assert_eq!(kit.keys().unwrap().key_ids(), made.keys);
    (kit, identity)
}

fn open(text: &str, identity: &Secret) -> RecoveryKit {
    RecoveryKit::open(text.as_bytes(), &Opener::Identities(identity.clone())).unwrap()
}

async fn notice(world: &World) -> Option<&'static str> {
    let notice = world.services.keys.notice().await.unwrap();
    notice.map(|notice| notice.reason)
}

/// What the agent is offered; it gives it back, so that the next offer is made anew.
async fn offer(world: &World, agent: &SimulatedAgent) -> Assignment {
    let offered = agent.claim().await.expect("a backup");
    agent.decline(offered.fence).await.unwrap();
    // Not again at once.
    world.advance(TimeDelta::seconds(5));
    offered
}

/// The keys that it is offered, and what the backup would build upon.
async fn offered(world: &World, agent: &SimulatedAgent) -> (DatasourceKeys, Option<BackupId>) {
    let offered = offer(world, agent).await;
    let work = backup(&offered);
    let keys = work.datasource_keys.as_ref().expect("keys");
    let keys = DatasourceKeys::from_bytes(keys.expose()).unwrap();
    (keys, work.base.as_ref().map(|base| base.backup))
}

on_both! {
    async fn a_planned_change_keeps_what_is_there_and_a_compromise_begins_anew(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        // No replica remembers a key that another one has replaced.
        let other = agent.at(&world.replica().await);
        world.run(&job).await;
        let first = agent.back_up().await.backup();
        let before = world.services.keys.of_datasource(job.datasource).await.unwrap();

        world.run(&job).await;
        let ids = rotate(world, Rotation::Planned).await;
        assert_eq!(ids.len(), 2);
        let (keys, base) = offered(world, &other).await;
        assert_eq!(base, first);
        assert_ne!(keys.key_id(), before.key_id());
        assert_eq!(keys.key_ids()[1], before.key_id());
        assert!(keys.names_alike(before.key_id()));

        let after = rotate(world, Rotation::Compromised).await;
        assert_eq!(after[1..], ids);
        let (keys, base) = offered(world, &other).await;
        assert_eq!(base, None);
        assert_eq!(keys.key_ids().len(), 3);
        assert!(!keys.names_alike(before.key_id()));
        agent.back_up().await;
        world.run(&job).await;
        let anew = agent.back_up().await.backup();
        rotate(world, Rotation::Planned).await;
        world.run(&job).await;
        assert_eq!(offered(world, &other).await.1, anew);
    }

    async fn a_call_that_is_made_again_makes_no_second_key(world: &World) {
        let keys = &world.services.keys;
        let [first]: [_; 1] = keys.show().await.unwrap().try_into().unwrap();
        let made = keys.rotate(Rotation::Planned, Some(first.id)).await.unwrap();
        let refused = keys.rotate(Rotation::Planned, Some(first.id)).await.unwrap_err();
        assert_eq!(refused.reason(), "KEY_REPLACED");
        assert_eq!(keys.show().await.unwrap(), made);
        assert_eq!(made.len(), 2);
        assert_eq!(made[1], first);
    }

    async fn a_kit_that_lacks_the_key_in_use_is_told_until_there_is_another(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let wrapped = async || {
            let wrapped = backup(&offer(world, &agent).await).wrapped_key.clone();
            wrapped.map(|wrapped| (wrapped.key, wrapped.kit))
        };
        rotate(world, Rotation::Planned).await;
        assert_eq!(notice(world).await, None, "there never was a kit");
        assert_eq!(wrapped().await, None);
        let (old, identity) = kit(world).await;
        assert_eq!((old.keys().unwrap().key_ids().len(), notice(world).await), (2, None));

        let ids = rotate(world, Rotation::Planned).await;
        assert_eq!(notice(world).await, Some("RECOVERY_KIT_OUTDATED"));
        // The kit that goes into repositories opens with what opened the old one.
        let (key, text) = wrapped().await.expect("a kit");
        assert_eq!(key, ids[0]);
        assert_eq!(open(&text, &identity).keys().unwrap().key_ids(), ids);
        kit(world).await;
        assert_eq!(notice(world).await, None);

        rotate(world, Rotation::Compromised).await;
        assert_eq!(notice(world).await, Some("RECOVERY_KIT_OUTDATED"));
        assert_eq!(wrapped().await, None, "whoever opened the old one may be the thief");
        assert!(world.services.recovery.made_at().await.unwrap().is_some());
        let (new, _) = kit(world).await;
        assert_eq!((new.keys().unwrap().key_ids().len(), notice(world).await), (4, None));
        assert!(wrapped().await.is_some());
    }
}
