//! How a host becomes an agent, and stays one.
//!
//! A join token is good once: one conditional UPDATE uses it up. The same token with the same key again gives the same agent
//! while the token's time lasts, so that a lost reply does no harm; with another key it is refused. A token that was made for
//! an agent gives its host that agent's identity, and ends what certificates there were.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, JoinTokenId};
use dataguardian_core::name::ResourceName;

use super::{Context, Error, Noun, lookup};
use crate::domain::agent::{Agent, AgentState, Enrollment as Request, Recovery, name_from_hostname};
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::certificate::{Enrolled, IssuedCertificate, Seen, next_generation};
use crate::domain::field::BadField;
use crate::domain::reference::{Reference, new_name};
use crate::queue::Signal;
use crate::secrets::token::{PresentedToken, TokenKind, sha256};
use crate::store::agents::{
    agent_alert_in_tx, agent_get, agent_insert_in_tx, agent_lock_in_tx, agent_rebuilt_in_tx,
};
use crate::store::audit::audit_insert_in_tx;
use crate::store::certificates::{
    CertificateRow, certificate_floor_in_tx, certificate_insert_in_tx, certificate_newest,
    certificate_newest_seen, certificate_seen_in_tx,
};
use crate::store::join_tokens::{JoinTokenRow, join_token_consume_in_tx, join_token_get};
use crate::store::{StoreError, Tx};

mod identify;

/// How a host becomes an agent, and stays one.
#[derive(Debug, Clone)]
pub struct Enrollment {
    context: Context,
}

impl Enrollment {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Exchanges a join token for an identity. `issue` makes the certificate and is called within the transaction.
    pub async fn enroll<E: std::fmt::Display>(
        &self,
        request: Request,
        issue: impl FnOnce(AgentId) -> Result<IssuedCertificate, E> + Send,
    ) -> Result<Enrolled, Error> {
        let signing_public_key = request.check()?;
        let token = self.token(&request).await?;
        let key = sha256(&request.public_key);
        if request.again_as.is_some() && request.again_as != token.for_agent {
            return Err(refused(
                "JOIN_TOKEN_FOR_ANOTHER",
                "the join token is not for the agent that this host was: make one with `dgctl agent token create --for AGENT`",
            ));
        }
        let tx = self.context.store.begin().await?;
        let again = self
            .enrolled_before(&tx, &token, &key, &signing_public_key)
            .await?;
        let (agent, is_first) = match again {
            Some(agent) => (agent, false),
            None => {
                let joining = Joining {
                    token: &token,
                    request,
                    signing_public_key,
                    key: &key,
                };
                (self.join_in_tx(&tx, joining).await?, true)
            }
        };
        let (generation, certificate) = self.issue_in_tx(&tx, agent.id, &key, issue).await?;
        let is_rebuilt = token.for_agent.is_some();
        if is_rebuilt && is_first {
            self.end_older_in_tx(&tx, agent.id, generation).await?;
        }
        tx.commit().await?;
        if is_rebuilt && is_first {
            self.context.signal(Signal::AgentRebuilt(agent.id));
        }
        Ok(Enrolled {
            agent: agent.id,
            name: agent.name,
            is_rebuilt,
            certificate,
        })
    }

    /// A new certificate for a new key. `public_key` is its SubjectPublicKeyInfo, DER. The same key again gives a certificate
    /// of the same generation.
    pub async fn renew<E: std::fmt::Display>(
        &self,
        agent: AgentId,
        public_key: &[u8],
        issue: impl FnOnce(AgentId) -> Result<IssuedCertificate, E> + Send,
    ) -> Result<Enrolled, Error> {
        let tx = self.context.store.begin().await?;
        let found = agent_lock_in_tx(&tx, agent).await?;
        let found = lookup::active(found.ok_or_else(|| Error::not_found(Noun::Agent, agent))?)?;
        let (_, certificate) = self.issue_in_tx(&tx, agent, &sha256(public_key), issue).await?;
        tx.commit().await?;
        Ok(Enrolled {
            agent,
            name: found.name,
            is_rebuilt: false,
            certificate,
        })
    }

    /// The token that the host presents, if it is one of ours.
    async fn token(&self, request: &Request) -> Result<JoinTokenRow, Error> {
        let unknown = || {
            refused(
                "JOIN_TOKEN_UNKNOWN",
                "the join token is none of ours: make a new one",
            )
        };
        let presented = PresentedToken::parse(TokenKind::Join, &request.join_token).ok_or_else(unknown)?;
        let row = join_token_get(&self.context.store, JoinTokenId::from_uuid(presented.id)).await?;
        row.filter(|row| presented.matches(&row.secret_sha256))
            .ok_or_else(unknown)
    }

    /// The agent that this token made, if the same host asks again.
    async fn enrolled_before(
        &self,
        tx: &Tx,
        token: &JoinTokenRow,
        key: &[u8; 32],
        signing_public_key: &[u8; 32],
    ) -> Result<Option<Agent>, Error> {
        // Read again within the transaction: the same host may have asked twice at the same time.
        let token = join_token_get(tx, token.id).await?;
        let Some(token) = token else { return Ok(None) };
        let Some((agent, used_key)) = token.consumed else {
            return Ok(None);
        };
        if token.expires_at <= self.context.now() {
            return Err(used_up());
        }
        let agent = agent_get(tx, &Reference::Id(agent)).await?;
        match agent {
            Some(agent) if used_key == key && agent.signing_public_key == *signing_public_key => {
                lookup::active(agent).map(Some)
            }
            Some(_) | None => Err(used_up()),
        }
    }

    /// Uses the token up, for a new agent or for one whose host was rebuilt.
    async fn join_in_tx(&self, tx: &Tx, joining: Joining<'_>) -> Result<Agent, Error> {
        let now = self.context.now();
        let Joining { token, key, .. } = joining;
        if token.expires_at <= now {
            return Err(refused(
                "JOIN_TOKEN_EXPIRED",
                "the join token's time is over: make a new one",
            ));
        }
        let agent = match token.for_agent {
            None => {
                let agent = new_agent(joining, now)?;
                insert_in_tx(tx, &agent).await?;
                agent
            }
            Some(agent) => {
                let found = agent_lock_in_tx(tx, agent).await?;
                let found = lookup::active(found.ok_or_else(|| Error::not_found(Noun::Agent, agent))?)?;
                let facts = joining.request.facts.kept();
                agent_rebuilt_in_tx(tx, agent, &joining.signing_public_key, &facts).await?;
                agent_alert_in_tx(tx, agent, None).await?;
                audit_insert_in_tx(tx, &rebuilt(&found), now).await?;
                found
            }
        };
        if join_token_consume_in_tx(tx, token.id, agent.id, key, now).await? {
            Ok(agent)
        } else {
            Err(used_up())
        }
    }

    /// The host of an agent was rebuilt: what certificates there were before this generation are dead at once.
    async fn end_older_in_tx(&self, tx: &Tx, agent: AgentId, generation: u32) -> Result<(), Error> {
        let seen = Seen {
            generation,
            serial: None,
            at: Some(self.context.now()),
        };
        certificate_seen_in_tx(tx, agent, &seen).await?;
        Ok(certificate_floor_in_tx(tx, agent, generation).await?)
    }

    /// Makes and remembers a certificate for a key. Gives its generation too.
    async fn issue_in_tx<E: std::fmt::Display>(
        &self,
        tx: &Tx,
        agent: AgentId,
        key: &[u8; 32],
        issue: impl FnOnce(AgentId) -> Result<IssuedCertificate, E> + Send,
    ) -> Result<(u32, IssuedCertificate), Error> {
        let newest = certificate_newest(tx, agent).await?;
        let newest = newest.map(|newest| (newest.generation, newest.public_key_sha256 == key));
        let seen = certificate_newest_seen(tx, agent).await?;
        let generation = next_generation(newest, seen.generation);
        let issued = issue(agent).map_err(|error| Error::Internal(error.to_string()))?;
        let row = CertificateRow {
            agent,
            generation,
            public_key_sha256: key.to_vec(),
        };
        certificate_insert_in_tx(tx, &row, &issued, self.context.now()).await?;
        Ok((generation, issued))
    }
}

/// A host that joins.
struct Joining<'a> {
    token: &'a JoinTokenRow,
    request: Request,
    signing_public_key: [u8; 32],
    key: &'a [u8; 32],
}

fn new_agent(joining: Joining<'_>, now: DateTime<Utc>) -> Result<Agent, BadField> {
    Ok(Agent {
        id: AgentId::new(),
        name: choose_name(joining.token, &joining.request)?,
        state: AgentState::Active,
        facts: joining.request.facts.kept(),
        signing_public_key: joining.signing_public_key,
        enrolled_at: now,
        last_seen_at: None,
        session_replica: None,
        certificate_expires_at: None,
        clock_skew: None,
        session_epoch: 0,
        certificate_floor: 0,
        recovery: Recovery::default(),
        alert: None,
    })
}

fn choose_name(token: &JoinTokenRow, request: &Request) -> Result<ResourceName, BadField> {
    if let Some(name) = &token.name {
        return Ok(name.clone());
    }
    if !request.name.is_empty() {
        return new_name("name", &request.name);
    }
    name_from_hostname(&request.facts.hostname)
        .ok_or_else(|| BadField::new("name", "must be given: the host's name can't serve as one"))
}

async fn insert_in_tx(tx: &Tx, agent: &Agent) -> Result<(), Error> {
    match agent_insert_in_tx(tx, agent).await {
        Ok(()) => Ok(()),
        Err(StoreError::AlreadyExists(_)) => Err(Error::NameTaken {
            noun: Noun::Agent,
            name: agent.name.to_string(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// What the audit log says of an agent that moved to another host.
fn rebuilt(agent: &Agent) -> AuditEntry {
    AuditEntry {
        actor: Actor::Agent(agent.id),
        method: "host rebuilt".to_owned(),
        resource: agent.name.to_string(),
        outcome: "ok".to_owned(),
        remote: None,
    }
}

fn used_up() -> Error {
    refused(
        "JOIN_TOKEN_USED",
        "the join token was used already: make a new one",
    )
}

fn refused(reason: &'static str, message: &'static str) -> Error {
    Error::unauthenticated(reason, message)
}
