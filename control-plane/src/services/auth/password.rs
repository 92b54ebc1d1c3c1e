//! Changing one's own password.

use dataguardian_core::secret::Secret;

use crate::domain::session::Credential;
use crate::domain::text;
use crate::domain::user::{Caller, check_new_password};
use crate::services::Error;
use crate::services::auth::{Auth, Tried, lock};
use crate::store::user_sessions::user_session_delete_of_in_tx;
use crate::store::users;

impl Auth {
    /// Gives the caller another password and ends all its sign-ins but this one.
    pub async fn change_password(&self, caller: &Caller, old: Secret, new: Secret) -> Result<(), Error> {
        check_new_password("new_password", &new)?;
        self.prove_again("old_password", caller, old).await?;
        let hash = self.passwords.hash(new).await?;
        let user = caller.user.id;
        let (token, cookie) = match caller.credential {
            Credential::Token(id) => (Some(id), None),
            Credential::Cookie(id) => (None, Some(id)),
        };
        let tx = self.context.store.begin().await?;
        users::user_set_password_in_tx(&tx, user, hash).await?;
        users::api_token_delete_of_in_tx(&tx, user, token).await?;
        user_session_delete_of_in_tx(&tx, user, cookie).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The caller's password once more, for what somebody at an unlocked screen must not do. It counts as a try to sign in.
    pub(super) async fn prove_again(
        &self,
        field: &'static str,
        caller: &Caller,
        password: Secret,
    ) -> Result<(), Error> {
        text::bounded(field, password.expose(), text::MAX_LONG_TEXT)?;
        let hash = users::user_password(&self.context.store, caller.user.id).await?;
        let found = hash.map(|hash| (caller.user.clone(), hash));
        let user = self
            .prove(
                &caller.user.username,
                password,
                found,
                Tried {
                    from: None,
                    wrong: wrong_password,
                },
            )
            .await?;
        lock(&self.tries).succeed(&user.username);
        Ok(())
    }
}

/// Not `UNAUTHENTICATED`: the sign-in itself is as good as before.
fn wrong_password() -> Error {
    Error::forbidden("WRONG_PASSWORD", "this is not your password")
}
