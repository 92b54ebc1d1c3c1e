//! Whose a certificate is that was presented at a handshake, and whether it still counts.

use dataguardian_core::ids::AgentId;

use super::Enrollment;
use crate::domain::agent::{Agent, AgentState, AlertKind, IdentityAlert, Recovery};
use crate::domain::certificate::{AgentIdentity, GenerationVerdict, Presented, Seen, judge_generation};
use crate::domain::reference::Reference;
use crate::services::Error;
use crate::services::alerts::raise_in_tx;
use crate::store::agents::{agent_get, agent_lock_in_tx, agent_recovery_in_tx};
use crate::store::certificates::{
    CertificateRow, certificate_by_serial, certificate_newest_seen, certificate_seen_in_tx,
};

impl Enrollment {
    /// Whose the certificate is that was presented at a handshake, judged by its serial number. A revoked agent and a dead
    /// generation are refused; the first sight of a newer generation ends the older ones. One that was replaced before it
    /// was presented is a copy's, and raises the alert.
    pub async fn identify(&self, agent: AgentId, presented: &Presented) -> Result<AgentIdentity, Error> {
        let store = &self.context.store;
        let found = agent_get(store, &Reference::Id(agent)).await?;
        let found = known(found)?;
        let Some(row) = certificate_by_serial(store, agent, &presented.serial).await? else {
            return Err(Error::unauthenticated(
                "CERTIFICATE_UNKNOWN",
                "this certificate is none of ours",
            ));
        };
        let seen = certificate_newest_seen(store, agent).await?;
        let verdict = match judge_generation(row.generation, presented, &seen) {
            GenerationVerdict::FirstSeen => self.note_first_sight(&row, presented).await?,
            verdict => verdict,
        };
        match verdict {
            GenerationVerdict::Current | GenerationVerdict::FirstSeen => Ok(AgentIdentity {
                agent,
                generation: row.generation,
            }),
            GenerationVerdict::Dead => Err(superseded(&found)),
            GenerationVerdict::Copied => {
                self.raise_copied(agent, presented).await?;
                Err(superseded(&found))
            }
        }
    }

    /// Whether an agent whose certificate ended long ago may fetch a new one. That it asked is noted.
    pub async fn recover(&self, agent: AgentId) -> Result<(), Error> {
        let now = self.context.now();
        let tx = self.context.store.begin().await?;
        let found = known(agent_lock_in_tx(&tx, agent).await?)?;
        if found.recovery.until.is_some_and(|until| until > now) {
            return Ok(());
        }
        if found.recovery.asked_at.is_none() {
            let asked = Recovery {
                asked_at: Some(now),
                until: None,
            };
            agent_recovery_in_tx(&tx, agent, asked).await?;
            tx.commit().await?;
        }
        let name = found.name;
        Err(Error::unauthenticated(
            "RECOVERY_NEEDS_APPROVAL",
            format!(
                "the certificate of agent {name} ended more than 30 days ago: a person has to let it fetch a new one with `dgctl agent approve {name}`; the agent goes on trying"
            ),
        ))
    }

    /// The newer one is in use from now on, unless another one was quicker.
    async fn note_first_sight(
        &self,
        row: &CertificateRow,
        presented: &Presented,
    ) -> Result<GenerationVerdict, Error> {
        let tx = self.context.store.begin().await?;
        known(agent_lock_in_tx(&tx, row.agent).await?)?;
        let seen = certificate_newest_seen(&tx, row.agent).await?;
        let verdict = judge_generation(row.generation, presented, &seen);
        if verdict == GenerationVerdict::FirstSeen {
            let seen = Seen {
                generation: row.generation,
                serial: Some(presented.serial.clone()),
                at: Some(self.context.now()),
            };
            certificate_seen_in_tx(&tx, row.agent, &seen).await?;
            tx.commit().await?;
        }
        Ok(verdict)
    }

    async fn raise_copied(&self, agent: AgentId, presented: &Presented) -> Result<(), Error> {
        let now = self.context.now();
        let alert = IdentityAlert {
            kind: AlertKind::IdentityCopied,
            at: now,
            from: presented.from.clone(),
        };
        let tx = self.context.store.begin().await?;
        let found = known(agent_lock_in_tx(&tx, agent).await?)?;
        if raise_in_tx(&tx, &found, alert, now).await? {
            tx.commit().await?;
        }
        Ok(())
    }
}

fn known(found: Option<Agent>) -> Result<Agent, Error> {
    match found {
        Some(agent) if agent.state != AgentState::Revoked => Ok(agent),
        Some(_) | None => Err(Error::unauthenticated(
            "AGENT_REVOKED",
            "this agent is unknown or was revoked",
        )),
    }
}

fn superseded(agent: &Agent) -> Error {
    let name = &agent.name;
    Error::unauthenticated(
        "CERTIFICATE_SUPERSEDED",
        format!(
            "a newer certificate of agent {name} is in use: this state directory is a copy, or comes from a restored disk, or the agent was moved to another host. If this host is the right one, make a token with `dgctl agent token create --for {name}` and run `dataguardian-agent enroll --again` with it here; else stop this agent"
        ),
    )
}
