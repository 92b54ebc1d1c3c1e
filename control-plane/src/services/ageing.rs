//! What is old enough is forgotten: events and logs of executions, the audit log, what people were told. The executions themselves stay, with how they
//! ended and what they reported; and everything of those whose backup is there.

use chrono::TimeDelta;

use super::audit::Audit;
use super::{Context, Error};
use crate::store::ageing::{history_forget_in_tx, history_old};
use crate::store::notifications::notifications_forget_in_tx;

/// Executions in one transaction.
const EXECUTIONS: u64 = 100;
/// Notifications in one transaction.
const ROWS: u64 = 1000;
/// Transactions of each kind in one pass.
const ROUNDS: usize = 20;

/// Forgets what is old.
#[derive(Debug, Clone)]
pub struct Ageing {
    context: Context,
    audit: Audit,
}

/// How long what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Events and logs of executions, after their end.
    pub history: TimeDelta,
    /// The audit log, in whole days.
    pub audit: TimeDelta,
    /// What people were told.
    pub notifications: TimeDelta,
}

/// What was forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Executions whose events and logs went.
    pub histories: usize,
    /// Rows of the audit log.
    pub audit: u64,
    /// Notifications.
    pub notifications: u64,
}

impl Ageing {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            audit: Audit::new(context.clone()),
            context,
        }
    }

    /// Forgets what is old, up to a bound; what is left is left to the next pass.
    pub async fn forget(&self, ages: Ages) -> Result<Forgotten, Error> {
        let store = &self.context.store;
        let now = self.context.now();
        let mut forgotten = Forgotten::default();
        if let Some(before) = now.checked_sub_signed(ages.history) {
            for _ in 0..ROUNDS {
                let old = history_old(store, before, EXECUTIONS).await?;
                if old.is_empty() {
                    break;
                }
                let tx = store.begin().await?;
                history_forget_in_tx(&tx, &old).await?;
                tx.commit().await?;
                forgotten.histories += old.len();
            }
        }
        if let Some(before) = now.checked_sub_signed(ages.audit) {
            for _ in 0..ROUNDS {
                match self.audit.forget_day(before).await? {
                    Some(gone) => forgotten.audit += gone,
                    None => break,
                }
            }
        }
        if let Some(before) = now.checked_sub_signed(ages.notifications) {
            for _ in 0..ROUNDS {
                let tx = store.begin().await?;
                let gone = notifications_forget_in_tx(&tx, before, ROWS).await?;
                tx.commit().await?;
                forgotten.notifications += gone;
                if gone < ROWS {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}
