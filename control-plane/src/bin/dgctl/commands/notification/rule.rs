//! `dgctl notification rule`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::show;
use super::words::{EventWord, SeverityWord};
use crate::commands::{Context, request_id, required};
use crate::error::{Error, Result};
use crate::paging::Limit;

/// `dgctl notification rule …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a rule. As soon as there is one, rules alone say what is told to whom
    Create(Create),
    /// List rules
    List(Limit),
    /// Show a rule
    Get(Named),
    /// Change a rule; what is not given stays
    Update(Update),
    /// Delete a rule
    Delete(Delete),
}

/// `dgctl notification rule create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The rule's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What matters less is not told
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "warning")]
    min_severity: SeverityWord,
    /// Only this event; may be given several times [else: all]
    #[arg(long = "event", value_enum, value_name = "EVENT")]
    events: Vec<EventWord>,
    /// Only what concerns this datasource
    #[arg(long, value_name = "NAME")]
    datasource: Option<String>,
    /// Only what concerns this job
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// To this channel; may be given several times [else: every one]
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// Check everything, change nothing
    #[arg(long)]
    validate_only: bool,
}

/// `dgctl notification rule update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Name or id
    rule: String,
    /// What matters less is not told
    #[arg(long, value_enum, value_name = "SEVERITY")]
    min_severity: Option<SeverityWord>,
    /// Only this event, in place of those before; may be given several times
    #[arg(
        long = "event",
        value_enum,
        value_name = "EVENT",
        conflicts_with = "all_events"
    )]
    events: Vec<EventWord>,
    /// All events
    #[arg(long)]
    all_events: bool,
    /// Only what concerns this datasource; empty for any
    #[arg(long, value_name = "NAME")]
    datasource: Option<String>,
    /// Only what concerns this job; empty for any
    #[arg(long, value_name = "NAME")]
    job: Option<String>,
    /// To this channel, in place of those before; may be given several times
    #[arg(long = "channel", value_name = "NAME", conflicts_with = "all_channels")]
    channels: Vec<String>,
    /// To every channel
    #[arg(long)]
    all_channels: bool,
}

/// A rule.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    rule: String,
}

/// `dgctl notification rule delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    rule: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List(limit) => list(limit, context).await,
            Self::Get(named) => named.get(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

fn events(words: Vec<EventWord>) -> Vec<i32> {
    let wire = |word| v1::NotificationEvent::from(word).into();
    words.into_iter().map(wire).collect()
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let request = v1::CreateNotificationRuleRequest {
            name: self.name,
            min_severity: v1::Severity::from(self.min_severity).into(),
            events: events(self.events),
            datasource: self.datasource.unwrap_or_default(),
            job: self.job.unwrap_or_default(),
            channels: self.channels,
            request_id: request_id(),
            validate_only: self.validate_only,
        };
        let mut notifications = context.api().await?.notifications();
        let reply = notifications
            .create_notification_rule(request)
            .await?
            .into_inner();
        let rule = required(reply.rule.clone(), "rule")?;
        context.output.show(&reply, |_, look| show::rule(&rule, look))
    }
}

async fn list(limit: Limit, context: &Context) -> Result<()> {
    let notifications = context.api().await?.notifications();
    let reply: v1::ListNotificationRulesResponse = limit
        .collect(|page_size, page_token| {
            let mut notifications = notifications.clone();
            let request = v1::ListNotificationRulesRequest {
                page_size,
                page_token,
            };
            async move { notifications.list_notification_rules(request).await }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| show::rules(&reply.rules, look))
}

impl Named {
    async fn get(self, context: &Context) -> Result<()> {
        let mut notifications = context.api().await?.notifications();
        let request = v1::GetNotificationRuleRequest { rule: self.rule };
        let reply = notifications.get_notification_rule(request).await?.into_inner();
        let rule = required(reply.rule.clone(), "rule")?;
        context.output.show(&reply, |_, look| show::rule(&rule, look))
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let given = [
            ("min_severity", self.min_severity.is_some()),
            ("events", self.all_events || !self.events.is_empty()),
            ("datasource", self.datasource.is_some()),
            ("job", self.job.is_some()),
            ("channels", self.all_channels || !self.channels.is_empty()),
        ];
        let paths: Vec<_> = given
            .into_iter()
            .filter(|(_, given)| *given)
            .map(|(name, _)| name.to_owned())
            .collect();
        if paths.is_empty() {
            return Err(Error::usage(
                "nothing to change: see `dgctl notification rule update --help`",
            ));
        }
        let request = v1::UpdateNotificationRuleRequest {
            rule: self.rule,
            min_severity: self
                .min_severity
                .map_or(v1::Severity::Unspecified, v1::Severity::from)
                .into(),
            events: events(self.events),
            datasource: self.datasource.unwrap_or_default(),
            job: self.job.unwrap_or_default(),
            channels: self.channels,
            update_mask: Some(prost_types::FieldMask { paths }),
            etag: String::new(),
            validate_only: false,
        };
        let mut notifications = context.api().await?.notifications();
        let reply = notifications
            .update_notification_rule(request)
            .await?
            .into_inner();
        let rule = required(reply.rule.clone(), "rule")?;
        context.output.show(&reply, |_, look| show::rule(&rule, look))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        context.confirm(self.yes, &format!("Delete rule {}?", self.rule))?;
        let mut notifications = context.api().await?.notifications();
        let request = v1::DeleteNotificationRuleRequest {
            rule: self.rule.clone(),
        };
        let reply = notifications
            .delete_notification_rule(request)
            .await?
            .into_inner();
        context
            .output
            .show(&reply, |_, _| format!("Rule {} is deleted.", self.rule))
    }
}
