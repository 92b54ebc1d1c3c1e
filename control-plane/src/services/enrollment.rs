//! How a host becomes an agent, and stays one.
//!
//! A join token is good once: one conditional UPDATE uses it up. The same token with the same key again gives the same agent,
//! so that a lost reply does no harm; with another key it is refused.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, JoinTokenId};
use dataguardian_core::name::ResourceName;

use super::{Context, Error, Noun, lookup};
use crate::domain::agent::{Agent, AgentState, Enrollment as Request, name_from_hostname};
use crate::domain::certificate::{
    AgentIdentity, Enrolled, GenerationVerdict, IssuedCertificate, judge_generation,
};
use crate::domain::field::BadField;
use crate::domain::reference::{Reference, new_name};
use crate::secrets::token::{PresentedToken, TokenKind, sha256};
use crate::store::agents::{
    JoinTokenRow, agent_get, agent_insert_in_tx, agent_lock_in_tx, join_token_consume_in_tx, join_token_get,
};
use crate::store::certificates::{
    CertificateRow, certificate_by_serial, certificate_insert_in_tx, certificate_newest,
    certificate_seen_in_tx,
};
use crate::store::{StoreError, Tx};

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
        let now = self.context.now();
        let tx = self.context.store.begin().await?;
        let agent = match self
            .enrolled_before(&tx, &token, &key, &signing_public_key)
            .await?
        {
            Some(agent) => agent,
            None => {
                let agent = new_agent(&token, request, signing_public_key, now)?;
                create_in_tx(&tx, &token, &agent, &key, now).await?;
                agent
            }
        };
        let certificate = self.issue_in_tx(&tx, agent.id, &key, issue).await?;
        tx.commit().await?;
        Ok(Enrolled {
            agent: agent.id,
            name: agent.name,
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
        let certificate = self.issue_in_tx(&tx, agent, &sha256(public_key), issue).await?;
        tx.commit().await?;
        Ok(Enrolled {
            agent,
            name: found.name,
            certificate,
        })
    }

    /// Whose the certificate is that was presented at a handshake, judged by its serial number. A revoked agent and a dead
    /// generation are refused; the first sight of a newer generation ends the older ones.
    pub async fn identify(&self, agent: AgentId, serial: &str) -> Result<AgentIdentity, Error> {
        let store = &self.context.store;
        let found = agent_get(store, &Reference::Id(agent)).await?;
        if found.is_none_or(|agent| agent.state != AgentState::Active) {
            return Err(refused("AGENT_REVOKED", "this agent is unknown or was revoked"));
        }
        let Some((row, seen)) = certificate_by_serial(store, agent, serial).await? else {
            return Err(refused("CERTIFICATE_UNKNOWN", "this certificate is none of ours"));
        };
        let alive = match judge_generation(row.generation, seen) {
            GenerationVerdict::Current => true,
            GenerationVerdict::Dead => false,
            GenerationVerdict::FirstSeen => {
                let tx = store.begin().await?;
                let alive = certificate_seen_in_tx(&tx, agent, row.generation).await?;
                tx.commit().await?;
                alive
            }
        };
        if !alive {
            return Err(refused(
                "CERTIFICATE_SUPERSEDED",
                "a newer certificate of this agent is in use: this is a copy of it, or a restored disk",
            ));
        }
        Ok(AgentIdentity {
            agent,
            generation: row.generation,
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
        let Some((agent, used_key)) = token.and_then(|token| token.consumed) else {
            return Ok(None);
        };
        let agent = agent_get(tx, &Reference::Id(agent)).await?;
        match agent {
            Some(agent) if used_key == key && agent.signing_public_key == *signing_public_key => {
                lookup::active(agent).map(Some)
            }
            Some(_) | None => Err(used_up()),
        }
    }

    /// Makes and remembers a certificate for a key: a new generation unless it is the newest one's key.
    async fn issue_in_tx<E: std::fmt::Display>(
        &self,
        tx: &Tx,
        agent: AgentId,
        key: &[u8; 32],
        issue: impl FnOnce(AgentId) -> Result<IssuedCertificate, E> + Send,
    ) -> Result<IssuedCertificate, Error> {
        let generation = match certificate_newest(tx, agent).await? {
            None => 1,
            Some(newest) if newest.public_key_sha256 == key => newest.generation,
            Some(newest) => newest.generation.saturating_add(1),
        };
        let issued = issue(agent).map_err(|error| Error::Internal(error.to_string()))?;
        let row = CertificateRow {
            agent,
            generation,
            public_key_sha256: key.to_vec(),
        };
        certificate_insert_in_tx(tx, &row, &issued, self.context.now()).await?;
        Ok(issued)
    }
}

fn new_agent(
    token: &JoinTokenRow,
    request: Request,
    signing_public_key: [u8; 32],
    now: DateTime<Utc>,
) -> Result<Agent, Error> {
    if token.expires_at <= now {
        return Err(refused(
            "JOIN_TOKEN_EXPIRED",
            "the join token's time is over: make a new one",
        ));
    }
    Ok(Agent {
        id: AgentId::new(),
        name: choose_name(token, &request)?,
        state: AgentState::Active,
        facts: request.facts.kept(),
        signing_public_key,
        enrolled_at: now,
        last_seen_at: None,
        certificate_expires_at: None,
        clock_skew: None,
        session_epoch: 0,
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

async fn create_in_tx(
    tx: &Tx,
    token: &JoinTokenRow,
    agent: &Agent,
    key: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    match agent_insert_in_tx(tx, agent).await {
        Ok(()) => {}
        Err(StoreError::AlreadyExists(_)) => {
            return Err(Error::NameTaken {
                noun: Noun::Agent,
                name: agent.name.to_string(),
            });
        }
        Err(error) => return Err(error.into()),
    }
    if join_token_consume_in_tx(tx, token.id, agent.id, key, now).await? {
        Ok(())
    } else {
        Err(used_up())
    }
}

fn used_up() -> Error {
    refused(
        "JOIN_TOKEN_USED",
        "the join token was used already: make a new one",
    )
}

const fn refused(reason: &'static str, message: &'static str) -> Error {
    Error::Unauthenticated { reason, message }
}
