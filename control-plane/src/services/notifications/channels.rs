//! Channels.

use dataguardian_core::ids::NotificationChannelId;

use super::{Notifications, sealed};
use crate::domain::field::BadField;
use crate::domain::notification::channel::{
    Channel, ChannelChange, ChannelSecrets, NewChannel, OpenChannel, Standing,
};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::services::lookup::{self, Remembered, Request};
use crate::services::{Changed, Error, Noun};
use crate::store::notification_channels::{
    channel_delete_in_tx, channel_get, channel_insert_in_tx, channel_list, channel_standing_in_tx,
    channel_update_in_tx,
};
use crate::store::notification_rules::rules_naming;
use crate::store::{Connected, StoreError};

impl Notifications {
    /// Makes a channel.
    pub async fn create_channel(&self, new: NewChannel) -> Result<Channel, Error> {
        let store = &self.context.store;
        let request = Request::new(RequestKind::CreateNotificationChannel, new.request_id, &new);
        if let Some(id) = request.made(store).await? {
            return self
                .channel(&Reference::Id(NotificationChannelId::from_uuid(id)))
                .await;
        }
        let channel = self.draft(new)?;
        let tx = store.begin().await?;
        let remembered = request
            .remember_in_tx(&tx, channel.id.as_uuid(), channel.created_at)
            .await?;
        if remembered == Remembered::Overtaken {
            drop(tx);
            let id = request.made(store).await?.ok_or_else(lookup::overtaken)?;
            return self
                .channel(&Reference::Id(NotificationChannelId::from_uuid(id)))
                .await;
        }
        match channel_insert_in_tx(&tx, &channel).await {
            Ok(()) => tx.commit().await?,
            Err(StoreError::AlreadyExists(_)) => return Err(taken(&channel)),
            Err(error) => return Err(error.into()),
        }
        Ok(channel)
    }

    /// Checks everything that making it would, and changes nothing. Gives what would be made.
    pub async fn validate_channel(&self, new: NewChannel) -> Result<Channel, Error> {
        let channel = self.draft(new)?;
        let reference = Reference::Name(channel.name.clone());
        match channel_get(&self.context.store, &reference).await? {
            None => Ok(channel),
            Some(_) => Err(taken(&channel)),
        }
    }

    /// One channel.
    pub async fn channel(&self, which: &Reference<NotificationChannelId>) -> Result<Channel, Error> {
        channel(&self.context.store, which).await
    }

    /// Channels in order of their names.
    pub async fn channels(&self, page: &PageRequest) -> Result<Page<Channel>, Error> {
        let limit = u64::from(page.size) + 1;
        let channels = channel_list(&self.context.store, page.after_name()?, limit).await?;
        Ok(Page::from_overfull(channels, page.size, |channel| {
            Cursor::Name(channel.name.to_string())
        }))
    }

    /// Changes a channel. What was given up stays so; what is on its way goes by the channel as it is then.
    pub async fn update_channel(
        &self,
        which: &Reference<NotificationChannelId>,
        change: ChannelChange,
    ) -> Result<Changed<Channel>, Error> {
        let tx = self.context.store.begin().await?;
        let before = channel(&tx, which).await?;
        let after = self.changed(&before, change)?;
        if !channel_update_in_tx(&tx, before.revision, &after).await? {
            return Err(mismatch(&before));
        }
        let after = channel(&tx, &Reference::Id(before.id)).await?;
        tx.commit().await?;
        Ok(Changed { before, after })
    }

    /// Checks everything that the change would, and changes nothing. Gives what it would be.
    pub async fn validate_channel_update(
        &self,
        which: &Reference<NotificationChannelId>,
        change: ChannelChange,
    ) -> Result<Channel, Error> {
        let before = self.channel(which).await?;
        self.changed(&before, change)
    }

    /// Deletes a channel that no rule names, with what is on its way there.
    pub async fn delete_channel(&self, which: &Reference<NotificationChannelId>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let found = channel(&tx, which).await?;
        let naming = rules_naming(&tx, found.id).await?;
        let in_use = |rules: String| {
            let message = format!(
                "notification channel {} is named by rules ({rules}): change or delete them first",
                found.name
            );
            Error::precondition("NOTIFICATION_CHANNEL_IN_USE", message)
        };
        if !naming.is_empty() {
            return Err(in_use(naming.join(", ")));
        }
        match channel_delete_in_tx(&tx, found.id).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(StoreError::Referenced(_)) => Err(in_use("new ones".to_owned())),
            Err(error) => Err(error.into()),
        }
    }

    /// A channel with its secrets, to be used now.
    pub fn open(&self, channel: &Channel) -> Result<OpenChannel, Error> {
        Ok(OpenChannel {
            target: channel.target.clone(),
            secrets: self.secrets(channel)?,
        })
    }

    /// Writes down what a test of a channel came to.
    pub async fn tested(&self, channel: &Channel, failure: Option<&str>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        channel_standing_in_tx(&tx, channel.id, failure, self.context.now()).await?;
        Ok(tx.commit().await?)
    }

    fn secrets(&self, channel: &Channel) -> Result<ChannelSecrets, Error> {
        sealed::open(&self.context.installation.vault, channel.id, &channel.sealed)
    }

    fn draft(&self, new: NewChannel) -> Result<Channel, Error> {
        let checked = OpenChannel {
            target: new.target,
            secrets: new.secrets,
        };
        let checked = checked.checked()?;
        let (id, now) = (NotificationChannelId::new(), self.context.now());
        Ok(Channel {
            id,
            name: new.name,
            sealed: sealed::seal(&self.context.installation.vault, id, &checked.secrets)?,
            target: checked.target,
            disabled: new.disabled,
            standing: Standing::default(),
            created_at: now,
            updated_at: now,
            revision: 1,
        })
    }

    fn changed(&self, before: &Channel, change: ChannelChange) -> Result<Channel, Error> {
        if change
            .expected_revision
            .is_some_and(|revision| revision != before.revision)
        {
            return Err(mismatch(before));
        }
        let had = self.secrets(before)?;
        let target = change.target.unwrap_or_else(|| before.target.clone());
        if target.kind() != before.target.kind() {
            let problem = format!(
                "must be of the same kind: {} is of kind {}",
                before.name,
                before.target.kind()
            );
            return Err(BadField::new("target", problem).into());
        }
        let checked = OpenChannel {
            target,
            secrets: ChannelSecrets {
                url: change.url.unwrap_or(had.url),
                password: change.password.unwrap_or(had.password),
                signing: change.signing.unwrap_or(had.signing),
                headers: change.headers.unwrap_or(had.headers),
            },
        };
        let checked = checked.checked()?;
        Ok(Channel {
            sealed: sealed::seal(&self.context.installation.vault, before.id, &checked.secrets)?,
            target: checked.target,
            disabled: change.disabled.unwrap_or(before.disabled),
            updated_at: self.context.now(),
            ..before.clone()
        })
    }
}

/// The channel, or not found.
pub(super) async fn channel(
    on: &impl Connected,
    which: &Reference<NotificationChannelId>,
) -> Result<Channel, Error> {
    let found = channel_get(on, which).await?;
    found.ok_or_else(|| Error::not_found(Noun::NotificationChannel, which))
}

fn taken(channel: &Channel) -> Error {
    Error::NameTaken {
        noun: Noun::NotificationChannel,
        name: channel.name.to_string(),
    }
}

fn mismatch(channel: &Channel) -> Error {
    Error::EtagMismatch {
        noun: Noun::NotificationChannel,
        which: channel.name.to_string(),
    }
}
