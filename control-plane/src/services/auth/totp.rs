//! The second factor: codes of an authenticator app, or recovery codes.

use dataguardian_core::ids::UserId;
use dataguardian_core::secret::Secret;

use crate::domain::user::{Caller, User};
use crate::secrets::totp::{RECOVERY_CODES, RecoveryCode, TotpSecret, recovery_sha256};
use crate::secrets::vault::Place;
use crate::services::Error;
use crate::services::auth::{Auth, lock};
use crate::store::Tx;
use crate::store::totp as rows;

/// A secret for an app. Shown this once.
#[derive(Debug)]
pub struct NewTotp {
    /// As it is typed.
    pub secret: Secret,
    /// As a QR code shows it.
    pub uri: Secret,
}

impl Auth {
    /// Makes a secret for an app. It counts from [`Self::confirm_totp`] on.
    pub async fn enrol_totp(&self, caller: &Caller, password: Secret) -> Result<NewTotp, Error> {
        self.prove_again("password", caller, password).await?;
        let user = caller.user.id;
        let secret = TotpSecret::generate()?;
        let vault = &self.context.installation.vault;
        let sealed = vault.seal(place(&user), secret.expose())?;
        let tx = self.context.store.begin().await?;
        if !rows::totp_enrol_in_tx(&tx, user, sealed).await? {
            return Err(already_enrolled());
        }
        tx.commit().await?;
        Ok(NewTotp {
            secret: secret.base32(),
            uri: secret.uri(&caller.user.username),
        })
    }

    /// Proves that the app has the secret: from now on signing in needs a code. Gives the recovery codes.
    pub async fn confirm_totp(&self, caller: &Caller, code: &Secret) -> Result<Vec<Secret>, Error> {
        let (user, account, now) = (caller.user.id, &caller.user.username, self.context.now());
        if let Some(wait) = lock(&self.tries).wait(account, now) {
            return Err(Error::Throttled { wait });
        }
        let codes = (0..RECOVERY_CODES)
            .map(|_| RecoveryCode::generate())
            .collect::<Result<Vec<_>, _>>()?;
        let tx = self.context.store.begin().await?;
        let row = rows::totp_get(&tx, user).await?.ok_or_else(not_enrolled)?;
        let Some(step) = self.opened(user, &row)?.step_of(code, now) else {
            drop(tx);
            self.note_failure(account, None).await?;
            return Err(Error::forbidden(
                "WRONG_CODE",
                "this is not what the app shows now",
            ));
        };
        if !rows::totp_confirm_in_tx(&tx, user, now).await? {
            return Err(already_enrolled());
        }
        rows::totp_use_step_in_tx(&tx, user, step).await?;
        rows::recovery_code_insert_many_in_tx(&tx, user, codes.iter().map(|code| code.sha256)).await?;
        tx.commit().await?;
        Ok(codes.into_iter().map(|code| code.text).collect())
    }

    /// Signing in needs no code any more.
    pub async fn disable_totp(&self, caller: &Caller, password: Secret) -> Result<(), Error> {
        self.prove_again("password", caller, password).await?;
        let tx = self.context.store.begin().await?;
        rows::totp_clear_in_tx(&tx, caller.user.id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Whether this is a code that counts; then it is used up.
    pub(super) async fn use_code_in_tx(&self, tx: &Tx, user: UserId, code: &Secret) -> Result<bool, Error> {
        let Some(row) = rows::totp_get(tx, user).await? else {
            return Ok(true);
        };
        if let Some(step) = self.opened(user, &row)?.step_of(code, self.context.now()) {
            return Ok(rows::totp_use_step_in_tx(tx, user, step).await?);
        }
        Ok(rows::recovery_code_use_in_tx(tx, user, &recovery_sha256(code)).await?)
    }

    fn opened(&self, user: UserId, row: &rows::TotpRow) -> Result<TotpSecret, Error> {
        let vault = &self.context.installation.vault;
        Ok(TotpSecret::from_bytes(
            &vault.open(place(&user), &row.secret_sealed)?,
        ))
    }
}

/// The code that a sign-in has to prove; none for a user without an app.
pub(super) fn asked_code(user: &User, code: Secret) -> Result<Option<Secret>, Error> {
    match (user.has_totp, code.is_empty()) {
        (false, _) => Ok(None),
        (true, false) => Ok(Some(code)),
        (true, true) => Err(Error::unauthenticated(
            "TOTP_REQUIRED",
            "this user signs in with a code of an authenticator app besides: give it, or a recovery code",
        )),
    }
}

fn place(user: &UserId) -> Place<'_> {
    Place {
        table: "users",
        row: user,
        field: "totp_secret",
    }
}

fn already_enrolled() -> Error {
    Error::precondition(
        "TOTP_ENABLED",
        "an authenticator app is enrolled already: disable it first, then enrol another",
    )
}

fn not_enrolled() -> Error {
    Error::precondition("TOTP_NOT_ENROLLED", "there is no secret to confirm: enrol first")
}
