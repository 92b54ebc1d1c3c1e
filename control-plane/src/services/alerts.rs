//! Alerts about agents' identities: a mark on the agent, a row in the audit log, a line in ours.

use chrono::{DateTime, TimeDelta, Utc};

use super::Error;
use crate::domain::agent::{Agent, AlertKind, IdentityAlert};
use crate::domain::audit::{Actor, AuditEntry};
use crate::store::Tx;
use crate::store::agents::agent_alert_in_tx;
use crate::store::audit::audit_insert_in_tx;

/// The same alert is written down again after this long, not at each try of a copy.
const REPEAT: TimeDelta = TimeDelta::hours(1);

/// What the audit log calls it.
const METHOD: &str = "identity alert";

/// Raises an alert. The agent must be held. False if nothing was written, since it was raised a short while ago.
pub(super) async fn raise_in_tx(
    tx: &Tx,
    agent: &Agent,
    alert: IdentityAlert,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let standing = agent.alert.as_ref();
    if standing.is_some_and(|standing| standing.kind == alert.kind && now - standing.at < REPEAT) {
        return Ok(false);
    }
    tracing::error!(agent.id = %agent.id, agent.name = %agent.name, alert = alert.kind.as_str(), from = alert.from, "an agent's identity is used by a second holder");
    let entry = AuditEntry {
        actor: Actor::Agent(agent.id),
        method: METHOD.to_owned(),
        resource: agent.name.to_string(),
        outcome: alert.kind.as_str().to_owned(),
        remote: (alert.kind == AlertKind::IdentityCopied).then(|| alert.from.clone()),
    };
    audit_insert_in_tx(tx, &entry, now).await?;
    agent_alert_in_tx(tx, agent.id, Some(&alert)).await?;
    Ok(true)
}
