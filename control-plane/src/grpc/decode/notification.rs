use std::collections::{BTreeMap, HashMap};

use dataguardian_core::secret::Secret;
use dataguardian_proto::v1;

use super::mask::Mask;
use super::{BadFields, checked, filled, known, length, revision};
use crate::domain::field::{BadField, Checks};
use crate::domain::notification::channel::{
    ChannelChange, ChannelSecrets, DEFAULT_INTERVAL, EmailTarget, EmailTls, JSON, NewChannel, PingTarget,
    Target, WebhookTarget,
};
use crate::domain::notification::delivery::DeliveryState;
use crate::domain::notification::rule::{MAX_CHANNELS, NewRule, RuleChange};
use crate::domain::notification::{EventKind, Severity};
use crate::domain::reference::{Reference, new_name};
use crate::domain::request::request_id;

/// A channel to be made.
pub(in crate::grpc) fn new_channel(
    request: v1::CreateNotificationChannelRequest,
) -> Result<NewChannel, BadFields> {
    use v1::create_notification_channel_request::Target as Given;
    let mut checks = Checks::new();
    let name = checks.take(new_name("name", &request.name));
    let request_id = checks.take(request_id(&request.request_id));
    let target = checks.take(match request.target {
        Some(Given::Email(email)) => email_target(email),
        Some(Given::Webhook(webhook)) => Ok(webhook_target(webhook)),
        Some(Given::Ping(ping)) => ping_target(ping),
        None => Err(no_target()),
    });
    let new = (|| {
        Some(NewChannel {
            name: name?,
            target: target?,
            secrets: secrets(request.secrets.unwrap_or_default()),
            disabled: request.disabled,
            request_id: request_id?,
        })
    })();
    checked(checks, new)
}

/// A change of a channel.
pub(in crate::grpc) fn channel_change(
    request: v1::UpdateNotificationChannelRequest,
) -> Result<ChannelChange, BadFields> {
    use v1::update_notification_channel_request::Target as Given;
    const FIELDS: [&str; 6] = [
        "target",
        "disabled",
        "secrets.url",
        "secrets.password",
        "secrets.signing_secret",
        "secrets.headers",
    ];
    let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS).map_err(|bad| vec![bad])?;
    let mut checks = Checks::new();
    let target = mask.read("target", || match request.target {
        Some(Given::Email(email)) => email_target(email),
        Some(Given::Webhook(webhook)) => Ok(webhook_target(webhook)),
        Some(Given::Ping(ping)) => ping_target(ping),
        None => Err(no_target()),
    });
    let secrets = secrets(request.secrets.unwrap_or_default());
    let change = ChannelChange {
        target: checks.take(target).flatten(),
        disabled: mask.take("disabled", request.disabled),
        url: mask.take("secrets.url", secrets.url),
        password: mask.take("secrets.password", secrets.password),
        signing: mask.take("secrets.signing_secret", secrets.signing),
        headers: mask.take("secrets.headers", secrets.headers),
        expected_revision: checks.take(revision(&request.etag)).flatten(),
    };
    checks.finish()?;
    Ok(change)
}

/// A rule to be made.
pub(in crate::grpc) fn new_rule(request: v1::CreateNotificationRuleRequest) -> Result<NewRule, BadFields> {
    let mut checks = Checks::new();
    let name = checks.take(new_name("name", &request.name));
    let request_id = checks.take(request_id(&request.request_id));
    let min_severity = checks.take(severity(request.min_severity));
    let events = checks.take(events(&request.events));
    let datasource = checks.take(optional("datasource", &request.datasource));
    let job = checks.take(optional("job", &request.job));
    let channels = checks.take(channels(&request.channels));
    let new = (|| {
        Some(NewRule {
            name: name?,
            min_severity: min_severity?,
            events: events?,
            datasource: datasource?,
            job: job?,
            channels: channels?,
            request_id: request_id?,
        })
    })();
    checked(checks, new)
}

/// A change of a rule.
pub(in crate::grpc) fn rule_change(
    request: &v1::UpdateNotificationRuleRequest,
) -> Result<RuleChange, BadFields> {
    const FIELDS: [&str; 5] = ["min_severity", "events", "datasource", "job", "channels"];
    let mask = Mask::parse(request.update_mask.as_ref(), &FIELDS).map_err(|bad| vec![bad])?;
    let mut checks = Checks::new();
    let min_severity = mask.read("min_severity", || severity(request.min_severity));
    let change = RuleChange {
        min_severity: checks.take(min_severity).flatten(),
        events: checks
            .take(mask.read("events", || events(&request.events)))
            .flatten(),
        datasource: checks
            .take(mask.read("datasource", || optional("datasource", &request.datasource)))
            .flatten(),
        job: checks
            .take(mask.read("job", || optional("job", &request.job)))
            .flatten(),
        channels: checks
            .take(mask.read("channels", || channels(&request.channels)))
            .flatten(),
        expected_revision: checks.take(revision(&request.etag)).flatten(),
    };
    checks.finish()?;
    Ok(change)
}

/// Which state is asked for; none for any.
pub(in crate::grpc) fn delivery_state(number: i32) -> Result<Option<DeliveryState>, BadField> {
    Ok(match known::<v1::DeliveryState>("delivery_state", number)? {
        v1::DeliveryState::Unspecified => None,
        v1::DeliveryState::Pending => Some(DeliveryState::Pending),
        v1::DeliveryState::Delivered => Some(DeliveryState::Delivered),
        v1::DeliveryState::Failed => Some(DeliveryState::Failed),
    })
}

fn no_target() -> BadField {
    BadField::new("target", "must be given: email, webhook or ping")
}

fn secrets(given: v1::NotificationSecrets) -> ChannelSecrets {
    let secret = |text| filled(text).map(Secret::new);
    let headers = |headers: HashMap<String, String>| -> BTreeMap<String, Secret> {
        headers
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect()
    };
    ChannelSecrets {
        url: secret(given.url),
        password: secret(given.password),
        signing: secret(given.signing_secret),
        headers: headers(given.headers),
    }
}

fn email_target(given: v1::EmailChannel) -> Result<Target, BadField> {
    let (tls, usual) = match known::<v1::EmailTls>("email.tls", given.tls)? {
        v1::EmailTls::Unspecified | v1::EmailTls::Starttls => (EmailTls::Starttls, 587),
        v1::EmailTls::Implicit => (EmailTls::Implicit, 465),
        v1::EmailTls::None => (EmailTls::None, 25),
    };
    let port = match given.port {
        0 => usual,
        port => u16::try_from(port).map_err(|_| BadField::new("email.port", "must be 1 to 65535"))?,
    };
    Ok(Target::Email(EmailTarget {
        host: given.host,
        port,
        tls,
        ca_pem: given.ca_pem,
        username: given.username,
        from: given.from,
        to: given.to,
    }))
}

fn webhook_target(given: v1::WebhookChannel) -> Target {
    Target::Webhook(WebhookTarget {
        // What is shown of the secrets is read off them.
        shown_url: String::new(),
        header_names: Vec::new(),
        signed: false,
        content_type: filled(given.content_type).unwrap_or_else(|| JSON.to_owned()),
        body_template: given.body_template,
        ca_pem: given.ca_pem,
        allow_http: given.allow_http,
    })
}

fn ping_target(given: v1::PingChannel) -> Result<Target, BadField> {
    Ok(Target::Ping(PingTarget {
        shown_url: String::new(),
        interval: length("ping.interval", given.interval.as_ref(), DEFAULT_INTERVAL)?,
        ca_pem: given.ca_pem,
        allow_http: given.allow_http,
    }))
}

fn severity(number: i32) -> Result<Severity, BadField> {
    Ok(match known::<v1::Severity>("min_severity", number)? {
        v1::Severity::Info => Severity::Info,
        v1::Severity::Unspecified | v1::Severity::Warning => Severity::Warning,
        v1::Severity::Error => Severity::Error,
    })
}

fn events(numbers: &[i32]) -> Result<Vec<EventKind>, BadField> {
    // A longer list names events twice; what is made of it is bounded by what there is.
    numbers.iter().take(1000).map(|number| event(*number)).collect()
}

fn event(number: i32) -> Result<EventKind, BadField> {
    use v1::NotificationEvent as Given;
    Ok(match known::<Given>("events", number)? {
        Given::Unspecified | Given::Test => {
            return Err(BadField::new("events", "names no event that rules are for"));
        }
        Given::BackupFailed => EventKind::BackupFailed,
        Given::BackupMissing => EventKind::BackupMissing,
        Given::BackupTooOld => EventKind::BackupTooOld,
        Given::VerifiedBackupTooOld => EventKind::VerifiedBackupTooOld,
        Given::RestoreFailed => EventKind::RestoreFailed,
        Given::VerificationFailed => EventKind::VerificationFailed,
        Given::DamageFound => EventKind::DamageFound,
        Given::AgentOffline => EventKind::AgentOffline,
        Given::DatasourceUnhealthy => EventKind::DatasourceUnhealthy,
        Given::StorageUnhealthy => EventKind::StorageUnhealthy,
        Given::StorageNearlyFull => EventKind::StorageNearlyFull,
        Given::CertificateExpiring => EventKind::CertificateExpiring,
        Given::TokenExpiring => EventKind::TokenExpiring,
        Given::QueueOffline => EventKind::QueueOffline,
        Given::ChannelFailing => EventKind::ChannelFailing,
        Given::SignInsFailing => EventKind::SignInsFailing,
    })
}

fn optional<Id: std::str::FromStr>(field: &str, text: &str) -> Result<Option<Reference<Id>>, BadField> {
    match text {
        "" => Ok(None),
        text => Reference::parse(field, text).map(Some),
    }
}

fn channels<Id: std::str::FromStr>(given: &[String]) -> Result<Vec<Reference<Id>>, BadField> {
    if given.len() > MAX_CHANNELS {
        let problem = format!("must name at most {MAX_CHANNELS} channels");
        return Err(BadField::new("channels", problem));
    }
    given
        .iter()
        .map(|channel| Reference::parse("channels", channel))
        .collect()
}
