//! `dgctl notification channel update`: what is not given stays, secrets included.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use dataguardian_proto::{convert, v1};
use v1::notification_channel::Target as Shown;
use v1::update_notification_channel_request::Target;

use super::create::{headers, read_text, secret};
use super::preset::Preset;
use super::show;
use super::words::EmailTlsWord;
use crate::ask::SecretSource;
use crate::commands::{Context, required};
use crate::error::{Error, Result};
use crate::values;

/// `dgctl notification channel update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Name or id
    channel: String,
    /// Send nothing from now on; what is on its way waits
    #[arg(long, conflicts_with = "enable")]
    disable: bool,
    /// Send again
    #[arg(long)]
    enable: bool,
    /// Of mail: the server
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Of mail: the server's port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Of mail: how the connection is encrypted
    #[arg(long, value_enum, value_name = "MODE")]
    tls: Option<EmailTlsWord>,
    /// Of mail: who signs in; empty for nobody
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Of mail: a file with the password
    #[arg(long, value_name = "FILE")]
    password_file: Option<SecretSource>,
    /// Of mail: the sender
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Of mail: to whom, in place of those before; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// Of a webhook or ping: a file with the URL
    #[arg(long, value_name = "FILE")]
    url_file: Option<SecretSource>,
    /// Of a webhook: a file with the secret that requests are signed with
    #[arg(long, value_name = "FILE", conflicts_with = "unsigned")]
    signing_secret_file: Option<SecretSource>,
    /// Of a webhook: do not sign requests any more
    #[arg(long)]
    unsigned: bool,
    /// Of a webhook: a file with further headers, in place of those before
    #[arg(long, value_name = "FILE")]
    headers_file: Option<SecretSource>,
    /// Of a webhook: the body that a known receiver expects
    #[arg(long, value_enum, value_name = "RECEIVER", conflicts_with = "template_file")]
    preset: Option<Preset>,
    /// Of a webhook to ntfy: the topic
    #[arg(long, value_name = "NAME", requires = "preset")]
    topic: Option<String>,
    /// Of a webhook: a file with the body's template
    #[arg(long, value_name = "FILE")]
    template_file: Option<PathBuf>,
    /// Of a webhook: the body's type
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Of a ping: how often
    #[arg(long, value_name = "TIME", value_parser = values::length)]
    every: Option<Duration>,
    /// A PEM file here with the authorities to trust; an empty one for the public ones
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Check everything, change nothing
    #[arg(long)]
    validate_only: bool,
}

impl Update {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let mut notifications = context.api().await?.notifications();
        let get = v1::GetNotificationChannelRequest {
            channel: self.channel.clone(),
        };
        let before = notifications.get_notification_channel(get).await?.into_inner();
        let before = required(before.channel, "channel")?;
        let mut paths: Vec<&str> = Vec::new();
        let target = self.target(required(before.target, "target")?)?;
        paths.extend(target.is_some().then_some("target"));
        paths.extend((self.disable || self.enable).then_some("disabled"));
        let secrets = self.secrets(&mut paths)?;
        if paths.is_empty() {
            return Err(Error::usage(
                "nothing to change: see `dgctl notification channel update --help`",
            ));
        }
        let request = v1::UpdateNotificationChannelRequest {
            channel: self.channel,
            target,
            secrets: Some(secrets),
            disabled: self.disable,
            update_mask: Some(prost_types::FieldMask {
                paths: paths.into_iter().map(str::to_owned).collect(),
            }),
            etag: before.etag,
            validate_only: self.validate_only,
        };
        let reply = notifications
            .update_notification_channel(request)
            .await?
            .into_inner();
        let channel = required(reply.channel.clone(), "channel")?;
        context
            .output
            .show(&reply, |_, look| show::channel(&channel, look))
    }

    /// The target as it is to be; none if nothing of it changes.
    fn target(&self, before: Shown) -> Result<Option<Target>> {
        let authorities = self
            .ca_file
            .as_ref()
            .map(|path| read_text(Some(path)))
            .transpose()?;
        Ok(match before {
            Shown::Email(mut email) => {
                let was = email.clone();
                set(&mut email.host, self.host.clone());
                set(&mut email.port, self.port.map(u32::from));
                set(&mut email.tls, self.tls.map(|tls| v1::EmailTls::from(tls).into()));
                set(&mut email.username, self.username.clone());
                set(&mut email.from, self.from.clone());
                set(&mut email.to, Some(self.to.clone()).filter(|to| !to.is_empty()));
                set(&mut email.ca_pem, authorities);
                (email != was).then_some(Target::Email(email))
            }
            Shown::Webhook(mut webhook) => {
                let was = webhook.clone();
                let preset = self.preset.map(|preset| preset.template(self.topic.as_deref()));
                let file = self.template_file.as_ref().map(|path| read_text(Some(path)));
                set(&mut webhook.body_template, preset.or(file.transpose()?));
                set(&mut webhook.content_type, self.content_type.clone());
                set(&mut webhook.ca_pem, authorities);
                (webhook != was).then_some(Target::Webhook(webhook))
            }
            Shown::Ping(mut ping) => {
                let was = ping.clone();
                set(
                    &mut ping.interval,
                    self.every.map(|every| Some(convert::duration(every))),
                );
                set(&mut ping.ca_pem, authorities);
                (ping != was).then_some(Target::Ping(ping))
            }
        })
    }

    fn secrets(&self, paths: &mut Vec<&str>) -> Result<v1::NotificationSecrets> {
        let mut secrets = v1::NotificationSecrets::default();
        if let Some(file) = &self.url_file {
            secrets.url = secret(file)?;
            paths.push("secrets.url");
        }
        if let Some(file) = &self.password_file {
            secrets.password = secret(file)?;
            paths.push("secrets.password");
        } else if self.username.as_deref() == Some("") {
            paths.push("secrets.password");
        }
        if let Some(file) = &self.signing_secret_file {
            secrets.signing_secret = secret(file)?;
        }
        if self.signing_secret_file.is_some() || self.unsigned {
            paths.push("secrets.signing_secret");
        }
        if self.headers_file.is_some() {
            secrets.headers = headers(self.headers_file.as_ref())?;
            paths.push("secrets.headers");
        }
        Ok(secrets)
    }
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}
