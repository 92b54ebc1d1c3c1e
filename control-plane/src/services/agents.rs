//! Agents, as administrators see them.

use chrono::TimeDelta;
use dataguardian_core::execution::{ExecutionEvent, ExecutionState};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, JoinTokenId};
use dataguardian_core::name::ResourceName;

use super::{Context, Error, Noun, lookup};
use crate::domain::access::Within;
use crate::domain::agent::{Agent, AgentState, Boots, DEFAULT_JOIN_TTL, JoinToken, MAX_JOIN_TTL, Recovery};
use crate::domain::certificate::APPROVAL;
use crate::domain::execution::Execution;
use crate::domain::field::BadField;
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::{Reference, new_name};
use crate::domain::verdict::{Forgotten, judge_forgotten};
use crate::queue::Signal;
use crate::secrets::token::{NewToken, TokenKind};
use crate::store::agent_sessions::agent_boots_in_tx;
use crate::store::agents::{
    agent_alert_in_tx, agent_get, agent_list, agent_lock_in_tx, agent_recovery_in_tx, agent_revoke_in_tx,
    agent_state_in_tx,
};
use crate::store::executions::execution_unfinished_of_agent;
use crate::store::join_tokens::{JoinTokenRow, join_token_insert_in_tx};
use crate::store::{StoreError, Tx};

/// Agents, as administrators see them.
#[derive(Debug, Clone)]
pub struct Agents {
    context: Context,
}

impl Agents {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Makes a token with which one agent can enroll once. `name` is empty for the host's own name; `ttl` none for an hour.
    pub async fn create_join_token(
        &self,
        name: &str,
        ttl: Option<std::time::Duration>,
    ) -> Result<JoinToken, Error> {
        let ttl = check_ttl(ttl)?;
        let name = match name {
            "" => None,
            text => Some(new_name("name", text)?),
        };
        if let Some(name) = &name {
            let reference = Reference::Name(name.clone());
            if agent_get(&self.context.store, &reference).await?.is_some() {
                return Err(Error::NameTaken {
                    noun: Noun::Agent,
                    name: name.to_string(),
                });
            }
        }
        self.insert_join_token(name, None, ttl).await
    }

    /// Makes a token with which the new host of an agent becomes that agent, once.
    pub async fn create_rebuild_token(
        &self,
        agent: &Reference<AgentId>,
        ttl: Option<std::time::Duration>,
    ) -> Result<JoinToken, Error> {
        let ttl = check_ttl(ttl)?;
        let agent = lookup::active_agent(&self.context.store, agent).await?;
        self.insert_join_token(Some(agent.name), Some(agent.id), ttl)
            .await
    }

    async fn insert_join_token(
        &self,
        name: Option<ResourceName>,
        for_agent: Option<AgentId>,
        ttl: TimeDelta,
    ) -> Result<JoinToken, Error> {
        let (id, now) = (JoinTokenId::new(), self.context.now());
        let token = NewToken::generate(TokenKind::Join, id.as_uuid())?;
        let row = JoinTokenRow {
            id,
            secret_sha256: token.sha256.to_vec(),
            name: name.clone(),
            for_agent,
            created_at: now,
            expires_at: now + ttl,
            consumed: None,
        };
        let tx = self.context.store.begin().await?;
        join_token_insert_in_tx(&tx, &row).await?;
        tx.commit().await?;
        Ok(JoinToken {
            id,
            token: token.text,
            expires_at: row.expires_at,
            name,
        })
    }

    /// One agent.
    pub async fn get(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        lookup::agent(&self.context.store, agent).await
    }

    /// Fails with what to do if the agent was revoked.
    pub async fn not_revoked(&self, agent: AgentId) -> Result<(), Error> {
        lookup::active_agent(&self.context.store, &Reference::Id(agent)).await?;
        Ok(())
    }

    /// Agents in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Agent>, Error> {
        self.list_within(&Within::default(), page).await
    }

    /// The same, of those alone that somebody may see.
    pub async fn list_within(&self, within: &Within, page: &PageRequest) -> Result<Page<Agent>, Error> {
        let agents = agent_list(
            &self.context.store,
            within,
            page.after_name()?,
            u64::from(page.size) + 1,
        )
        .await?;
        Ok(Page::from_overfull(agents, page.size, |agent| {
            Cursor::Name(agent.name.to_string())
        }))
    }

    /// Ends an agent's identity for good, and everything that waits for it or that it is at work on. Whoever holds its stream
    /// hears of it. Revoking again changes nothing.
    pub async fn revoke(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        let found = lookup::agent(&self.context.store, agent).await?;
        let tx = self.context.store.begin().await?;
        agent_lock_in_tx(&tx, found.id).await?;
        let mut ended = Vec::new();
        if agent_revoke_in_tx(&tx, found.id).await? {
            for execution in execution_unfinished_of_agent(&tx, found.id).await? {
                ended.push(self.end_in_tx(&tx, &execution).await?);
            }
        }
        tx.commit().await?;
        for execution in &ended {
            self.context.changed(execution);
        }
        self.context.signal(Signal::AgentRevoked(found.id));
        Ok(Agent {
            state: AgentState::Revoked,
            ..found
        })
    }

    /// The agent gets no new work from now on. Locking again changes nothing.
    pub async fn lock(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        self.change(agent, async |tx, found| {
            agent_state_in_tx(tx, found.id, AgentState::Active, AgentState::Locked).await
        })
        .await
    }

    /// The agent gets work again, what waits for it first. Unlocking again changes nothing.
    pub async fn unlock(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        let after = self
            .change(agent, async |tx, found| {
                agent_state_in_tx(tx, found.id, AgentState::Locked, AgentState::Active).await
            })
            .await?;
        self.context.slots_freed(after.id);
        Ok(after)
    }

    /// Lets an agent fetch a new certificate whose last one ended too long ago for it to do so by itself.
    pub async fn approve_recovery(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        let now = self.context.now();
        self.change(agent, async |tx, found| {
            let recovery = Recovery {
                until: Some(now + APPROVAL),
                ..found.recovery
            };
            agent_recovery_in_tx(tx, found.id, recovery).await.map(|()| true)
        })
        .await
    }

    /// Takes the alert about the agent's identity away.
    pub async fn clear_alert(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        self.change(agent, async |tx, found| {
            agent_alert_in_tx(tx, found.id, None).await?;
            agent_boots_in_tx(tx, found.id, &Boots::default())
                .await
                .map(|()| true)
        })
        .await
    }

    /// Changes an agent that was not revoked, and gives it as it is then.
    async fn change(
        &self,
        agent: &Reference<AgentId>,
        change: impl AsyncFnOnce(&Tx, &Agent) -> Result<bool, StoreError>,
    ) -> Result<Agent, Error> {
        let tx = self.context.store.begin().await?;
        let id = lookup::agent(&tx, agent).await?.id;
        let found = agent_lock_in_tx(&tx, id).await?;
        let found = lookup::active(found.ok_or_else(|| Error::not_found(Noun::Agent, id))?)?;
        change(&tx, &found).await?;
        let after = lookup::agent(&tx, &Reference::Id(id)).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Ends what a revoked agent will never do.
    async fn end_in_tx(&self, tx: &Tx, execution: &Execution) -> Result<Execution, Error> {
        let context = &self.context;
        let failure = Failure::new(FailureKind::AgentRevoked, "the agent was revoked");
        let ends = |after: &mut Execution| after.failure = Some(failure.clone());
        match judge_forgotten(execution.state) {
            Forgotten::TakeBack => {
                let queued = context.take_back_offer_in_tx(tx, execution).await?;
                context
                    .apply_in_tx(tx, &queued, ExecutionEvent::Failed, ends)
                    .await
            }
            Forgotten::FailAttempt => {
                context.end_attempt_in_tx(tx, execution, Some(&failure)).await?;
                context
                    .apply_in_tx(tx, execution, ExecutionEvent::Failed, ends)
                    .await
            }
            Forgotten::ConcludeCancel => context.conclude_cancel_in_tx(tx, execution, |_| {}).await,
            Forgotten::FinishCommit => context.fail_commit_in_tx(tx, execution, failure).await,
            // What waits between attempts can only be cancelled.
            Forgotten::Leave if execution.state == ExecutionState::RetryWait => {
                context
                    .apply_in_tx(tx, execution, ExecutionEvent::CancelRequested, |_| {})
                    .await
            }
            Forgotten::Leave => {
                context
                    .apply_in_tx(tx, execution, ExecutionEvent::Failed, ends)
                    .await
            }
        }
    }
}

fn check_ttl(ttl: Option<std::time::Duration>) -> Result<TimeDelta, Error> {
    let Some(ttl) = ttl else {
        return Ok(DEFAULT_JOIN_TTL);
    };
    match TimeDelta::from_std(ttl) {
        Ok(ttl) if ttl >= TimeDelta::seconds(1) && ttl <= MAX_JOIN_TTL => Ok(ttl),
        Ok(_) | Err(_) => Err(BadField::new("ttl", "must be 1 s to 7 days").into()),
    }
}
