//! What about an agent needs a person's attention, and what to do about it. Made here once, so that every client shows the same.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Agent, AgentState, AlertKind, IdentityAlert};
use crate::domain::certificate::{CertificateAge, judge_age};

/// A clock that is further off than this is worth a word.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// Something that needs a person's attention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// A stable name for programs.
    pub reason: &'static str,
    /// What is the matter.
    pub message: String,
    /// What to do.
    pub advice: String,
    /// Since when, if that is known.
    pub since: Option<DateTime<Utc>>,
}

/// The notices about an agent, the most urgent first.
pub fn notices(agent: &Agent, now: DateTime<Utc>) -> Vec<Notice> {
    if agent.state == AgentState::Revoked {
        return Vec::new();
    }
    let locked = (agent.state == AgentState::Locked).then(|| locked(agent));
    let alert = agent.alert.as_ref().map(|found| alert(agent, found));
    let all = [alert, recovery(agent, now), locked, skew(agent)];
    all.into_iter().flatten().collect()
}

fn alert(agent: &Agent, alert: &IdentityAlert) -> Notice {
    let name = &agent.name;
    let from = match alert.from.as_str() {
        "" => String::new(),
        from => format!(" (from {from})"),
    };
    let (message, advice) = match alert.kind {
        AlertKind::IdentityCopied => (
            format!(
                "a certificate was used{from} that a newer one had replaced, and was refused: by a copy of the agent's state directory, or by a disk or host that was restored"
            ),
            format!(
                "stop the copy. If the host that was refused is the right one, make a token with `dgctl agent token create --for {name}` and run `dataguardian-agent enroll --again` there. Then `dgctl agent clear-alert {name}`"
            ),
        ),
        AlertKind::IdentityShared => (
            format!(
                "two agents that run on copies of one state directory take turns with the same identity{from}; the one that came back was refused"
            ),
            format!(
                "stop one of the two and remove its state directory, then `dgctl agent clear-alert {name}`"
            ),
        ),
    };
    Notice {
        reason: alert.kind.as_str(),
        message,
        advice,
        since: Some(alert.at),
    }
}

fn recovery(agent: &Agent, now: DateTime<Utc>) -> Option<Notice> {
    let ended = agent.certificate_expires_at?;
    if judge_age(ended, now) != CertificateAge::LongEnded {
        return None;
    }
    let approved = agent.recovery.until.filter(|until| *until > now);
    Some(match approved {
        Some(until) => Notice {
            reason: "RECOVERY_APPROVED",
            message: format!(
                "it may fetch a new certificate until {}",
                until.format("%F %T UTC")
            ),
            advice: "start the agent, if it does not run: it recovers by itself".into(),
            since: None,
        },
        None => Notice {
            reason: "RECOVERY_NEEDS_APPROVAL",
            message:
                "its certificate ended more than 30 days ago, and only a person can let it fetch a new one"
                    .into(),
            advice: format!(
                "if this agent is to come back, `dgctl agent approve {}`",
                agent.name
            ),
            since: agent.recovery.asked_at.or(Some(ended)),
        },
    })
}

fn locked(agent: &Agent) -> Notice {
    Notice {
        reason: "LOCKED",
        message: "it gets no new work; what it was at work on goes on".into(),
        advice: format!("`dgctl agent unlock {}` gives it work again", agent.name),
        since: None,
    }
}

fn skew(agent: &Agent) -> Option<Notice> {
    let skew = agent.clock_skew.filter(|skew| skew.abs() > SKEW)?;
    let way = if skew > TimeDelta::zero() {
        "ahead of"
    } else {
        "behind"
    };
    Some(Notice {
        reason: "CLOCK_SKEW",
        message: format!(
            "its clock is {} s {way} the control plane's",
            skew.abs().num_seconds()
        ),
        advice: "set the clocks of both hosts by NTP".into(),
        since: None,
    })
}
