//! In which words something is told.

use serde::Serialize;

use super::observe::shown;
use super::{Notification, Phase};

/// Everything that a message may say, for templates and JSON. The names are for people to write into templates: they stay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fields {
    /// The notification's id, the same in every channel and attempt.
    pub id: String,
    /// What it is about: `backup_failed`.
    pub event: &'static str,
    /// `began`, `reminder`, `recovered` or `happened`.
    pub phase: &'static str,
    /// `info`, `warning` or `error`.
    pub severity: &'static str,
    /// One line: what to show first.
    pub title: String,
    /// What happened, without the phase.
    pub summary: String,
    /// The particulars, over several lines.
    pub details: String,
    /// Title and particulars as one text.
    pub text: String,
    /// The datasource's name; empty if none is concerned.
    pub datasource: String,
    /// The job's name.
    pub job: String,
    /// The storage's name.
    pub storage: String,
    /// The agent's name.
    pub agent: String,
    /// The execution's id.
    pub execution: String,
    /// The channel's name: one that does not work itself.
    pub channel: String,
    /// The user's name.
    pub user: String,
    /// When it was found, RFC 3339.
    pub at: String,
    /// When it began, RFC 3339.
    pub since: String,
    /// The control plane's id: which installation says so.
    pub control_plane: String,
}

/// The title: what happened, and which part of the story it is.
pub fn title(notification: &Notification) -> String {
    let summary = &notification.summary;
    match notification.phase {
        Phase::Began | Phase::Happened => summary.clone(),
        Phase::Reminder => format!("Still: {summary}"),
        Phase::Recovered => format!("Recovered: {summary}"),
    }
}

/// Everything that is said.
pub fn fields(notification: &Notification, control_plane: &str) -> Fields {
    let about = &notification.about;
    let title = title(notification);
    let name = |name: Option<&String>| name.cloned().unwrap_or_default();
    Fields {
        id: notification.id.to_string(),
        event: notification.kind.as_str(),
        phase: notification.phase.as_str(),
        severity: notification.severity().as_str(),
        text: format!("{title}\n{}", notification.details),
        title,
        summary: notification.summary.clone(),
        details: notification.details.clone(),
        datasource: name(about.datasource.as_ref().map(|(_, name)| name)),
        job: name(about.job.as_ref().map(|(_, name)| name)),
        storage: name(about.storage.as_ref().map(|(_, name)| name)),
        agent: name(about.agent.as_ref().map(|(_, name)| name)),
        execution: about.execution.map(|id| id.to_string()).unwrap_or_default(),
        channel: name(about.channel.as_ref().map(|(_, name)| name)),
        user: name(about.user.as_ref().map(|(_, name)| name)),
        at: notification.created_at.to_rfc3339(),
        since: notification.since.to_rfc3339(),
        control_plane: control_plane.to_owned(),
    }
}

/// Subject and body of a mail.
pub fn mail(notification: &Notification, control_plane: &str) -> (String, String) {
    let fields = fields(notification, control_plane);
    let subject = format!(
        "[DataGuardian] {}: {}",
        fields.severity.to_uppercase(),
        fields.title
    );
    let mut body = format!("{}\n\n{}\n\n", fields.title, fields.details);
    for (what, name) in [
        ("Datasource", &fields.datasource),
        ("Job", &fields.job),
        ("Storage", &fields.storage),
        ("Agent", &fields.agent),
        ("Execution", &fields.execution),
        ("Channel", &fields.channel),
        ("User", &fields.user),
    ] {
        if !name.is_empty() {
            body += &format!("{what}: {name}\n");
        }
    }
    body += &format!(
        "Event: {} ({})\nSince: {}\nFound: {}\nControl plane: {}\n",
        fields.event,
        fields.phase,
        shown(notification.since),
        shown(notification.created_at),
        fields.control_plane
    );
    (subject, body)
}
