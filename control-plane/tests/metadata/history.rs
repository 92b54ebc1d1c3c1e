//! A random history: several actors with one agent's identity, each doing what an agent, a person or a loop might do next.

use chrono::TimeDelta;
use dataguardian_control_plane::domain::assignment::{
    Assignment, AttemptOutcome, Completion, InFlight, Work,
};
use dataguardian_control_plane::services::{Error, Services};
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::execution::Fence;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::ExecutionId;
use proptest::prelude::*;

use crate::simulated::SimulatedAgent;

/// What an actor does next. `which` chooses among what it knows.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Claim,
    Accept { which: usize },
    Decline { which: usize },
    ReportPacks { which: usize },
    Succeed { which: usize },
    Confirm { which: usize },
    Fail { which: usize, kind: FailureKind },
    EndCancelled { which: usize },
    Cancel { which: usize },
    ComeBack,
    Wait { seconds: i64 },
    Expire,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let which = 0_usize..8;
    let kinds = prop::sample::select(vec![
        FailureKind::DatabaseUnreachable,
        FailureKind::ClientFailed,
        FailureKind::DatabaseAuthentication,
    ]);
    prop_oneof![
        6 => Just(Step::Claim),
        6 => which.clone().prop_map(|which| Step::Accept { which }),
        1 => which.clone().prop_map(|which| Step::Decline { which }),
        4 => which.clone().prop_map(|which| Step::ReportPacks { which }),
        6 => which.clone().prop_map(|which| Step::Succeed { which }),
        5 => which.clone().prop_map(|which| Step::Confirm { which }),
        2 => (which.clone(), kinds).prop_map(|(which, kind)| Step::Fail { which, kind }),
        1 => which.clone().prop_map(|which| Step::EndCancelled { which }),
        1 => which.prop_map(|which| Step::Cancel { which }),
        1 => Just(Step::ComeBack),
        2 => prop::sample::select(vec![1_i64, 6, 11, 400, 4000]).prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::Expire),
    ]
}

/// What the database said yes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Granted {
    Lease(Fence),
    Acceptance(Fence),
    Countersignature(Fence),
    Confirmation(Fence),
}

/// One actor: it forgets nothing that it was ever offered, so it also tries what is stale.
pub(crate) struct Actor {
    pub(crate) agent: SimulatedAgent,
    pub(crate) services: Services,
    pub(crate) executions: Vec<ExecutionId>,
    pub(crate) clock: std::sync::Arc<dataguardian_core::clock::ManualClock>,
    known: Vec<Assignment>,
    granted: Vec<Granted>,
}

impl Actor {
    pub(crate) fn new(
        agent: &SimulatedAgent,
        services: &Services,
        executions: Vec<ExecutionId>,
        clock: std::sync::Arc<dataguardian_core::clock::ManualClock>,
    ) -> Self {
        Self {
            agent: agent.at(services),
            services: services.clone(),
            executions,
            clock,
            known: Vec::new(),
            granted: Vec::new(),
        }
    }

    /// Goes through its steps; gives what it was granted.
    pub(crate) async fn live(mut self, steps: Vec<Step>) -> Vec<Granted> {
        for step in steps {
            if let Err(error) = self.take(&step).await {
                let expected = matches!(
                    error.code(),
                    ErrorCode::Aborted | ErrorCode::FailedPrecondition | ErrorCode::InvalidArgument
                );
                assert!(expected, "{step:?}: {error:?}");
            }
        }
        self.granted
    }

    async fn take(&mut self, step: &Step) -> Result<(), Error> {
        match step {
            Step::Claim => {
                if let Some(assignment) = self.agent.try_claim().await? {
                    self.granted.push(Granted::Lease(assignment.fence));
                    self.known.push(assignment);
                }
            }
            Step::Cancel { which } => {
                let id = self.executions[which % self.executions.len()];
                self.services.executions.cancel(id).await?;
            }
            Step::ComeBack => {
                let newest = self.known.iter().rev().take(2);
                let named: Vec<_> = newest
                    .map(|known| InFlight {
                        fence: known.fence,
                        running: true,
                    })
                    .collect();
                self.services.assignments.verdicts(self.agent.id, &named).await?;
            }
            Step::Wait { seconds } => self.clock.advance(TimeDelta::seconds(*seconds)),
            Step::Expire => {
                self.services.executions.expire().await?;
            }
            Step::Accept { which }
            | Step::Decline { which }
            | Step::ReportPacks { which }
            | Step::Succeed { which }
            | Step::Confirm { which }
            | Step::Fail { which, .. }
            | Step::EndCancelled { which } => self.take_with(step, *which).await?,
        }
        Ok(())
    }

    /// Mostly with the newest of what it knows, sometimes with something old.
    async fn take_with(&mut self, step: &Step, which: usize) -> Result<(), Error> {
        if self.known.is_empty() {
            return Ok(());
        }
        let index = if which < 6 {
            self.known.len() - 1
        } else {
            which % self.known.len()
        };
        let known = self.known[index].clone();
        let (agent, fence) = (&self.agent, known.fence);
        if !matches!(known.work, Work::Backup(_)) {
            return Ok(());
        }
        let packs = agent.packs(&known);
        match step {
            Step::Accept { .. } => {
                use dataguardian_control_plane::domain::assignment::Accepted;
                let accepted = self.services.assignments.accept(agent.id, fence).await?;
                if accepted == Accepted::Running {
                    self.granted.push(Granted::Acceptance(fence));
                }
            }
            Step::Decline { .. } => self.services.assignments.decline(agent.id, fence, "busy").await?,
            Step::ReportPacks { .. } => agent.report(&known, &packs).await?,
            Step::Succeed { .. } => {
                agent.report(&known, &packs).await.ok();
                let outcome = AttemptOutcome::Backup(Box::new(agent.outcome(&known, &packs)));
                if let Completion::Commit(_) = agent.complete(fence, outcome).await? {
                    self.granted.push(Granted::Countersignature(fence));
                }
            }
            Step::Confirm { .. } => {
                let storages: Vec<_> = packs.iter().map(|pack| pack.storage).collect();
                agent.confirm(fence, &storages[..1]).await?;
                self.granted.push(Granted::Confirmation(fence));
            }
            Step::Fail { kind, .. } => {
                agent.fail(fence, *kind).await?;
            }
            Step::EndCancelled { .. } => {
                agent.complete(fence, AttemptOutcome::Cancelled).await?;
            }
            Step::Claim | Step::Cancel { .. } | Step::ComeBack | Step::Wait { .. } | Step::Expire => {}
        }
        Ok(())
    }
}
