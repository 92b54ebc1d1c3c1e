//! Sends notifications and pings: mail through a server that takes it, requests over HTTP.
//!
//! Only administrators say where. All the same nothing is sent to link-local addresses, redirects are not followed, answers are read
//! to a bound, and an attempt has one time-out for all of it. No secret is in what a [`Fault`] says: what a server sends back is
//! searched for them.

use std::time::Duration;

use dataguardian_core::clock::SharedClock;
use dataguardian_core::secret::Secret;

use crate::domain::notification::channel::{ChannelSecrets, OpenChannel, Target};
use crate::domain::notification::delivery::{Fault, Stage};
use crate::domain::notification::endpoint::Endpoint;
use crate::domain::notification::message::{fields, mail};
use crate::domain::notification::{Notification, template};
use crate::domain::text;

mod connect;
mod email;
mod request;
mod signature;

/// The longest problem that is told, in bytes.
const MAX_PROBLEM: usize = 600;

/// Sends. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    /// How long one attempt may take.
    timeout: Duration,
    /// Which installation says so.
    control_plane: String,
    /// For the time in signatures and mails.
    clock: SharedClock,
}

impl Sender {
    /// For that installation.
    pub fn new(timeout: Duration, control_plane: String, clock: SharedClock) -> Self {
        Self {
            timeout,
            control_plane,
            clock,
        }
    }

    /// Sends a notification, or a ping where the channel is one, which says that all is well.
    ///
    /// # Errors
    /// At which step it was held up, and why.
    pub async fn send(&self, to: &OpenChannel, notification: &Notification) -> Result<(), Fault> {
        let attempt = async {
            match &to.target {
                Target::Email(email) => {
                    let (subject, body) = mail(notification, &self.control_plane);
                    let letter = email::Letter {
                        id: format!("<{}@{}.dataguardian>", notification.id, self.control_plane),
                        subject,
                        body,
                        at: self.clock.now(),
                    };
                    email::send(email, to.secrets.password.as_ref(), letter, self.timeout).await
                }
                Target::Webhook(webhook) => {
                    let fields = fields(notification, &self.control_plane);
                    let body = template::body(&webhook.body_template, &fields)
                        .map_err(|bad| Fault::new(Stage::Settings, bad.to_string()))?;
                    let endpoint = endpoint(&to.secrets)?;
                    let mut request = request::post(&endpoint, &webhook.content_type, body.clone())?;
                    request::add_headers(&mut request, &to.secrets.headers)?;
                    request::add_header(&mut request, "x-dataguardian-notification", &fields.id)?;
                    if let Some(secret) = &to.secrets.signing {
                        let at = self.clock.now().timestamp();
                        let signature = signature::sign(secret, at, body.as_bytes());
                        request::add_header(&mut request, signature::TIMESTAMP, &at.to_string())?;
                        request::add_header(&mut request, signature::SIGNATURE, &signature)?;
                    }
                    request::send(&endpoint, &webhook.ca_pem, request).await
                }
                Target::Ping(ping) => {
                    let endpoint = endpoint(&to.secrets)?;
                    let request = request::get(&endpoint)?;
                    request::send(&endpoint, &ping.ca_pem, request).await
                }
            }
        };
        let sent = match tokio::time::timeout(self.timeout, attempt).await {
            Ok(sent) => sent,
            Err(_) => {
                let problem = format!("no answer within {} s", self.timeout.as_secs());
                Err(Fault::new(Stage::Timeout, problem))
            }
        };
        sent.map_err(|fault| without_secrets(fault, &to.secrets))
    }
}

fn endpoint(secrets: &ChannelSecrets) -> Result<Endpoint, Fault> {
    let url = secrets.url.as_ref().map_or("", |url| url.expose());
    Endpoint::parse("url", url).map_err(|bad| Fault::new(Stage::Settings, bad.to_string()))
}

/// What a server says may repeat what it was sent.
fn without_secrets(fault: Fault, secrets: &ChannelSecrets) -> Fault {
    let mut hidden: Vec<String> = Vec::new();
    if let Some(url) = &secrets.url {
        hidden.push(url.expose().to_owned());
        if let Ok(endpoint) = Endpoint::parse("url", url.expose()) {
            let segments = endpoint.path.split(['/', '?', '&', '=']);
            hidden.extend(segments.map(str::to_owned));
            hidden.push(endpoint.path);
        }
    }
    for secret in [&secrets.password, &secrets.signing].into_iter().flatten() {
        hidden.push(secret.expose().to_owned());
    }
    for value in secrets.headers.values().map(Secret::expose) {
        hidden.push(value.to_owned());
        hidden.extend(value.split(' ').map(str::to_owned));
    }
    // The longest first, so that nothing is left of one that holds another; a short one is no secret and may be any word.
    hidden.retain(|text| text.len() >= 6);
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    let problem = hidden
        .iter()
        .fold(fault.problem, |problem, text| problem.replace(text.as_str(), "…"));
    Fault {
        problem: text::kept(&problem, MAX_PROBLEM),
        ..fault
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_repeats_is_searched_for_secrets() {
        let secrets = ChannelSecrets {
            url: Some(Secret::new(
                "https://hooks.example.com/services/T0/B0/hunter2hunter2?key=sesame-open",
            )),
            headers: [("Authorization".to_owned(), Secret::new("Bearer abcdefgh"))].into(),
            ..ChannelSecrets::default()
        };
        let said =
            "POST /services/T0/B0/hunter2hunter2?key=sesame-open: bad token abcdefgh for hunter2hunter2";
        let fault = without_secrets(Fault::new(Stage::Refused, said), &secrets);
        for secret in ["hunter2", "sesame", "abcdefgh"] {
            assert!(!fault.problem.contains(secret), "{}", fault.problem);
        }
        assert!(fault.problem.contains("bad token"), "{}", fault.problem);
    }
}
