//! What of the facts is a trouble now.
//!
//! What can't be known now stays as it is: a storage whose agent is away has not recovered, and an agent is not offline because
//! the control plane was.

mod telling;

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::execution::ExecutionKind;

use super::facts::{
    AgentFacts, Damage, DatasourceFacts, Facts, FailedExecution, HealthFacts, JobFacts, StorageFacts,
};
use super::missing::{Grace, missing};
use super::{About, Course, EventKind, Policy, Trouble};
use crate::domain::health::Condition as Health;

/// After its start a control plane gives its loops and agents so long to make up for what was missed.
const SETTLE: TimeDelta = TimeDelta::minutes(5);
/// A certificate that the operator brought is to be replaced so long before its end.
const API_CERTIFICATE: TimeDelta = TimeDelta::days(14);
/// A token is to be replaced so long before its end.
const TOKEN: TimeDelta = TimeDelta::days(3);

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// What is not as it should be.
    pub troubles: Vec<Trouble>,
    /// Keys of what can't be known now.
    pub unknown: BTreeSet<String>,
}

/// Looks at everything.
pub fn observe(facts: &Facts, policy: &Policy, now: DateTime<Utc>) -> Seen {
    let mut seen = Seen::default();
    let settled = facts.seen_since + SETTLE.min(policy.missing_after);
    let grace = Grace {
        after_due: policy.missing_after,
        not_before: settled,
    };
    for job in &facts.jobs {
        seen.job(job, grace, now);
    }
    for datasource in &facts.datasources {
        seen.datasource(datasource, now);
    }
    for storage in &facts.storages {
        seen.storage(storage);
    }
    for agent in &facts.agents {
        seen.agent(agent, facts.seen_since, policy, now);
    }
    seen.troubles.extend(facts.damage.iter().map(damaged));
    seen.troubles.extend(facts.failures.iter().map(failed));
    seen.own(facts, policy, now);
    seen
}

impl Seen {
    fn job(&mut self, job: &JobFacts, grace: Grace, now: DateTime<Utc>) {
        let about = About {
            datasource: Some(job.datasource.clone()),
            job: Some((job.id, job.name.clone())),
            ..About::default()
        };
        if let Some(failure) = &job.failure {
            self.lasts(Lasting {
                id: &job.id,
                kind: EventKind::BackupFailed,
                about: About {
                    execution: Some(failure.execution),
                    ..about.clone()
                },
                summary: format!("Backup of job {} failed", job.name),
                details: format!(
                    "{}\n{}\nThe log: dgctl execution logs {}",
                    failure.why, failure.advice, failure.execution
                ),
                since: failure.at,
            });
        }
        let key = key(EventKind::BackupMissing, &job.id);
        match missing(job, grace, now) {
            Some(missing) => {
                let mut details = format!(
                    "No backup was made for {}. Times that have passed since without one: {}.\n",
                    missing.local, missing.times
                );
                details += &match &job.waits {
                    Some((since, id)) => format!(
                        "Execution {id} waits since {}: dgctl execution get {id} says what for.",
                        shown(*since)
                    ),
                    None => "Nothing was queued for it: dgctl system health says whether the scheduler and the queue work."
                        .to_owned(),
                };
                self.lasts(Lasting {
                    id: &job.id,
                    kind: EventKind::BackupMissing,
                    about,
                    summary: format!("Backup of job {} is missing", job.name),
                    details,
                    since: missing.due,
                });
            }
            // One that is at work or failed has not arrived: that it is missing is over with the next that does.
            None if now < grace.not_before || job.at_work || job.failure.is_some() => {
                self.unknown.insert(key);
            }
            None => {}
        }
    }

    fn datasource(&mut self, datasource: &DatasourceFacts, now: DateTime<Utc>) {
        let about = || About {
            datasource: Some((datasource.id, datasource.name.clone())),
            ..About::default()
        };
        let name = &datasource.name;
        let too_old = |at: Option<DateTime<Utc>>, within: Option<TimeDelta>| {
            let since = at.unwrap_or(datasource.created_at);
            within.filter(|within| now.signed_duration_since(since) > *within)
        };
        if let Some(within) = too_old(datasource.newest_at, datasource.backup_within) {
            self.lasts(Lasting {
                id: &datasource.id,
                kind: EventKind::BackupTooOld,
                about: about(),
                summary: format!("Newest backup of {name} is too old"),
                details: format!(
                    "{} It should be at most {} old: dgctl job list shows what backs it up.",
                    newest("backup", datasource.newest_at),
                    length(within)
                ),
                since: datasource.newest_at.unwrap_or(datasource.created_at) + within,
            });
        }
        if let Some(within) = too_old(datasource.verified_at, datasource.verified_within) {
            self.lasts(Lasting {
                id: &datasource.id,
                kind: EventKind::VerifiedBackupTooOld,
                about: about(),
                summary: format!("Newest verified backup of {name} is too old"),
                details: format!(
                    "{} It should be at most {} old: dgctl backup verify ID --level 2 looks into one now.",
                    newest("verified backup", datasource.verified_at),
                    length(within)
                ),
                since: datasource.verified_at.unwrap_or(datasource.created_at) + within,
            });
        }
        let Some(health) = &datasource.health else { return };
        if health.condition == Health::Unhealthy {
            self.lasts(Lasting {
                id: &datasource.id,
                kind: EventKind::DatasourceUnhealthy,
                about: about(),
                summary: format!("Datasource {name} could not be backed up now"),
                details: health.problems.clone(),
                since: health.since,
            });
        }
    }

    fn storage(&mut self, storage: &StorageFacts) {
        let Some(health) = &storage.health else { return };
        let lasting = |kind, summary, details| Lasting {
            id: &storage.id,
            kind,
            about: About {
                storage: Some((storage.id, storage.name.clone())),
                ..About::default()
            },
            summary,
            details,
            since: health.since,
        };
        let name = &storage.name;
        match health.condition {
            Health::Unhealthy => {
                // How full it is nobody can say now.
                self.unknown
                    .insert(key(EventKind::StorageNearlyFull, &storage.id));
                let summary = format!("Storage {name} could not be used now");
                self.lasts(lasting(
                    EventKind::StorageUnhealthy,
                    summary,
                    health.problems.clone(),
                ));
            }
            Health::Degraded => {
                let summary = format!("Storage {name} is nearly full");
                self.lasts(lasting(EventKind::StorageNearlyFull, summary, room(health)));
            }
            Health::Healthy | Health::Unknown => {}
        }
    }

    fn agent(&mut self, agent: &AgentFacts, seen_since: DateTime<Utc>, policy: &Policy, now: DateTime<Utc>) {
        let about = || About {
            agent: Some((agent.id, agent.name.clone())),
            ..About::default()
        };
        let name = &agent.name;
        let silent = |since| now.signed_duration_since(since) > policy.agent_offline_after;
        if silent(agent.last_seen_at.max(seen_since)) {
            self.lasts(Lasting {
                id: &agent.id,
                kind: EventKind::AgentOffline,
                about: about(),
                summary: format!("Agent {name} is offline"),
                details: format!(
                    "It was last heard of at {}. Its databases are not backed up meanwhile. On its host: systemctl status dataguardian-agent",
                    shown(agent.last_seen_at)
                ),
                since: agent.last_seen_at,
            });
        } else if silent(agent.last_seen_at) {
            self.unknown.insert(key(EventKind::AgentOffline, &agent.id));
        }
        // It renews itself at a third of its life: what is that old was tried in vain for long.
        let due = agent
            .certificate_ends
            .map(|ends| (ends, ends - policy.certificate_life / 4));
        if let Some((ends, due)) = due.filter(|(_, due)| now >= *due) {
            self.lasts(Lasting {
                id: &agent.id,
                kind: EventKind::CertificateExpiring,
                about: about(),
                summary: format!("Certificate of agent {name} ends soon"),
                details: format!(
                    "It ends at {}, and should have renewed itself. dgctl agent get {name} says more.",
                    shown(ends)
                ),
                since: due,
            });
        }
    }

    /// What concerns the control plane itself.
    fn own(&mut self, facts: &Facts, policy: &Policy, now: DateTime<Utc>) {
        if let Some(ends) = policy
            .api_certificate_ends
            .filter(|ends| *ends - API_CERTIFICATE <= now)
        {
            self.lasts(Lasting {
                id: &"api",
                kind: EventKind::CertificateExpiring,
                about: About::default(),
                summary: "Certificate of the API ends soon".to_owned(),
                details: format!(
                    "It ends at {}. Put another one where api.tls_cert says, and restart the control plane.",
                    shown(ends)
                ),
                since: ends - API_CERTIFICATE,
            });
        }
        for token in facts
            .tokens
            .iter()
            .filter(|token| token.expires_at - TOKEN <= now)
        {
            self.lasts(Lasting {
                id: &token.id,
                kind: EventKind::TokenExpiring,
                about: About::default(),
                summary: format!("An API token of {} ends soon", token.username),
                details: format!(
                    "It ends at {}. dgctl login makes another one.",
                    shown(token.expires_at)
                ),
                since: token.expires_at - TOKEN,
            });
        }
        for channel in &facts.channels {
            self.channel(channel, now);
        }
        self.troubles
            .extend(facts.waiting_users.iter().map(telling::waiting));
        let offline = facts.queue_offline.as_ref();
        if let Some((since, why)) =
            offline.filter(|(since, _)| now.signed_duration_since(*since) >= policy.queue_offline_after)
        {
            self.lasts(Lasting {
                id: &"redis",
                kind: EventKind::QueueOffline,
                about: About::default(),
                summary: "The queue is offline".to_owned(),
                details: format!("{why}. No backup and no restore begins until it answers again."),
                since: *since,
            });
        }
    }

    fn lasts(&mut self, lasting: Lasting<'_>) {
        self.troubles.push(Trouble {
            key: key(lasting.kind, lasting.id),
            kind: lasting.kind,
            course: Course::Lasts,
            about: lasting.about,
            summary: lasting.summary,
            details: lasting.details,
            since: lasting.since,
        });
    }
}

/// A trouble that lasts.
struct Lasting<'a> {
    id: &'a dyn std::fmt::Display,
    kind: EventKind,
    about: About,
    summary: String,
    details: String,
    since: DateTime<Utc>,
}

fn key(kind: EventKind, id: &dyn std::fmt::Display) -> String {
    format!("{}/{id}", kind.as_str())
}

fn damaged(damage: &Damage) -> Trouble {
    let ((storage, storage_name), (datasource, datasource_name)) = (&damage.storage, &damage.datasource);
    Trouble {
        key: format!("{}/{storage}/{datasource}", EventKind::DamageFound.as_str()),
        kind: EventKind::DamageFound,
        course: Course::Lasts,
        about: About {
            storage: Some(damage.storage.clone()),
            datasource: Some(damage.datasource.clone()),
            ..About::default()
        },
        summary: format!("Backups of {datasource_name} are damaged in storage {storage_name}"),
        details: format!(
            "Damaged copies: {}. Those with another whole copy are mended by themselves; dgctl system info names the others.",
            damage.copies
        ),
        since: damage.since,
    }
}

fn failed(failed: &FailedExecution) -> Trouble {
    let (kind, what) = match failed.kind {
        ExecutionKind::Verify => (EventKind::VerificationFailed, "Verification of a backup of"),
        _ => (EventKind::RestoreFailed, "Restore into"),
    };
    let name = failed
        .datasource
        .as_ref()
        .map_or("a datasource", |(_, name)| name.as_str());
    Trouble {
        key: key(kind, &failed.id),
        kind,
        course: Course::Happened,
        about: About {
            datasource: failed.datasource.clone(),
            execution: Some(failed.id),
            ..About::default()
        },
        summary: format!("{what} {name} failed"),
        details: format!(
            "{}\n{}\nThe log: dgctl execution logs {}",
            failed.why, failed.advice, failed.id
        ),
        since: failed.at,
    }
}

fn newest(what: &str, at: Option<DateTime<Utc>>) -> String {
    match at {
        Some(at) => format!("The newest {what} is of {}.", shown(at)),
        None => format!("There is no {what}."),
    }
}

fn room(health: &HealthFacts) -> String {
    match health.free_bytes {
        Some(free) => format!("{} MiB are left. Make room, or keep fewer backups.", free >> 20),
        None => "Make room, or keep fewer backups.".to_owned(),
    }
}

/// A time, for people.
pub(super) fn shown(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn length(length: TimeDelta) -> String {
    match (length.num_days(), length.num_hours()) {
        (days, hours) if days > 2 && hours % 24 == 0 => format!("{days} days"),
        (_, hours) if hours > 0 => format!("{hours} h"),
        (..) => format!("{} min", length.num_minutes()),
    }
}
