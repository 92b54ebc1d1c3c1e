//! Channels, rules and notifications, as people read them.

use dataguardian_proto::{convert, v1};

use super::words::{delivery, email_tls, event, phase, severity};
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text::{self, printable};

const CHANNELS: List<5> = List {
    titles: ["name", "kind", "to", "standing", "last arrived"],
    spare: &["last arrived", "kind"],
    none: "No channels yet: nobody is told what goes wrong. `dgctl notification channel create` makes one.",
};

const RULES: List<5> = List {
    titles: ["name", "from", "events", "concerning", "channels"],
    spare: &["concerning"],
    none: "No rules: everything from a warning on goes to every channel.",
};

const NOTIFICATIONS: List<5> = List {
    titles: ["when", "severity", "phase", "what", "deliveries"],
    spare: &["phase"],
    none: "Nothing was told yet.",
};

/// One line per channel.
pub(super) fn channels(channels: &[v1::NotificationChannel], look: Look) -> String {
    let row = |channel: &v1::NotificationChannel| {
        let (kind, to) = place(channel);
        [
            Field::text(&channel.name),
            Field::text(kind),
            Field::text(&to),
            standing(channel),
            Field::text(&text::short_time(channel.delivered_at.as_ref(), look.width)),
        ]
    };
    CHANNELS.show(look, &channels.iter().map(row).collect::<Vec<_>>())
}

/// Kind, and where it goes.
fn place(channel: &v1::NotificationChannel) -> (&'static str, String) {
    use v1::notification_channel::Target;
    match &channel.target {
        Some(Target::Email(email)) => ("email", email.to.join(", ")),
        Some(Target::Webhook(webhook)) => ("webhook", webhook.url.clone()),
        Some(Target::Ping(ping)) => ("ping", ping.url.clone()),
        None => ("unknown", String::new()),
    }
}

fn standing(channel: &v1::NotificationChannel) -> Field {
    match channel {
        _ if channel.disabled => Field::text("disabled").toned(Tone::Quiet),
        _ if channel.failed_at.is_some() => Field::text("failing").toned(Tone::Bad),
        _ if channel.delivered_at.is_some() => Field::text("ok").toned(Tone::Good),
        _ => Field::text("not used yet").toned(Tone::Busy),
    }
}

/// All about one channel.
pub(super) fn channel(channel: &v1::NotificationChannel, look: Look) -> String {
    use v1::notification_channel::Target;
    let (kind, to) = place(channel);
    let mut rows = vec![
        ("Name", Field::text(&channel.name)),
        ("Id", Field::text(&channel.id)),
        ("Kind", Field::text(kind)),
        ("To", Field::text(&to)),
    ];
    match &channel.target {
        Some(Target::Email(email)) => rows.extend([
            ("Server", Field::text(&format!("{}:{}", email.host, email.port))),
            ("TLS", Field::text(&email_tls(email.tls()))),
            ("Signs in as", Field::text(&email.username)),
            ("From", Field::text(&email.from)),
        ]),
        Some(Target::Webhook(webhook)) => rows.extend([
            ("Headers", Field::text(&webhook.header_names.join(", "))),
            ("Signed", Field::yes_or_no(webhook.signed)),
            ("Type", Field::text(&webhook.content_type)),
            ("Template", Field::text(&webhook.body_template)),
        ]),
        Some(Target::Ping(ping)) => {
            let every = ping.interval.as_ref();
            let every = every.and_then(|every| convert::length("interval", every).ok());
            let every = every.map(text::length).unwrap_or_default();
            rows.push(("Every", Field::text(&every)));
        }
        None => {}
    }
    let time = |time: Option<&_>| Field::text(&text::time_and_distance(time));
    rows.extend([
        ("Standing", standing(channel)),
        ("Last arrived", time(channel.delivered_at.as_ref())),
        ("Last failed", time(channel.failed_at.as_ref())),
        ("Failure", Field::text(&channel.failure).toned(Tone::Bad)),
        ("Created", time(channel.created_at.as_ref())),
        ("Updated", time(channel.updated_at.as_ref())),
    ]);
    details(look, rows)
}

/// What a test came to.
pub(super) fn test(reply: &v1::TestNotificationChannelResponse, look: Look) -> String {
    let took = reply.took.as_ref();
    let took = took.and_then(|took| convert::length("took", took).ok());
    let took = took.map(text::length).unwrap_or_default();
    let summary = details(
        look,
        vec![
            ("Delivered", Field::yes_or_no(reply.ok)),
            ("Took", Field::text(&took)),
        ],
    );
    if reply.ok {
        return summary;
    }
    format!(
        "{summary}problem: {} [{}]\n  advice: {}\n",
        printable(&reply.problem),
        printable(&reply.stage),
        printable(&reply.advice)
    )
}

/// One line per rule.
pub(super) fn rules(rules: &[v1::NotificationRule], look: Look) -> String {
    let row = |rule: &v1::NotificationRule| {
        [
            Field::text(&rule.name),
            Field::text(&severity(rule.min_severity())),
            Field::text(&events(rule)),
            Field::text(&concerning(rule)),
            Field::text(&named(rule)),
        ]
    };
    RULES.show(look, &rules.iter().map(row).collect::<Vec<_>>())
}

/// All about one rule.
pub(super) fn rule(rule: &v1::NotificationRule, look: Look) -> String {
    let time = |time: Option<&_>| Field::text(&text::time_and_distance(time));
    let rows = vec![
        ("Name", Field::text(&rule.name)),
        ("Id", Field::text(&rule.id)),
        ("From", Field::text(&severity(rule.min_severity()))),
        ("Events", Field::text(&events(rule))),
        ("Concerning", Field::text(&concerning(rule))),
        ("Channels", Field::text(&named(rule))),
        ("Created", time(rule.created_at.as_ref())),
        ("Updated", time(rule.updated_at.as_ref())),
    ];
    details(look, rows)
}

fn events(rule: &v1::NotificationRule) -> String {
    let words: Vec<_> = rule.events().map(event).collect();
    match words.is_empty() {
        true => "all".to_owned(),
        false => words.join(", "),
    }
}

fn concerning(rule: &v1::NotificationRule) -> String {
    let mut concerned = Vec::new();
    if !rule.datasource.is_empty() {
        concerned.push(format!("datasource {}", rule.datasource));
    }
    if !rule.job.is_empty() {
        concerned.push(format!("job {}", rule.job));
    }
    match concerned.is_empty() {
        true => "anything".to_owned(),
        false => concerned.join(", "),
    }
}

fn named(rule: &v1::NotificationRule) -> String {
    match rule.channels.is_empty() {
        true => "every one".to_owned(),
        false => rule.channels.join(", "),
    }
}

/// One line per notification.
pub(super) fn notifications(notifications: &[v1::Notification], look: Look) -> String {
    let row = |told: &v1::Notification| {
        let tone = match told.severity() {
            v1::Severity::Error => Tone::Bad,
            v1::Severity::Warning => Tone::Busy,
            v1::Severity::Info | v1::Severity::Unspecified => Tone::Plain,
        };
        [
            Field::text(&text::short_time(told.created_at.as_ref(), look.width)),
            Field::text(&severity(told.severity())).toned(tone),
            Field::text(&phase(told.phase())),
            Field::text(&told.title),
            deliveries(told),
        ]
    };
    NOTIFICATIONS.show(look, &notifications.iter().map(row).collect::<Vec<_>>())
}

fn deliveries(told: &v1::Notification) -> Field {
    let one = |one: &v1::NotificationDelivery| {
        let state = delivery(one.state());
        match (one.state(), one.failure.as_str()) {
            (v1::DeliveryState::Delivered, _) | (_, "") => format!("{} {state}", one.channel),
            (_, failure) => format!("{} {state} ({failure})", one.channel),
        }
    };
    let shown: Vec<_> = told.deliveries.iter().map(one).collect();
    let tone = match told.deliveries.iter().map(v1::NotificationDelivery::state).max() {
        Some(v1::DeliveryState::Failed) => Tone::Bad,
        Some(v1::DeliveryState::Delivered) => Tone::Good,
        Some(v1::DeliveryState::Pending | v1::DeliveryState::Unspecified) | None => Tone::Busy,
    };
    Field::text(&shown.join("; ")).toned(tone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_rules_and_what_was_told_read_well() {
        let channel = v1::NotificationChannel {
            name: "ops".into(),
            target: Some(v1::notification_channel::Target::Webhook(v1::WebhookChannel {
                url: "https://hooks.slack.com/…".into(),
                ..Default::default()
            })),
            ..Default::default()
        };
        let rule = v1::NotificationRule {
            name: "shop".into(),
            min_severity: v1::Severity::Error.into(),
            events: vec![v1::NotificationEvent::BackupFailed.into()],
            job: "shop".into(),
            channels: vec!["ops".into()],
            ..Default::default()
        };
        let told = v1::Notification {
            severity: v1::Severity::Error.into(),
            phase: v1::NotificationPhase::Began.into(),
            title: "Backup of job shop failed".into(),
            deliveries: vec![v1::NotificationDelivery {
                channel: "ops".into(),
                state: v1::DeliveryState::Pending.into(),
                failure: "CONNECT: hooks.slack.com:443: connection refused".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let failed = v1::TestNotificationChannelResponse {
            stage: "TLS".into(),
            problem: "mail.example.com: invalid peer certificate: UnknownIssuer".into(),
            advice: "Look at the server's certificate.".into(),
            ..Default::default()
        };
        insta::assert_snapshot!(
            [
                channels(&[channel], Look::PLAIN),
                rules(&[rule], Look::PLAIN),
                notifications(&[told], Look::PLAIN),
                test(&failed, Look::PLAIN),
                rules(&[], Look::PLAIN),
            ]
            .join("\n\n")
        );
    }
}
