//! A way back in for whoever holds the metadata database and has lost the first administrator's password. Works without a
//! running control plane and without any key.

use chrono::{DateTime, Utc};
use dataguardian_core::secret::Secret;

use super::{Error, Noun};
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::user::{User, check_new_password};
use crate::secrets::password::Passwords;
use crate::store::Store;
use crate::store::audit::audit_insert_in_tx;
use crate::store::role_bindings::{NewBinding, role_binding_insert_in_tx};
use crate::store::totp::totp_clear_in_tx;
use crate::store::user_sessions::user_session_delete_of_in_tx;
use crate::store::users::{
    api_token_delete_of_in_tx, user_first, user_set_locked_in_tx, user_set_password_in_tx,
};

/// What a reset did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetAdmin {
    /// The first administrator.
    pub user: User,
    /// Sign-ins that were ended.
    pub tokens_ended: u64,
}

/// Lets the first user in with another password: an administrator again whatever became of it, asked for no code, with its old
/// sign-ins ended. In one transaction with a row in the audit log.
pub async fn reset_admin(store: &Store, password: Secret, now: DateTime<Utc>) -> Result<ResetAdmin, Error> {
    check_new_password("password", &password)?;
    let hash = Passwords::new().await?.hash(password).await?;
    let tx = store.begin().await?;
    let first = user_first(&tx).await?;
    let user = first.ok_or_else(|| Error::not_found(Noun::User, "yet: `dgctl setup` makes the first one"))?;
    user_set_password_in_tx(&tx, user.id, hash).await?;
    totp_clear_in_tx(&tx, user.id).await?;
    user_set_locked_in_tx(&tx, user.id, None).await?;
    role_binding_insert_in_tx(&tx, &NewBinding::administrator(user.id, now)).await?;
    let tokens_ended = api_token_delete_of_in_tx(&tx, user.id, None).await?
        + user_session_delete_of_in_tx(&tx, user.id, None).await?;
    let entry = AuditEntry {
        actor: Actor::System,
        method: "dataguardian reset-admin".to_owned(),
        resource: user.username.clone(),
        outcome: "ok".to_owned(),
        remote: None,
    };
    audit_insert_in_tx(&tx, &entry, now).await?;
    tx.commit().await?;
    Ok(ResetAdmin { user, tokens_ended })
}
