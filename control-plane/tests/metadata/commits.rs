//! Commits whose attempt died: what is kept of them, and how long.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{
    Assignment, AttemptOutcome, Completion, StorageFailure,
};
use dataguardian_control_plane::domain::backup::BackupFilter;
use dataguardian_control_plane::domain::commit::{Asked, BY_ITSELF, CommitStep, UNSEEN};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::ExecutionId;
use dataguardian_repository::manifest::{Manifest, VerifyingKey};

use crate::simulated::SimulatedAgent;
use crate::world::{World, on_both};

/// A backup whose first half is done.
async fn committing(world: &World, agent: &SimulatedAgent) -> (ExecutionId, Assignment) {
    let job = world.job(agent.id, "shop", BackupOptions::default()).await;
    let execution = world.run(&job).await;
    let assignment = agent.begin().await;
    let packs = agent.packs(&assignment);
    agent.report(&assignment, &packs).await.unwrap();
    let outcome = Box::new(agent.outcome(&assignment, &packs));
    agent
        .complete(assignment.fence, AttemptOutcome::Backup(outcome))
        .await
        .unwrap();
    (execution.id, assignment)
}

async fn state(world: &World, id: ExecutionId) -> ExecutionState {
    world.services.executions.get(id).await.unwrap().state
}

on_both! {
    async fn its_manifest_is_kept_for_whoever_puts_it(world: &World) {
        let (agent, other) = (world.agent("db1").await, world.agent("db2").await);
        let (_, assignment) = committing(world, &agent).await;
        let commits = &world.services.commits;
        let bytes = commits.manifest(agent.id, assignment.fence).await.unwrap();
        let manifest = Manifest::decode(&bytes).unwrap();
        let signing = [agent.signing.verifying_key(), world.context.installation.signing.verifying_key()];
        for key in signing {
            assert_eq!(manifest.verify(&[key]).unwrap().len(), 1);
        }
        assert!(manifest.verify(&[VerifyingKey::from_bytes(&[1; 32]).unwrap()]).is_err());
        assert_eq!(commits.manifest(other.id, assignment.fence).await.unwrap_err().reason(), "STALE_FENCE");
        let unfinished = commits.unfinished().await.unwrap();
        assert_eq!((unfinished.len(), unfinished[0].fence, unfinished[0].repositories.len()), (1, assignment.fence, 1));
        let storage = unfinished[0].repositories[0].storage;
        agent.confirm(assignment.fence, &[storage]).await.unwrap();
        assert!(commits.unfinished().await.unwrap().is_empty());
        assert_eq!(commits.manifest(agent.id, assignment.fence).await.unwrap(), bytes);
    }

    async fn it_goes_on_when_the_attempt_is_lost(world: &World) {
        let agent = world.agent("db1").await;
        let (execution, assignment) = committing(world, &agent).await;
        let told = agent.fail(assignment.fence, FailureKind::AgentRestarted).await.unwrap();
        assert_eq!(told, Completion::Settled);
        assert_eq!(state(world, execution).await, ExecutionState::Committing);
        let commit = world.services.commits.unfinished().await.unwrap().remove(0);
        let step = |present| world.services.commits.step(&commit, Asked::default(), present);
        assert_eq!(step(true), CommitStep::Wait, "its agent may still be at it");
        world.advance(BY_ITSELF);
        assert_eq!((step(true), step(false)), (CommitStep::Ask, CommitStep::Wait));
        let storage = commit.repositories[0].storage;
        // The reconciler and the attempt's own agent may both come here.
        for _ in 0..2 {
            let done = agent.confirm(assignment.fence, &[storage]).await.unwrap();
            assert_eq!(done.state, ExecutionState::Completed);
        }
        let page = PageRequest::default();
        assert_eq!(world.services.backups.list(&BackupFilter::default(), &page).await.unwrap().items.len(), 1);
    }

    async fn it_fails_at_once_when_the_repository_is_damaged(world: &World) {
        let agent = world.agent("db1").await;
        let (execution, assignment) = committing(world, &agent).await;
        let commit = world.services.commits.unfinished().await.unwrap().remove(0);
        let damaged = StorageFailure {
            storage: commit.repositories[0].storage,
            failure: Failure::new(FailureKind::RepositoryDamaged, "another manifest is there"),
        };
        let attempts = &world.services.attempts;
        let failed = attempts.confirm_commit(agent.id, assignment.fence, &[], &[damaged]).await.unwrap();
        assert_eq!((failed.state, failed.failure.unwrap().message.as_str()), (ExecutionState::Failed, "another manifest is there"));
        assert_eq!(world.services.commits.manifest(agent.id, assignment.fence).await.unwrap_err().reason(), "STALE_FENCE");
        assert_eq!(state(world, execution).await, ExecutionState::Failed);
    }

    async fn it_is_given_up_when_nobody_comes_back(world: &World) {
        let agent = world.agent("db1").await;
        let (execution, assignment) = committing(world, &agent).await;
        let commits = &world.services.commits;
        world.advance(UNSEEN - TimeDelta::seconds(1));
        let commit = commits.unfinished().await.unwrap().remove(0);
        assert_eq!(commits.step(&commit, Asked::default(), false), CommitStep::Wait);
        world.advance(TimeDelta::seconds(1));
        assert_eq!(commits.step(&commit, Asked::default(), false), CommitStep::GiveUp);
        assert!(commits.give_up(execution).await.unwrap());
        assert!(!commits.give_up(execution).await.unwrap());
        let failed = world.services.executions.get(execution).await.unwrap();
        assert_eq!((failed.state, failed.failure.unwrap().kind), (ExecutionState::Failed, FailureKind::AgentLost));
        let late = agent.confirm(assignment.fence, &[commit.repositories[0].storage]).await.unwrap_err();
        assert_eq!(late.reason(), "STALE_FENCE");
    }
}
