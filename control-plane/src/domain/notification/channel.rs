//! Channels: the ways by which people and programs are told.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::NotificationChannelId;
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::Secret;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::domain::field::{BadField, Checks};

/// How often a ping may be sent.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=24 * 3600;
/// How often one is sent unless told otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
/// The type of a webhook's body unless told otherwise.
pub const JSON: &str = "application/json";

mod check;

use check::{check_ca, check_url, forbid};

/// A way to tell people or programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its id.
    pub id: NotificationChannelId,
    /// Its name.
    pub name: ResourceName,
    /// What is sent where, without its secrets.
    pub target: Target,
    /// Its secrets, sealed.
    pub sealed: Vec<u8>,
    /// Nothing is sent while it is disabled.
    pub disabled: bool,
    /// What lately came of it.
    pub standing: Standing,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Rises with every change: the etag.
    pub revision: i64,
}

/// What lately came of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// When something last arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When something last did not, and why; none since something arrived.
    pub failed: Option<(DateTime<Utc>, String)>,
}

/// What is sent where, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// Mail.
    Email(EmailTarget),
    /// A request by POST.
    Webhook(WebhookTarget),
    /// A request by GET from time to time while all is well.
    Ping(PingTarget),
}

/// Mail, through a server that takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailTarget {
    /// The server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub tls: EmailTls,
    /// Authorities to trust, in PEM; the public ones if empty.
    pub ca_pem: String,
    /// Who signs in; nobody if empty.
    pub username: String,
    /// The sender.
    pub from: String,
    /// To whom.
    pub to: Vec<String>,
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmailTls {
    /// By STARTTLS, or not at all used.
    Starttls,
    /// From the first byte on.
    Implicit,
    /// Not at all.
    None,
}

/// A request by POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookTarget {
    /// Its URL without what may be secret.
    pub shown_url: String,
    /// Names of the headers that are sent besides.
    pub header_names: Vec<String>,
    /// Whether requests are signed.
    pub signed: bool,
    /// The body's type.
    pub content_type: String,
    /// The body's template; all fields as JSON if empty.
    pub body_template: String,
    /// Authorities to trust, in PEM; the public ones if empty.
    pub ca_pem: String,
    /// Whether the URL may be one without TLS.
    pub allow_http: bool,
}

/// A request by GET from time to time while all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingTarget {
    /// Its URL without what may be secret.
    pub shown_url: String,
    /// How often.
    pub interval: Duration,
    /// Authorities to trust, in PEM; the public ones if empty.
    pub ca_pem: String,
    /// Whether the URL may be one without TLS.
    pub allow_http: bool,
}

/// What of a channel is never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelSecrets {
    /// Of a webhook or ping.
    pub url: Option<Secret>,
    /// Of a mail server.
    pub password: Option<Secret>,
    /// With which requests are signed.
    pub signing: Option<Secret>,
    /// Headers that are sent besides.
    pub headers: BTreeMap<String, Secret>,
}

/// A channel to be made.
#[derive(Debug, Clone)]
pub struct NewChannel {
    /// Its name.
    pub name: ResourceName,
    /// What is sent where.
    pub target: Target,
    /// Its secrets.
    pub secrets: ChannelSecrets,
    /// Nothing is sent while it is disabled.
    pub disabled: bool,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

/// A change of a channel; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct ChannelChange {
    /// Field `target`.
    pub target: Option<Target>,
    /// Field `disabled`.
    pub disabled: Option<bool>,
    /// Field `secrets.url`.
    pub url: Option<Option<Secret>>,
    /// Field `secrets.password`.
    pub password: Option<Option<Secret>>,
    /// Field `secrets.signing_secret`.
    pub signing: Option<Option<Secret>>,
    /// Field `secrets.headers`.
    pub headers: Option<BTreeMap<String, Secret>>,
    /// Refuse the change unless this is the present revision.
    pub expected_revision: Option<i64>,
}

/// A channel with its secrets, ready to be used.
#[derive(Debug, Clone)]
pub struct OpenChannel {
    /// What is sent where.
    pub target: Target,
    /// Its secrets.
    pub secrets: ChannelSecrets,
}

impl Target {
    /// The kind, as a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::Ping(_) => "ping",
        }
    }

    /// Whether notifications go there: a ping says one thing alone.
    pub const fn takes_notifications(&self) -> bool {
        match self {
            Self::Email(_) | Self::Webhook(_) => true,
            Self::Ping(_) => false,
        }
    }

    /// How often a ping is sent.
    pub const fn interval(&self) -> Option<Duration> {
        match self {
            Self::Ping(ping) => Some(ping.interval),
            Self::Email(_) | Self::Webhook(_) => None,
        }
    }
}

impl OpenChannel {
    /// Checks everything that can be checked without trying it, and notes what may be shown of the secrets.
    pub fn checked(mut self) -> Result<Self, Vec<BadField>> {
        let mut checks = Checks::new();
        let secrets = &self.secrets;
        match &mut self.target {
            Target::Email(email) => {
                email.check(&mut checks, secrets);
                forbid(&mut checks, secrets, &["secrets.password"]);
            }
            Target::Webhook(webhook) => {
                let shown = check_url(&mut checks, secrets, webhook.allow_http);
                webhook.shown_url = shown;
                webhook.signed = secrets.signing.is_some();
                webhook.header_names = secrets.headers.keys().cloned().collect();
                webhook.check(&mut checks, secrets);
                forbid(
                    &mut checks,
                    secrets,
                    &["secrets.url", "secrets.signing_secret", "secrets.headers"],
                );
            }
            Target::Ping(ping) => {
                ping.shown_url = check_url(&mut checks, secrets, ping.allow_http);
                let fits = INTERVALS.contains(&ping.interval.as_secs());
                checks.require(fits, "ping.interval", "must be 1 s to 24 h");
                check_ca(&mut checks, "ping.ca_pem", &ping.ca_pem);
                forbid(&mut checks, secrets, &["secrets.url"]);
            }
        }
        checks.finish()?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
