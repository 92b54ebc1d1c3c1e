//! What keeps people from being told, and who tries to pass for one of them.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Lasting, Seen, key};
use crate::domain::notification::facts::{ChannelFacts, WaitingUser};
use crate::domain::notification::{About, Course, EventKind, Trouble};

/// A channel that lets something lie for so long is told of: a mail server that takes nothing at the first try is none.
const CHANNEL: TimeDelta = TimeDelta::minutes(5);

impl Seen {
    /// One that has failed, and not for long, may be about to work again: until then all stays as it is.
    pub(super) fn channel(&mut self, channel: &ChannelFacts, now: DateTime<Utc>) {
        let Some(failure) = &channel.failure else {
            return;
        };
        let (id, name) = &channel.id;
        match channel.undelivered_since.filter(|since| now - *since >= CHANNEL) {
            None => {
                self.unknown.insert(key(EventKind::ChannelFailing, id));
            }
            Some(since) => self.lasts(Lasting {
                id,
                kind: EventKind::ChannelFailing,
                about: About {
                    channel: Some(channel.id.clone()),
                    ..About::default()
                },
                summary: format!("Nothing arrives through channel {name}"),
                details: format!(
                    "{failure}\nWhat was to be told there: dgctl notification list. Once it is mended: dgctl notification channel test {name}"
                ),
                since,
            }),
        }
    }
}

/// Each time is told of by itself: there is nobody who could say that it is over.
pub(super) fn waiting(waiting: &WaitingUser) -> Trouble {
    let name = &waiting.user.1;
    let from = waiting.from.as_deref().unwrap_or("an unknown address");
    Trouble {
        key: format!("{}/{}", EventKind::SignInsFailing.as_str(), waiting.number),
        kind: EventKind::SignInsFailing,
        course: Course::Happened,
        about: About {
            user: Some(waiting.user.clone()),
            ..About::default()
        },
        summary: format!("Wrong passwords were tried for user {name}"),
        details: format!(
            "The last try came from {from}; each further one has to wait, up to 15 minutes. If it was not {name}: dgctl user lock {name} \
             keeps everybody out, dgctl audit list --resource {name} shows the tries."
        ),
        since: waiting.at,
    }
}
