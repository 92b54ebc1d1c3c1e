//! `dgctl notification channel create`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dataguardian_proto::{convert, v1};

use super::preset::Preset;
use super::show;
use super::words::EmailTlsWord;
use crate::ask::SecretSource;
use crate::commands::{Context, request_id};
use crate::error::{Error, Result};
use crate::values;

/// `dgctl notification channel create …`
#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// Mail, through a server that takes it
    Email(Box<CreateEmail>),
    /// A request by POST: Slack, ntfy, and whatever takes requests
    Webhook(Box<CreateWebhook>),
    /// A request by GET from time to time as long as the control plane works well: healthchecks.io and the like notice when none come
    Ping(Box<CreatePing>),
}

/// What every channel has.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The channel's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Send nothing yet
    #[arg(long)]
    disabled: bool,
    /// Check everything, change nothing
    #[arg(long)]
    validate_only: bool,
}

/// `dgctl notification channel create email`
#[derive(Debug, Args)]
pub(crate) struct CreateEmail {
    #[command(flatten)]
    common: Common,
    /// The mail server
    #[arg(long, value_name = "HOST")]
    host: String,
    /// Its port [else: 587, 465 with implicit TLS, 25 without]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// How the connection is encrypted
    #[arg(long, value_enum, value_name = "MODE", default_value = "starttls")]
    tls: EmailTlsWord,
    /// A PEM file here with the authorities to trust [else: the public ones]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Who signs in; leave it out where nobody needs to
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// A file with the password, - for standard input
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<SecretSource>,
    /// The sender: an address, or `Name <address>`
    #[arg(long, value_name = "ADDRESS")]
    from: String,
    /// To whom; may be given several times
    #[arg(long, value_name = "ADDRESS", required = true)]
    to: Vec<String>,
}

/// `dgctl notification channel create webhook`
#[derive(Debug, Args)]
pub(crate) struct CreateWebhook {
    #[command(flatten)]
    common: Common,
    /// A file with the URL, - for standard input: whoever knows it may be able to post there
    #[arg(long, value_name = "FILE")]
    url_file: SecretSource,
    /// A file with the secret that requests are signed with (HMAC-SHA256), 16 characters or more
    #[arg(long, value_name = "FILE")]
    signing_secret_file: Option<SecretSource>,
    /// A file with further headers, `Name: value` on each line, such as `Authorization: Bearer …`
    #[arg(long, value_name = "FILE")]
    headers_file: Option<SecretSource>,
    /// The body that a known receiver expects
    #[arg(long, value_enum, value_name = "RECEIVER", conflicts_with = "template_file")]
    preset: Option<Preset>,
    /// Of ntfy: the topic
    #[arg(long, value_name = "NAME", requires = "preset")]
    topic: Option<String>,
    /// A file with the body's template in Jinja [else: all fields as a JSON object]
    #[arg(long, value_name = "FILE")]
    template_file: Option<PathBuf>,
    /// The body's type [else: application/json]
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// A PEM file here with the authorities to trust [else: the public ones]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Take a URL that begins with http://: whatever is sent there can be read on the way
    #[arg(long)]
    allow_http: bool,
}

/// `dgctl notification channel create ping`
#[derive(Debug, Args)]
pub(crate) struct CreatePing {
    #[command(flatten)]
    common: Common,
    /// A file with the URL, - for standard input
    #[arg(long, value_name = "FILE")]
    url_file: SecretSource,
    /// How often, such as 5m
    #[arg(long, value_name = "TIME", value_parser = values::length, default_value = "5m")]
    every: Duration,
    /// A PEM file here with the authorities to trust [else: the public ones]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Take a URL that begins with http://
    #[arg(long)]
    allow_http: bool,
}

impl Create {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        use v1::create_notification_channel_request::Target;
        let (common, target, secrets) = match self {
            Self::Email(email) => {
                let password = email.password_file.as_ref().map(secret).transpose()?;
                let target = v1::EmailChannel {
                    host: email.host,
                    port: email.port.map(u32::from).unwrap_or_default(),
                    tls: v1::EmailTls::from(email.tls).into(),
                    ca_pem: read_text(email.ca_file.as_ref())?,
                    username: email.username.unwrap_or_default(),
                    from: email.from,
                    to: email.to,
                };
                let secrets = v1::NotificationSecrets {
                    password: password.unwrap_or_default(),
                    ..Default::default()
                };
                (email.common, Target::Email(target), secrets)
            }
            Self::Webhook(webhook) => {
                let signing = webhook.signing_secret_file.as_ref().map(secret).transpose()?;
                let body_template = match webhook.preset {
                    Some(preset) => preset.template(webhook.topic.as_deref()),
                    None => read_text(webhook.template_file.as_ref())?,
                };
                let target = v1::WebhookChannel {
                    content_type: webhook.content_type.unwrap_or_default(),
                    body_template,
                    ca_pem: read_text(webhook.ca_file.as_ref())?,
                    allow_http: webhook.allow_http,
                    ..Default::default()
                };
                let secrets = v1::NotificationSecrets {
                    url: secret(&webhook.url_file)?,
                    signing_secret: signing.unwrap_or_default(),
                    headers: headers(webhook.headers_file.as_ref())?,
                    ..Default::default()
                };
                (webhook.common, Target::Webhook(target), secrets)
            }
            Self::Ping(ping) => {
                let target = v1::PingChannel {
                    interval: Some(convert::duration(ping.every)),
                    ca_pem: read_text(ping.ca_file.as_ref())?,
                    allow_http: ping.allow_http,
                    ..Default::default()
                };
                let secrets = v1::NotificationSecrets {
                    url: secret(&ping.url_file)?,
                    ..Default::default()
                };
                (ping.common, Target::Ping(target), secrets)
            }
        };
        let request = v1::CreateNotificationChannelRequest {
            name: common.name,
            target: Some(target),
            secrets: Some(secrets),
            disabled: common.disabled,
            request_id: request_id(),
            validate_only: common.validate_only,
        };
        let mut notifications = context.api().await?.notifications();
        let reply = notifications
            .create_notification_channel(request)
            .await?
            .into_inner();
        context.output.show(&reply, |reply, look| {
            let channel = reply.channel.as_ref();
            channel.map_or_else(|| "All is well.".into(), |channel| show::channel(channel, look))
        })
    }
}

/// A secret out of its file.
pub(super) fn secret(source: &SecretSource) -> Result<String> {
    Ok(source.read()?.expose().to_owned())
}

/// A file that is no secret; nothing if none is named.
pub(super) fn read_text(path: Option<&PathBuf>) -> Result<String> {
    let Some(path) = path else {
        return Ok(String::new());
    };
    std::fs::read_to_string(path).map_err(|source| Error::File {
        action: "reading",
        path: path.clone(),
        source,
    })
}

/// Headers out of their file: a name, a colon and a value on each line.
pub(super) fn headers(source: Option<&SecretSource>) -> Result<std::collections::HashMap<String, String>> {
    let Some(source) = source else {
        return Ok(std::collections::HashMap::new());
    };
    let text = source.read()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    };
    text.expose()
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            // The line itself is not repeated: it may be a secret.
            header(line).ok_or_else(|| Error::usage("a header is written as `Name: value`, one on each line"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_as_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "Authorization: Bearer a:b\n\nX-Team: dba\n").unwrap();
        let read = headers(Some(&SecretSource::File(file.path().into()))).unwrap();
        assert_eq!(read["Authorization"], "Bearer a:b");
        assert_eq!(read["X-Team"], "dba");
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let wrong = headers(Some(&SecretSource::File(file.path().into()))).unwrap_err();
        assert!(!wrong.to_string().contains("hunter2"), "{wrong}");
    }
}
