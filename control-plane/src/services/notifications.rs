//! Who is told what: channels and rules, troubles and their telling, deliveries and pings.
//!
//! | file | does |
//! |---|---|
//! | `channels` | makes, changes and opens channels |
//! | `rules` | makes and changes rules |
//! | `facts` | gathers what is looked at |
//! | `watch` | looks, and writes down what is to be told, with its deliveries, one transaction each |
//! | `outbox` | claims deliveries and pings, and closes them |

use super::Context;

mod channels;
mod facts;
mod outbox;
mod rules;
mod sealed;
mod tally;
mod watch;

pub use outbox::{Claim, DuePing, Sent};
pub use tally::NotificationTally;
pub use watch::Watched;

/// Who is told what.
#[derive(Debug, Clone)]
pub struct Notifications {
    context: Context,
}

impl Notifications {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}
