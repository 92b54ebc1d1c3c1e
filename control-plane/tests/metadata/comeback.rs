//! Agents that come back.

use dataguardian_control_plane::domain::assignment::{AttemptOutcome, InFlight};
use dataguardian_control_plane::domain::job::BackupOptions;
use dataguardian_control_plane::domain::verdict::VerdictKind;
use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{AgentId, ExecutionId, LeaseToken};

use crate::world::{World, on_both};

async fn hello(world: &World, agent: AgentId, in_flight: &[(Fence, bool)]) -> Vec<VerdictKind> {
    let named: Vec<_> = in_flight
        .iter()
        .map(|(fence, running)| InFlight {
            fence: *fence,
            running: *running,
        })
        .collect();
    let verdicts = world.services.assignments.verdicts(agent, &named).await.unwrap();
    assert!(
        verdicts
            .iter()
            .zip(&named)
            .all(|(verdict, named)| verdict.fence == named.fence)
    );
    verdicts.into_iter().map(|verdict| verdict.kind).collect()
}

async fn state(world: &World, id: ExecutionId) -> ExecutionState {
    world.services.executions.get(id).await.unwrap().state
}

on_both! {
    async fn what_runs_goes_on(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        let execution = world.run(&job).await;
        let leased = agent.claim().await.unwrap();
        assert_eq!(hello(world, agent.id, &[(leased.fence, true)]).await, [VerdictKind::Continue]);
        assert_eq!(state(world, execution.id).await, ExecutionState::Running, "only the acceptance was lost");
        assert_eq!(hello(world, agent.id, &[(leased.fence, true)]).await, [VerdictKind::Continue]);
        world.services.executions.cancel(execution.id).await.unwrap();
        assert_eq!(hello(world, agent.id, &[(leased.fence, true)]).await, [VerdictKind::Cancel]);
        agent.complete(leased.fence, AttemptOutcome::Cancelled).await.unwrap();
        let both = [(leased.fence, true), (leased.fence, false)];
        assert_eq!(hello(world, agent.id, &both).await, [VerdictKind::Abandon, VerdictKind::AlreadyDone]);
    }

    async fn what_is_not_held_is_abandoned(world: &World) {
        let (agent, other) = (world.agent("db1").await, world.agent("db2").await);
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let assignment = agent.begin().await;
        let forged = Fence { lease_token: LeaseToken::new(), ..assignment.fence };
        let unknown = Fence { execution: ExecutionId::new(), ..assignment.fence };
        let named = [(assignment.fence, true), (forged, true), (unknown, false)];
        let verdicts = hello(world, agent.id, &named).await;
        assert_eq!(verdicts, [VerdictKind::Continue, VerdictKind::Abandon, VerdictKind::Abandon]);
        assert_eq!(hello(world, other.id, &[(assignment.fence, true)]).await, [VerdictKind::Abandon]);
    }

    async fn a_commit_goes_on_and_a_taken_result_is_forgotten(world: &World) {
        let agent = world.agent("db1").await;
        let job = world.job(agent.id, "shop", BackupOptions::default()).await;
        world.run(&job).await;
        let assignment = agent.begin().await;
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        let outcome = agent.outcome(&assignment, &packs);
        let storages = outcome.complete_storages.clone();
        agent.complete(assignment.fence, AttemptOutcome::Backup(Box::new(outcome))).await.unwrap();
        assert_eq!(hello(world, agent.id, &[(assignment.fence, false)]).await, [VerdictKind::Continue]);
        agent.confirm(assignment.fence, &storages).await.unwrap();
        assert_eq!(hello(world, agent.id, &[(assignment.fence, false)]).await, [VerdictKind::AlreadyDone]);
    }

    async fn what_the_agent_has_forgotten_is_brought_to_an_end(world: &World) {
        let agent = world.agent("db1").await;
        let options = BackupOptions { max_attempts: 2, ..BackupOptions::default() };
        let job = world.job(agent.id, "shop", options).await;

        let running = world.run(&job).await;
        agent.begin().await;
        assert_eq!(hello(world, agent.id, &[]).await, []);
        let found = world.services.executions.get(running.id).await.unwrap();
        assert_eq!((found.state, found.failure.unwrap().kind), (ExecutionState::RetryWait, FailureKind::AgentRestarted));
        world.services.executions.cancel(running.id).await.unwrap();

        let leased = world.run(&job).await;
        agent.claim().await.unwrap();
        hello(world, agent.id, &[]).await;
        assert_eq!(state(world, leased.id).await, ExecutionState::Queued);
        world.services.executions.cancel(leased.id).await.unwrap();

        let cancelling = world.run(&job).await;
        agent.begin().await;
        world.services.executions.cancel(cancelling.id).await.unwrap();
        hello(world, agent.id, &[]).await;
        assert_eq!(state(world, cancelling.id).await, ExecutionState::Cancelled);

        let committing = world.run(&job).await;
        let assignment = agent.begin().await;
        let packs = agent.packs(&assignment);
        agent.report(&assignment, &packs).await.unwrap();
        agent.complete(assignment.fence, AttemptOutcome::Backup(Box::new(agent.outcome(&assignment, &packs)))).await.unwrap();
        hello(world, agent.id, &[]).await;
        assert_eq!(state(world, committing.id).await, ExecutionState::Committing, "everything but the manifest is stored");
        let storages: Vec<_> = packs[..1].iter().map(|pack| pack.storage).collect();
        agent.confirm(assignment.fence, &storages).await.unwrap();
        world.run(&job).await;
        agent.back_up().await;
    }
}
