//! What a channel must be to be of use.

use std::net::IpAddr;

use dataguardian_core::secret::Secret;
use http::{HeaderName, HeaderValue};
use lettre::message::Mailbox;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::{ChannelSecrets, EmailTarget, EmailTls, WebhookTarget};
use crate::domain::field::{BadField, Checks};
use crate::domain::notification::endpoint::Endpoint;
use crate::domain::notification::template;
use crate::domain::text;

/// The most addresses that one mail goes to.
const MAX_RECIPIENTS: usize = 50;
/// The most headers that a webhook sends besides.
const MAX_HEADERS: usize = 20;
/// The longest list of authorities, in bytes.
const MAX_CA: usize = 64 << 10;

impl EmailTarget {
    pub(super) fn check(&self, checks: &mut Checks, secrets: &ChannelSecrets) {
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
    pub(super) fn check(&self, checks: &mut Checks, secrets: &ChannelSecrets) {
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
pub(super) fn check_url(checks: &mut Checks, secrets: &ChannelSecrets, allow_http: bool) -> String {
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

pub(super) fn check_ca(checks: &mut Checks, field: &str, pem: &str) {
    if pem.is_empty() {
        return;
    }
    let mut read = CertificateDer::pem_slice_iter(pem.as_bytes()).take(64).peekable();
    let good = pem.len() <= MAX_CA && read.peek().is_some() && read.all(|read| read.is_ok());
    checks.require(good, field, "must hold certificates in PEM");
}

/// Refuses secrets that a target has no use for: whoever gives one believes that it protects something.
pub(super) fn forbid(checks: &mut Checks, secrets: &ChannelSecrets, used: &[&str]) {
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
