//! Looks for troubles, and writes down what is to be told of them: the trouble, the notification and its deliveries in one
//! transaction, so that whoever is killed in between has told all or nothing.

use std::sync::PoisonError;

use chrono::TimeDelta;
use dataguardian_core::ids::NotificationChannelId;
use serde::Serialize;

use super::Notifications;
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::leadership::Tenure;
use crate::domain::notification::facts::Facts;
use crate::domain::notification::observe::observe;
use crate::domain::notification::plan::{Step, plan};
use crate::domain::notification::rule::{Channels, Rule, addressees};
use crate::domain::notification::{Condition, Course, Notification, Phase, Severity};
use crate::services::Error;
use crate::store::Tx;
use crate::store::audit::audit_insert_in_tx;
use crate::store::notification_channels::channel_list;
use crate::store::notification_rules::rule_list;
use crate::store::notifications::{
    condition_begin_in_tx, condition_end_in_tx, condition_seen_in_tx, condition_told_in_tx, conditions,
    notification_insert_in_tx, notifications_known,
};

/// Channels, and rules, that are considered.
const AT_ONCE: u64 = 10_000;
/// Steps in one transaction: on SQLite nobody else writes meanwhile.
const STEPS: usize = 50;

/// A look that takes longer has waited for the metadata database.
const SLOW: TimeDelta = TimeDelta::seconds(10);

/// What a look came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// Troubles that began.
    pub began: usize,
    /// Troubles that were told of again.
    pub reminded: usize,
    /// Troubles that are over.
    pub recovered: usize,
    /// Things that happened once.
    pub happened: usize,
}

/// Who is told what, at one moment.
struct Distribution {
    rules: Vec<Rule>,
    channels: Vec<NotificationChannelId>,
}

impl Notifications {
    /// Looks once.
    pub async fn watch(&self, tenure: Tenure) -> Result<Watched, Error> {
        let (open, facts) = self.look().await?;
        let steps = self.steps(&open, &facts).await?;
        let mut watched = Watched::default();
        if steps.is_empty() {
            return Ok(watched);
        }
        let distribution = self.distribution().await?;
        for steps in steps.chunks(STEPS) {
            let tx = self.context.begin_by(tenure).await?;
            let mut done = watched;
            for step in steps {
                distribution.carry_out_in_tx(&tx, step, &mut done).await?;
            }
            tx.commit().await?;
            watched = done;
        }
        Ok(watched)
    }

    /// What was told and lasts, and everything as it is now.
    async fn look(&self) -> Result<(Vec<Condition>, Facts), Error> {
        let began = self.context.clock.uptime();
        let looked = async {
            let open = conditions(&self.context.store).await?;
            Ok((open, self.facts().await?))
        };
        let looked: Result<(Vec<Condition>, Facts), Error> = looked.await;
        let took = self.context.clock.uptime() - began;
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        sight.lost |= looked.is_err() || took > SLOW;
        let (open, mut facts) = looked?;
        if std::mem::take(&mut sight.lost) {
            sight.since = Some(self.context.now());
        }
        facts.seen_since = sight.since.unwrap_or(facts.seen_since);
        Ok((open, facts))
    }

    /// What is to be done, without what was told already.
    async fn steps(&self, open: &[Condition], facts: &Facts) -> Result<Vec<Step>, Error> {
        let now = self.context.now();
        let policy = &self.context.notifications;
        let mut seen = observe(facts, policy, now);
        let happened = |course| course == Course::Happened;
        let keys = seen.troubles.iter().filter(|trouble| happened(trouble.course));
        let keys: Vec<_> = keys.map(|trouble| trouble.key.clone()).collect();
        if !keys.is_empty() {
            let known = notifications_known(&self.context.store, &keys).await?;
            seen.troubles
                .retain(|trouble| !happened(trouble.course) || !known.contains(&trouble.key));
        }
        Ok(plan(open, seen, facts, policy, now))
    }

    async fn distribution(&self) -> Result<Distribution, Error> {
        let store = &self.context.store;
        let channels = channel_list(store, None, AT_ONCE).await?;
        let takes = channels
            .into_iter()
            .filter(|channel| !channel.disabled && channel.target.takes_notifications());
        let mut rules = rule_list(store, None, AT_ONCE).await?;
        if rules.is_empty() {
            rules.push(self.usual_rule()?);
        }
        Ok(Distribution {
            rules,
            channels: takes.map(|channel| channel.id).collect(),
        })
    }

    /// What holds while there is no rule: everything that matters goes to every channel.
    fn usual_rule(&self) -> Result<Rule, Error> {
        let name = "usual".parse();
        let now = self.context.now();
        Ok(Rule {
            id: dataguardian_core::ids::NotificationRuleId::new(),
            name: name.map_err(|_| Error::Internal("the usual rule has no name".into()))?,
            min_severity: Severity::Warning,
            events: Vec::new(),
            datasource: None,
            job: None,
            channels: Channels::All,
            created_at: now,
            updated_at: now,
            revision: 1,
        })
    }
}

impl Distribution {
    async fn carry_out_in_tx(&self, tx: &Tx, step: &Step, watched: &mut Watched) -> Result<(), Error> {
        match step {
            Step::Begin(condition, notification) => {
                if condition_begin_in_tx(tx, condition).await? && self.tell_in_tx(tx, notification).await? {
                    note_edge_in_tx(tx, notification).await?;
                    watched.began += 1;
                }
            }
            Step::Remind(condition, notification) => {
                let told = condition_told_in_tx(tx, condition, notification.created_at).await?;
                if told && self.tell_in_tx(tx, notification).await? {
                    watched.reminded += 1;
                }
            }
            Step::End(condition, notification) => {
                if condition_end_in_tx(tx, condition).await? && self.tell_in_tx(tx, notification).await? {
                    note_edge_in_tx(tx, notification).await?;
                    watched.recovered += 1;
                }
            }
            Step::Withdraw(condition) => {
                condition_end_in_tx(tx, condition).await?;
            }
            Step::Seen(condition) => {
                condition_seen_in_tx(tx, &condition.key, condition.seen_at).await?;
            }
            Step::Tell(notification) => {
                if self.tell_in_tx(tx, notification).await? {
                    watched.happened += 1;
                }
            }
        }
        Ok(())
    }

    async fn tell_in_tx(&self, tx: &Tx, notification: &Notification) -> Result<bool, Error> {
        let to = addressees(&self.rules, &self.channels, notification);
        let told = notification_insert_in_tx(tx, notification, &to).await?;
        if told {
            tracing::info!(
                notification.id = %notification.id,
                event = notification.kind.as_str(),
                phase = notification.phase.as_str(),
                channels = to.len(),
                summary = notification.summary,
                "people are told"
            );
        }
        Ok(told)
    }
}

/// Whether people are told at all is worth a row in the audit log, which needs no channel.
async fn note_edge_in_tx(tx: &Tx, notification: &Notification) -> Result<(), Error> {
    let Some((_, channel)) = &notification.about.channel else {
        return Ok(());
    };
    let (method, outcome) = match notification.phase {
        Phase::Recovered => ("notification channel works again", "ok"),
        Phase::Began | Phase::Reminder | Phase::Happened => ("notification channel fails", "CHANNEL_FAILING"),
    };
    let entry = AuditEntry {
        actor: Actor::System,
        method: method.to_owned(),
        resource: channel.clone(),
        outcome: outcome.to_owned(),
        remote: None,
    };
    Ok(audit_insert_in_tx(tx, &entry, notification.created_at).await?)
}
