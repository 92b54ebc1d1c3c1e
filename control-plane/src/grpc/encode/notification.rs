use dataguardian_proto::convert::{duration, timestamp};
use dataguardian_proto::v1;

use super::etag;
use crate::domain::notification::channel::{Channel, EmailTls, Target};
use crate::domain::notification::delivery::{Delivery, DeliveryState};
use crate::domain::notification::message::title;
use crate::domain::notification::rule::{Channels, Rule};
use crate::domain::notification::{EventKind, Phase, Severity, Told};

/// A channel, without its secrets.
pub(in crate::grpc) fn channel(channel: Channel) -> v1::NotificationChannel {
    use v1::notification_channel::Target as Shown;
    let target = match channel.target {
        Target::Email(email) => Shown::Email(v1::EmailChannel {
            host: email.host,
            port: email.port.into(),
            tls: match email.tls {
                EmailTls::Starttls => v1::EmailTls::Starttls,
                EmailTls::Implicit => v1::EmailTls::Implicit,
                EmailTls::None => v1::EmailTls::None,
            }
            .into(),
            ca_pem: email.ca_pem,
            username: email.username,
            from: email.from,
            to: email.to,
        }),
        Target::Webhook(webhook) => Shown::Webhook(v1::WebhookChannel {
            url: webhook.shown_url,
            header_names: webhook.header_names,
            signed: webhook.signed,
            content_type: webhook.content_type,
            body_template: webhook.body_template,
            ca_pem: webhook.ca_pem,
            allow_http: webhook.allow_http,
        }),
        Target::Ping(ping) => Shown::Ping(v1::PingChannel {
            url: ping.shown_url,
            interval: Some(duration(ping.interval)),
            ca_pem: ping.ca_pem,
            allow_http: ping.allow_http,
        }),
    };
    let (failed_at, failure) = channel.standing.failed.unzip();
    v1::NotificationChannel {
        id: channel.id.to_string(),
        name: channel.name.into(),
        target: Some(target),
        disabled: channel.disabled,
        created_at: Some(timestamp(channel.created_at)),
        updated_at: Some(timestamp(channel.updated_at)),
        etag: etag(channel.revision),
        delivered_at: channel.standing.delivered_at.map(timestamp),
        failed_at: failed_at.map(timestamp),
        failure: failure.unwrap_or_default(),
    }
}

/// A rule.
pub(in crate::grpc) fn rule(rule: Rule) -> v1::NotificationRule {
    let name = |named: Option<String>| named.unwrap_or_default();
    v1::NotificationRule {
        id: rule.id.to_string(),
        name: rule.name.into(),
        min_severity: severity(rule.min_severity).into(),
        events: rule.events.into_iter().map(|kind| event(kind).into()).collect(),
        datasource: name(rule.datasource.map(|(_, name)| name)),
        job: name(rule.job.map(|(_, name)| name)),
        channels: match rule.channels {
            Channels::All => Vec::new(),
            Channels::Named(named) => named.into_iter().map(|(_, name)| name).collect(),
        },
        created_at: Some(timestamp(rule.created_at)),
        updated_at: Some(timestamp(rule.updated_at)),
        etag: etag(rule.revision),
    }
}

/// What was told, with what became of it.
pub(in crate::grpc) fn told(told: Told) -> v1::Notification {
    let notification = told.notification;
    let about = &notification.about;
    let name = |name: Option<&String>| name.cloned().unwrap_or_default();
    v1::Notification {
        id: notification.id.to_string(),
        event: event(notification.kind).into(),
        phase: match notification.phase {
            Phase::Began => v1::NotificationPhase::Began,
            Phase::Reminder => v1::NotificationPhase::Reminder,
            Phase::Recovered => v1::NotificationPhase::Recovered,
            Phase::Happened => v1::NotificationPhase::Happened,
        }
        .into(),
        severity: severity(notification.severity()).into(),
        title: title(&notification),
        datasource: name(about.datasource.as_ref().map(|(_, name)| name)),
        job: name(about.job.as_ref().map(|(_, name)| name)),
        storage: name(about.storage.as_ref().map(|(_, name)| name)),
        agent: name(about.agent.as_ref().map(|(_, name)| name)),
        channel: name(about.channel.as_ref().map(|(_, name)| name)),
        user: name(about.user.as_ref().map(|(_, name)| name)),
        execution: about.execution.map(|id| id.to_string()).unwrap_or_default(),
        created_at: Some(timestamp(notification.created_at)),
        since: Some(timestamp(notification.since)),
        details: notification.details,
        deliveries: told
            .deliveries
            .into_iter()
            .map(|(channel, one)| delivery(channel, one))
            .collect(),
    }
}

fn delivery(channel: String, delivery: Delivery) -> v1::NotificationDelivery {
    let pending = delivery.state == DeliveryState::Pending;
    v1::NotificationDelivery {
        channel,
        state: match delivery.state {
            DeliveryState::Pending => v1::DeliveryState::Pending,
            DeliveryState::Delivered => v1::DeliveryState::Delivered,
            DeliveryState::Failed => v1::DeliveryState::Failed,
        }
        .into(),
        attempts: delivery.attempts,
        next_attempt_at: pending.then(|| timestamp(delivery.next_attempt_at)),
        delivered_at: delivery.delivered_at.map(timestamp),
        failure: delivery.failure.unwrap_or_default(),
    }
}

const fn severity(severity: Severity) -> v1::Severity {
    match severity {
        Severity::Info => v1::Severity::Info,
        Severity::Warning => v1::Severity::Warning,
        Severity::Error => v1::Severity::Error,
    }
}

const fn event(kind: EventKind) -> v1::NotificationEvent {
    use v1::NotificationEvent as Shown;
    match kind {
        EventKind::BackupFailed => Shown::BackupFailed,
        EventKind::BackupMissing => Shown::BackupMissing,
        EventKind::BackupTooOld => Shown::BackupTooOld,
        EventKind::VerifiedBackupTooOld => Shown::VerifiedBackupTooOld,
        EventKind::RestoreFailed => Shown::RestoreFailed,
        EventKind::VerificationFailed => Shown::VerificationFailed,
        EventKind::DamageFound => Shown::DamageFound,
        EventKind::AgentOffline => Shown::AgentOffline,
        EventKind::DatasourceUnhealthy => Shown::DatasourceUnhealthy,
        EventKind::StorageUnhealthy => Shown::StorageUnhealthy,
        EventKind::StorageNearlyFull => Shown::StorageNearlyFull,
        EventKind::CertificateExpiring => Shown::CertificateExpiring,
        EventKind::TokenExpiring => Shown::TokenExpiring,
        EventKind::QueueOffline => Shown::QueueOffline,
        EventKind::ChannelFailing => Shown::ChannelFailing,
        EventKind::SignInsFailing => Shown::SignInsFailing,
        EventKind::Test => Shown::Test,
    }
}
