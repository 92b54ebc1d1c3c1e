//! Who is told what: channels and rules, troubles and their telling, deliveries and pings.
//!
//! | file | does |
//! |---|---|
//! | `channels` | makes, changes and opens channels |
//! | `rules` | makes and changes rules |
//! | `facts` | gathers what is looked at |
//! | `watch` | looks, and writes down what is to be told, with its deliveries, one transaction each |
//! | `outbox` | claims deliveries and pings, and closes them |

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};

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
    sight: Arc<Mutex<Sight>>,
}

/// Since when what there is to tell has been seen without a break.
#[derive(Debug, Default)]
struct Sight {
    /// None since the start.
    since: Option<DateTime<Utc>>,
    /// The metadata database did not answer, or only after long: agents may have been kept from saying anything as well.
    lost: bool,
}

impl Notifications {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            sight: Arc::default(),
        }
    }
}
