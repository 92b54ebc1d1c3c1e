//! What is told to whom.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{DatasourceId, JobId, NotificationChannelId, NotificationRuleId};
use dataguardian_core::name::ResourceName;
use uuid::Uuid;

use super::{Addressee, EventKind, Notification, Severity};
use crate::domain::field::{BadField, Checks};
use crate::domain::reference::Reference;

/// The most channels that one rule names.
pub const MAX_CHANNELS: usize = 100;

/// What is told to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: NotificationRuleId,
    /// Its name.
    pub name: ResourceName,
    /// What matters less is not told.
    pub min_severity: Severity,
    /// Only these; all if empty.
    pub events: Vec<EventKind>,
    /// Only what concerns this datasource.
    pub datasource: Option<(DatasourceId, String)>,
    /// Only what concerns this job.
    pub job: Option<(JobId, String)>,
    /// To whom.
    pub channels: Channels,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Rises with every change: the etag.
    pub revision: i64,
}

/// Which channels a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Channels {
    /// Every one, those to come included.
    All,
    /// These.
    Named(Vec<Addressee>),
}

/// A rule to be made.
#[derive(Debug, Clone)]
pub struct NewRule {
    /// Its name.
    pub name: ResourceName,
    /// What matters less is not told.
    pub min_severity: Severity,
    /// Only these; all if empty.
    pub events: Vec<EventKind>,
    /// Only what concerns this datasource.
    pub datasource: Option<Reference<DatasourceId>>,
    /// Only what concerns this job.
    pub job: Option<Reference<JobId>>,
    /// Which channels; every one if empty.
    pub channels: Vec<Reference<NotificationChannelId>>,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

/// A change of a rule; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct RuleChange {
    /// Field `min_severity`.
    pub min_severity: Option<Severity>,
    /// Field `events`.
    pub events: Option<Vec<EventKind>>,
    /// Field `datasource`; an inner none takes it away.
    pub datasource: Option<Option<Reference<DatasourceId>>>,
    /// Field `job`; an inner none takes it away.
    pub job: Option<Option<Reference<JobId>>>,
    /// Field `channels`.
    pub channels: Option<Vec<Reference<NotificationChannelId>>>,
    /// Refuse the change unless this is the present revision.
    pub expected_revision: Option<i64>,
}

impl Rule {
    /// Whether it is for that notification. That something is over is for whoever may have been told that it began.
    pub fn is_for(&self, notification: &Notification) -> bool {
        let severity = notification.kind.severity();
        let about = &notification.about;
        severity >= self.min_severity
            && (self.events.is_empty() || self.events.contains(&notification.kind))
            && self.datasource.as_ref().is_none_or(|(id, _)| {
                about
                    .datasource
                    .as_ref()
                    .is_some_and(|(concerned, _)| concerned == id)
            })
            && self
                .job
                .as_ref()
                .is_none_or(|(id, _)| about.job.as_ref().is_some_and(|(concerned, _)| concerned == id))
    }
}

/// Who is told: every channel that a rule for it names, once.
pub fn addressees(
    rules: &[Rule],
    channels: &[NotificationChannelId],
    notification: &Notification,
) -> Vec<NotificationChannelId> {
    let matching: Vec<_> = rules.iter().filter(|rule| rule.is_for(notification)).collect();
    let is_named = |channel: &&NotificationChannelId| {
        matching.iter().any(|rule| match &rule.channels {
            Channels::All => true,
            Channels::Named(named) => named.iter().any(|(id, _)| id == *channel),
        })
    };
    // What concerns a channel can't be told there.
    let concerned = notification.about.channel.as_ref().map(|(id, _)| id);
    let others = channels.iter().filter(|channel| concerned != Some(*channel));
    others.filter(is_named).copied().collect()
}

/// Checks how much a rule names.
pub fn check(events: &[EventKind], channels: usize) -> Result<(), Vec<BadField>> {
    let mut checks = Checks::new();
    let too_many = format!("must name at most {MAX_CHANNELS} channels");
    checks.require(channels <= MAX_CHANNELS, "channels", &too_many);
    checks.require(
        events.len() <= EventKind::ALL.len(),
        "events",
        "names an event twice",
    );
    checks.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::notification::properties::{notification, rule};
    use crate::domain::notification::{About, Phase};

    #[test]
    fn a_rule_is_for_what_matters_enough_and_concerns_it() {
        let warning = notification(EventKind::AgentOffline);
        let error = notification(EventKind::BackupFailed);
        assert!(rule().is_for(&warning) && rule().is_for(&error));
        let errors = Rule {
            min_severity: Severity::Error,
            ..rule()
        };
        assert!(!errors.is_for(&warning) && errors.is_for(&error));
        let restores = Rule {
            events: vec![EventKind::RestoreFailed],
            ..rule()
        };
        assert!(!restores.is_for(&error));
        let shop = (DatasourceId::new(), "shop".to_owned());
        let of_shop = Rule {
            datasource: Some(shop.clone()),
            ..rule()
        };
        assert!(
            !of_shop.is_for(&error),
            "what concerns no datasource does not concern this one"
        );
        let about = About {
            datasource: Some(shop),
            ..About::default()
        };
        assert!(of_shop.is_for(&Notification { about, ..error }));
    }

    #[test]
    fn the_end_is_told_to_whom_the_beginning_was() {
        let errors = Rule {
            min_severity: Severity::Error,
            ..rule()
        };
        let over = Notification {
            phase: Phase::Recovered,
            ..notification(EventKind::BackupFailed)
        };
        assert_eq!(over.severity(), Severity::Info);
        assert!(errors.is_for(&over));
    }

    #[test]
    fn a_channel_that_two_rules_name_is_told_once() {
        let [a, b, c] = [(); 3].map(|()| NotificationChannelId::new());
        let named = |channel| Rule {
            channels: Channels::Named(vec![(channel, "x".into())]),
            ..rule()
        };
        let failed = notification(EventKind::BackupFailed);
        assert_eq!(
            addressees(&[named(a), named(a), named(b)], &[a, b, c], &failed),
            [a, b]
        );
        assert_eq!(addressees(&[rule(), named(a)], &[a, b, c], &failed), [a, b, c]);
        assert!(addressees(&[], &[a], &failed).is_empty());
    }
}
