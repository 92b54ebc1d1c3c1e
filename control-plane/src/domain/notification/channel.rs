//! Channels: the ways by which people and programs are told.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::NotificationChannelId;
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::Secret;
use http::{HeaderName, HeaderValue};
use lettre::message::Mailbox;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::endpoint::Endpoint;
use super::template;
use crate::domain::field::{BadField, Checks};
use crate::domain::text;

/// The most addresses that one mail goes to.
const MAX_RECIPIENTS: usize = 50;
/// The most headers that a webhook sends besides.
const MAX_HEADERS: usize = 20;
/// The longest list of authorities, in bytes.
const MAX_CA: usize = 64 << 10;
/// How often a ping may be sent.
const INTERVALS: std::ops::RangeInclusive<u64> = 1..=24 * 3600;
/// How often one is sent unless told otherwise.
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);
/// The type of a webhook's body unless told otherwise.
pub const JSON: &str = "application/json";

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

impl EmailTarget {
    fn check(&self, checks: &mut Checks, secrets: &ChannelSecrets) {
        checks.take(text::required("email.host", &self.host, text::MAX_TEXT));
        checks.require(self.port != 0, "email.port", "must be 1 to 65535");
        checks.take(text::bounded("email.username", &self.username, text::MAX_TEXT));
        checks.require(
            self.username.is_empty() != secrets.password.is_some(),
            "secrets.password",
            "must be given together with a user name",
        );
        let local = self.host == "localhost"
            || self
                .host
                .parse()
                .is_ok_and(|address: IpAddr| address.is_loopback());
        checks.require(
            self.tls != EmailTls::None || (local && self.username.is_empty()),
            "email.tls",
            "must be STARTTLS or implicit: without it mail can be read on the way, and is taken to this machine itself alone, \
             with no password",
        );
        if let Some(password) = &secrets.password {
            let bounded = text::bounded("secrets.password", password.expose(), text::MAX_LONG_TEXT);
            checks.take(bounded);
        }
        checks.take(mailbox("email.from", &self.from));
        checks.require(
            (1..=MAX_RECIPIENTS).contains(&self.to.len()),
            "email.to",
            &format!("must name 1 to {MAX_RECIPIENTS} addresses"),
        );
        for to in self.to.iter().take(MAX_RECIPIENTS) {
            checks.take(mailbox("email.to", to));
        }
        check_ca(checks, "email.ca_pem", &self.ca_pem);
    }
}

impl WebhookTarget {
    fn check(&self, checks: &mut Checks, secrets: &ChannelSecrets) {
        let value = HeaderValue::from_str(&self.content_type);
        checks.require(
            value.is_ok() && !self.content_type.is_empty() && self.content_type.len() <= text::MAX_TEXT,
            "webhook.content_type",
            "must be the type of a body, such as application/json",
        );
        checks.take(template::check(
            "webhook.body_template",
            &self.body_template,
            &self.content_type,
        ));
        check_ca(checks, "webhook.ca_pem", &self.ca_pem);
        let field = "secrets.headers";
        let few = secrets.headers.len() <= MAX_HEADERS;
        checks.require(few, field, &format!("must name at most {MAX_HEADERS} headers"));
        for (name, value) in secrets.headers.iter().take(MAX_HEADERS) {
            checks.take(header(field, name, value));
        }
        if let Some(signing) = &secrets.signing {
            let field = "secrets.signing_secret";
            checks.take(text::bounded(field, signing.expose(), text::MAX_LONG_TEXT));
            let long_enough = signing.expose().len() >= 16;
            checks.require(long_enough, field, "must have at least 16 characters");
        }
    }
}

/// Reads an address. What it is not is not repeated at length.
fn mailbox(field: &str, text: &str) -> Result<(), BadField> {
    text::required(field, text, text::MAX_TEXT)?;
    text.parse::<Mailbox>()
        .map(drop)
        .map_err(|_| BadField::new(field, "must be an address, such as `DBA <dba@example.com>`"))
}

/// Headers that the request has anyway.
const OURS: [&str; 6] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "user-agent",
];

fn header(field: &str, name: &str, value: &Secret) -> Result<(), BadField> {
    let shown = text::kept(name, 64);
    let Ok(parsed) = name.parse::<HeaderName>() else {
        return Err(BadField::new(field, format!("{shown:?} is no name of a header")));
    };
    if OURS.contains(&parsed.as_str()) || parsed.as_str().starts_with("x-dataguardian-") {
        return Err(BadField::new(
            field,
            format!("{shown} is set by DataGuardian itself"),
        ));
    }
    text::bounded(field, value.expose(), text::MAX_LONG_TEXT)?;
    HeaderValue::from_str(value.expose()).map(drop).map_err(|_| {
        BadField::new(
            field,
            format!("the value of {shown} holds what no header may hold"),
        )
    })
}

/// Checks the URL. Gives what may be shown of it.
fn check_url(checks: &mut Checks, secrets: &ChannelSecrets, allow_http: bool) -> String {
    let field = "secrets.url";
    let url = secrets.url.as_ref().map_or("", |url| url.expose());
    let Some(endpoint) = checks.take(Endpoint::parse(field, url)) else {
        return String::new();
    };
    checks.require(
        endpoint.tls || allow_http,
        field,
        "must begin with https://, unless allow_http is set: what is sent by http:// can be read on the way",
    );
    endpoint.shown()
}

fn check_ca(checks: &mut Checks, field: &str, pem: &str) {
    if pem.is_empty() {
        return;
    }
    let mut read = CertificateDer::pem_slice_iter(pem.as_bytes()).take(64).peekable();
    let good = pem.len() <= MAX_CA && read.peek().is_some() && read.all(|read| read.is_ok());
    checks.require(good, field, "must hold certificates in PEM");
}

/// Refuses secrets that a target has no use for: whoever gives one believes that it protects something.
fn forbid(checks: &mut Checks, secrets: &ChannelSecrets, used: &[&str]) {
    for (field, given) in [
        ("secrets.url", secrets.url.is_some()),
        ("secrets.password", secrets.password.is_some()),
        ("secrets.signing_secret", secrets.signing.is_some()),
        ("secrets.headers", !secrets.headers.is_empty()),
    ] {
        let useless = given && !used.contains(&field);
        checks.require(!useless, field, "has no meaning for a channel of this kind");
    }
}

#[cfg(test)]
mod tests;
