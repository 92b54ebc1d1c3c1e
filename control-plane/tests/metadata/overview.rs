//! The figures of the whole catalogue, by grouped queries on either database.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::AttemptOutcome;
use dataguardian_control_plane::domain::job::{BackupOptions, Job};
use dataguardian_control_plane::domain::overview::{Overview, waits};
use dataguardian_control_plane::domain::protection::{Objectives, ProtectionState};
use dataguardian_control_plane::domain::restore::BackupChoice;
use dataguardian_control_plane::domain::verification::{CopyFindings, NewVerification};
use dataguardian_core::ids::{BackupId, StorageId};
use dataguardian_repository::verify::Level;

use crate::simulated::SimulatedAgent;
use crate::world::{World, on_both};

async fn back_up(world: &World, agent: &SimulatedAgent, job: &Job) -> (BackupId, StorageId) {
    world.run(job).await;
    let assignment = agent.begin().await;
    let packs = agent.packs(&assignment);
    agent.report(&assignment, &packs).await.unwrap();
    let outcome = Box::new(agent.outcome(&assignment, &packs));
    let storages = outcome.complete_storages.clone();
    let outcome = AttemptOutcome::Backup(outcome);
    agent.complete(assignment.fence, outcome).await.unwrap();
    let done = agent.confirm(assignment.fence, &storages).await.unwrap();
    (done.backup().unwrap(), storages[0])
}

async fn verify(world: &World, agent: &SimulatedAgent, backup: BackupId, storage: StorageId, level: Level) {
    let new = NewVerification {
        backup: BackupChoice::Id(backup, None),
        level,
        storages: Vec::new(),
        request_id: None,
    };
    world.services.verifications.start(new).await.unwrap();
    let fence = agent.begin().await.fence;
    let good = CopyFindings {
        storage,
        objects: 3,
        bytes: 2000,
        fault_count: 0,
        faults: Vec::new(),
        failure: None,
    };
    agent
        .complete(fence, AttemptOutcome::Verify(vec![good]))
        .await
        .unwrap();
}

async fn look(world: &World) -> Overview {
    world.services.overview.dashboard().await.unwrap().overview
}

on_both! {
    async fn a_datasource_is_as_protected_as_its_newest_backups_are(world: &World) {
        let agent = world.agent("db1").await;
        let shop = world.job(agent.id, "shop", BackupOptions::default()).await;
        let wiki = world.job(agent.id, "wiki", BackupOptions::default()).await;
        let made_at = world.now();
        let empty = look(world).await;
        assert_eq!((empty.counts.agents, empty.counts.datasources, empty.counts.jobs), (1, 2, 2));
        assert_eq!((empty.counts.storages, empty.counts.backups), (2, 0));
        assert!(empty.protection.iter().all(|one| one.newest.is_none()), "{:?}", empty.protection);
        assert_eq!(empty.jobs[0].created_at, made_at);

        let (first, storage) = back_up(world, &agent, &shop).await;
        let first_at = world.now();
        verify(world, &agent, first, storage, Level::Contents).await;
        world.advance(TimeDelta::hours(30));
        let (second, _) = back_up(world, &agent, &shop).await;
        // A look at bytes alone does not make a backup a verified one.
        verify(world, &agent, second, storage, Level::Digests).await;
        let seen = look(world).await;
        assert_eq!(seen.counts.backups, 2);
        let names: Vec<_> = seen.protection.iter().map(|one| one.datasource.as_str()).collect();
        assert_eq!(names, ["shop", "wiki"]);
        let protected = &seen.protection[0];
        let newest = protected.newest.unwrap();
        assert_eq!((newest.id, newest.at), (second, world.now()));
        assert_eq!((newest.copies, newest.copies_wanted), (1, 1));
        assert_eq!(protected.verified_at, Some(first_at));
        let figures = &seen.jobs[0];
        assert_eq!((figures.name.as_str(), figures.datasource.as_str()), ("shop", "shop"));
        assert_eq!((figures.succeeded_at, figures.verified_at), (Some(world.now()), Some(first_at)));
        assert_eq!((seen.jobs[1].succeeded_at, seen.jobs[1].verified_at), (None, None));
        let objectives = Objectives {
            backup: Some(TimeDelta::hours(24)),
            verified: Some(TimeDelta::hours(24)),
        };
        let states = seen.protection.iter().map(|one| one.state(objectives, world.now()));
        let states: Vec<_> = states.collect();
        assert_eq!(states, [ProtectionState::Unverified, ProtectionState::Unprotected]);

        world.run(&wiki).await;
        let waiting = look(world).await;
        assert_eq!((waiting.unfinished_in(waits), waiting.unfinished_in(|state| !waits(state))), (1, 0));
        let _working = agent.begin().await;
        let working = look(world).await;
        assert_eq!((working.unfinished_in(waits), working.unfinished_in(|state| !waits(state))), (0, 1));
    }

    async fn a_folder_whose_agent_is_away_is_out_of_reach(world: &World) {
        let agent = world.agent("db1").await;
        world.job(agent.id, "shop", BackupOptions::default()).await;
        let sessions = &world.services.sessions;
        sessions.heard(agent.id, None);
        sessions.save_heard().await.unwrap();
        assert_eq!(look(world).await.counts.storages_unreachable, 0);
        world.advance(TimeDelta::minutes(10));
        assert_eq!(look(world).await.counts.storages_unreachable, 1);
    }

    async fn monitoring_gets_figures_that_are_some_seconds_old(world: &World) {
        let agent = world.agent("db1").await;
        let overview = &world.services.overview;
        assert_eq!(overview.figures().await.unwrap().counts.jobs, 0);
        world.job(agent.id, "shop", BackupOptions::default()).await;
        assert_eq!(overview.figures().await.unwrap().counts.jobs, 0);
        world.advance(TimeDelta::seconds(11));
        assert_eq!(overview.figures().await.unwrap().counts.jobs, 1);
    }
}
