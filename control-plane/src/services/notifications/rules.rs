//! Rules.

use dataguardian_core::ids::{DatasourceId, JobId, NotificationChannelId, NotificationRuleId};

use super::Notifications;
use super::channels::channel;
use crate::domain::field::BadField;
use crate::domain::notification::EventKind;
use crate::domain::notification::rule::{Channels, NewRule, Rule, RuleChange, check};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::services::lookup::{self, Remembered, Request};
use crate::services::{Changed, Error, Noun};
use crate::store::notification_rules::{
    rule_delete_in_tx, rule_get, rule_insert_in_tx, rule_list, rule_update_in_tx,
};
use crate::store::{Connected, StoreError};

impl Notifications {
    /// Makes a rule.
    pub async fn create_rule(&self, new: NewRule) -> Result<Rule, Error> {
        let store = &self.context.store;
        let request = Request::new(RequestKind::CreateNotificationRule, new.request_id, &new);
        if let Some(id) = request.made(store).await? {
            return self.rule(&Reference::Id(NotificationRuleId::from_uuid(id))).await;
        }
        let rule = self.draft_rule(new).await?;
        let tx = store.begin().await?;
        let remembered = request
            .remember_in_tx(&tx, rule.id.as_uuid(), rule.created_at)
            .await?;
        if remembered == Remembered::Overtaken {
            drop(tx);
            let id = request.made(store).await?.ok_or_else(lookup::overtaken)?;
            return self.rule(&Reference::Id(NotificationRuleId::from_uuid(id))).await;
        }
        match rule_insert_in_tx(&tx, &rule).await {
            Ok(()) => tx.commit().await?,
            Err(StoreError::AlreadyExists(_)) => return Err(taken(&rule)),
            Err(StoreError::Referenced(_)) => return Err(gone()),
            Err(error) => return Err(error.into()),
        }
        Ok(rule)
    }

    /// Checks everything that making it would, and changes nothing. Gives what would be made.
    pub async fn validate_rule(&self, new: NewRule) -> Result<Rule, Error> {
        let rule = self.draft_rule(new).await?;
        let reference = Reference::Name(rule.name.clone());
        match rule_get(&self.context.store, &reference).await? {
            None => Ok(rule),
            Some(_) => Err(taken(&rule)),
        }
    }

    /// One rule.
    pub async fn rule(&self, which: &Reference<NotificationRuleId>) -> Result<Rule, Error> {
        rule(&self.context.store, which).await
    }

    /// Rules in order of their names.
    pub async fn rules(&self, page: &PageRequest) -> Result<Page<Rule>, Error> {
        let limit = u64::from(page.size) + 1;
        let rules = rule_list(&self.context.store, page.after_name()?, limit).await?;
        Ok(Page::from_overfull(rules, page.size, |rule| {
            Cursor::Name(rule.name.to_string())
        }))
    }

    /// Changes a rule. What was told already stays told.
    pub async fn update_rule(
        &self,
        which: &Reference<NotificationRuleId>,
        change: RuleChange,
    ) -> Result<Changed<Rule>, Error> {
        let tx = self.context.store.begin().await?;
        let before = rule(&tx, which).await?;
        let after = self.changed_rule(&tx, &before, change).await?;
        match rule_update_in_tx(&tx, before.revision, &after).await {
            Ok(true) => {}
            Ok(false) => return Err(mismatch(&before)),
            Err(StoreError::Referenced(_)) => return Err(gone()),
            Err(error) => return Err(error.into()),
        }
        let after = rule(&tx, &Reference::Id(before.id)).await?;
        tx.commit().await?;
        Ok(Changed { before, after })
    }

    /// Checks everything that the change would, and changes nothing. Gives what it would be.
    pub async fn validate_rule_update(
        &self,
        which: &Reference<NotificationRuleId>,
        change: RuleChange,
    ) -> Result<Rule, Error> {
        let before = self.rule(which).await?;
        self.changed_rule(&self.context.store, &before, change).await
    }

    /// Deletes a rule.
    pub async fn delete_rule(&self, which: &Reference<NotificationRuleId>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let found = rule(&tx, which).await?;
        rule_delete_in_tx(&tx, found.id).await?;
        Ok(tx.commit().await?)
    }

    async fn draft_rule(&self, new: NewRule) -> Result<Rule, Error> {
        let store = &self.context.store;
        let events = each_once(new.events);
        check(&events, new.channels.len())?;
        let now = self.context.now();
        Ok(Rule {
            id: NotificationRuleId::new(),
            name: new.name,
            min_severity: new.min_severity,
            events,
            datasource: datasource(store, new.datasource.as_ref()).await?,
            job: job(store, new.job.as_ref()).await?,
            channels: named(store, &new.channels).await?,
            created_at: now,
            updated_at: now,
            revision: 1,
        })
    }

    async fn changed_rule(
        &self,
        on: &impl Connected,
        before: &Rule,
        change: RuleChange,
    ) -> Result<Rule, Error> {
        if change
            .expected_revision
            .is_some_and(|revision| revision != before.revision)
        {
            return Err(mismatch(before));
        }
        let mut after = before.clone();
        after.updated_at = self.context.now();
        if let Some(severity) = change.min_severity {
            after.min_severity = severity;
        }
        if let Some(events) = change.events {
            after.events = each_once(events);
        }
        if let Some(which) = change.datasource {
            after.datasource = datasource(on, which.as_ref()).await?;
        }
        if let Some(which) = change.job {
            after.job = job(on, which.as_ref()).await?;
        }
        if let Some(channels) = change.channels {
            check(&after.events, channels.len())?;
            after.channels = named(on, &channels).await?;
        }
        Ok(after)
    }
}

fn each_once(mut events: Vec<EventKind>) -> Vec<EventKind> {
    events.sort_unstable();
    events.dedup();
    events
}

async fn datasource(
    on: &impl Connected,
    which: Option<&Reference<DatasourceId>>,
) -> Result<Option<(DatasourceId, String)>, Error> {
    let Some(which) = which else { return Ok(None) };
    let found = lookup::datasource(on, which).await?;
    Ok(Some((found.id, found.name.to_string())))
}

async fn job(
    on: &impl Connected,
    which: Option<&Reference<JobId>>,
) -> Result<Option<(JobId, String)>, Error> {
    let Some(which) = which else { return Ok(None) };
    let found = lookup::job(on, which).await?;
    Ok(Some((found.id, found.name.to_string())))
}

/// The channels that a rule names; every one if it names none.
async fn named(on: &impl Connected, which: &[Reference<NotificationChannelId>]) -> Result<Channels, Error> {
    if which.is_empty() {
        return Ok(Channels::All);
    }
    let mut named: Vec<(NotificationChannelId, String)> = Vec::with_capacity(which.len());
    for which in which {
        let found = channel(on, which).await?;
        if !found.target.takes_notifications() {
            let problem = format!("names {}, which takes no notifications: it is a ping", found.name);
            return Err(BadField::new("channels", problem).into());
        }
        if named.iter().all(|(id, _)| *id != found.id) {
            named.push((found.id, found.name.to_string()));
        }
    }
    Ok(Channels::Named(named))
}

async fn rule(on: &impl Connected, which: &Reference<NotificationRuleId>) -> Result<Rule, Error> {
    let found = rule_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::NotificationRule, which))
}

fn gone() -> Error {
    Error::precondition("GONE", "something that this names was deleted in the meantime")
}

fn taken(rule: &Rule) -> Error {
    Error::NameTaken {
        noun: Noun::NotificationRule,
        name: rule.name.to_string(),
    }
}

fn mismatch(rule: &Rule) -> Error {
    Error::EtagMismatch {
        noun: Noun::NotificationRule,
        which: rule.name.to_string(),
    }
}
