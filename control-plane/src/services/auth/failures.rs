//! Tries to sign in that failed: that an account has to wait for them is written down once each time it begins to, and whoever signs in
//! is told of those since the last time.
//!
//! Nothing is written that depends on whether there is such a user, since that could be told from the time it takes: each try has its
//! row in the audit log anyway, and these are counted when somebody has proven to be the user.

use chrono::TimeDelta;

use super::{Auth, lock};
use crate::domain::audit::{Actor, AuditEntry, FailedSignIns};
use crate::domain::text;
use crate::services::Error;
use crate::store::audit::{WAITING, audit_failed_sign_ins, audit_insert_in_tx};

/// Tries that are longer ago are not told of.
const TOLD: TimeDelta = TimeDelta::days(31);

impl Auth {
    /// A wrong password or code for an account. Once the next try has to wait, that is a row of the audit log's, of which people are
    /// told.
    pub(super) async fn note_failure(&self, account: &str, from: Option<String>) -> Result<(), Error> {
        let now = self.context.now();
        let waits = lock(&self.tries).fail(account.to_owned(), now);
        if !waits {
            return Ok(());
        }
        let entry = AuditEntry {
            actor: Actor::System,
            method: WAITING.to_owned(),
            resource: text::kept(account, text::MAX_TEXT),
            outcome: "TOO_MANY_TRIES".to_owned(),
            remote: from,
        };
        let tx = self.context.store.begin().await?;
        audit_insert_in_tx(&tx, &entry, now).await?;
        Ok(tx.commit().await?)
    }

    /// Tries of this user that failed since the last one that did not; none if there were none.
    pub(super) async fn failed_sign_ins(&self, username: &str) -> Result<Option<FailedSignIns>, Error> {
        let since = self.context.now() - TOLD;
        Ok(audit_failed_sign_ins(&self.context.store, username, since).await?)
    }
}
