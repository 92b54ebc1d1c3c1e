//! Who calls: the first administrator, passwords, API tokens.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use dataguardian_core::ids::{ApiTokenId, UserId};
use dataguardian_core::secret::Secret;

use super::{Context, Error};
use crate::domain::field::Checks;
use crate::domain::text;
use crate::domain::throttle::{Tolerance, Tries};
use crate::domain::user::{Caller, Login, User, check_new_password, check_username};
use crate::secrets::password::Passwords;
use crate::secrets::token::{self, NewToken, PresentedToken, TokenKind};
use crate::store::installation::setup_token_consume_in_tx;
use crate::store::requests::request_delete_before_in_tx;
use crate::store::users::{self, ApiTokenRow};
use crate::store::{StoreError, Tx};

/// How long a sign-in lasts.
const LOGIN_LIFE: TimeDelta = TimeDelta::days(30);
/// How long a repeated request is known.
const REQUEST_MEMORY: TimeDelta = TimeDelta::days(7);
/// The file with the setup token.
const SETUP_FILE: &str = "setup-token";

/// Who calls.
#[derive(Debug, Clone)]
pub struct Auth {
    context: Context,
    passwords: Passwords,
    tries: Arc<Mutex<Tries<String>>>,
    setup_file: Arc<Mutex<Option<PathBuf>>>,
}

impl Auth {
    /// Over that context.
    pub async fn start(context: Context) -> Result<Self, Error> {
        Ok(Self {
            context,
            passwords: Passwords::new().await?,
            tries: Arc::new(Mutex::new(Tries::new(Tolerance::ACCOUNT))),
            setup_file: Arc::default(),
        })
    }

    /// Leaves the setup token in a file of mode 0600 in `directory` while there is no user. Gives the file's path to print;
    /// never log what is in it.
    pub async fn provide_setup_token(&self, directory: &Path) -> Result<Option<PathBuf>, Error> {
        let path = directory.join(SETUP_FILE);
        if users::user_any(&self.context.store).await? {
            std::fs::remove_file(&path).ok();
            return Ok(None);
        }
        let text = format!("{}\n", self.context.installation.setup_token());
        write_private(&path, text.as_bytes())
            .map_err(|error| Error::Internal(format!("writing {}: {error}", path.display())))?;
        *lock(&self.setup_file) = Some(path.clone());
        Ok(Some(path))
    }

    /// Whether there is no user yet.
    pub async fn wants_setup(&self) -> Result<bool, Error> {
        Ok(!users::user_any(&self.context.store).await?)
    }

    /// Makes the first administrator. Works once.
    pub async fn setup(
        &self,
        setup_token: &Secret,
        username: &str,
        password: Secret,
    ) -> Result<Login, Error> {
        let mut checks = Checks::new();
        checks.take(check_username("username", username));
        checks.take(check_new_password("password", &password));
        checks.finish()?;
        let presented = setup_token.expose().trim().as_bytes();
        if !token::equal(presented, self.context.installation.setup_token().as_bytes()) {
            return Err(wrong_setup_token());
        }
        let user = User {
            id: UserId::new(),
            username: username.to_owned(),
            created_at: self.context.now(),
        };
        let hash = self.passwords.hash(password).await?;
        let tx = self.context.store.begin().await?;
        if !setup_token_consume_in_tx(&tx, &token::sha256(presented)).await? {
            return Err(wrong_setup_token());
        }
        users::user_insert_in_tx(&tx, &user, hash).await?;
        let login = self.sign_in_in_tx(&tx, user).await?;
        tx.commit().await?;
        if let Some(path) = lock(&self.setup_file).take() {
            std::fs::remove_file(path).ok();
        }
        Ok(login)
    }

    /// Proves a user's password and makes an API token. Each account may be tried only so often.
    pub async fn login(&self, username: &str, password: Secret) -> Result<Login, Error> {
        text::bounded("username", username, text::MAX_TEXT)?;
        text::bounded("password", password.expose(), text::MAX_LONG_TEXT)?;
        let account = username.to_owned();
        if let Some(wait) = lock(&self.tries).wait(&account, self.context.now()) {
            return Err(Error::Throttled { wait });
        }
        let (user, hash) = users::user_by_name(&self.context.store, username).await?.unzip();
        let right = self.passwords.verify(password, hash).await?;
        let Some(user) = user.filter(|_| right) else {
            lock(&self.tries).fail(account, self.context.now());
            return Err(Error::unauthenticated(
                "WRONG_CREDENTIALS",
                "wrong user name or password",
            ));
        };
        lock(&self.tries).succeed(&account);
        let tx = self.context.store.begin().await?;
        let login = self.sign_in_in_tx(&tx, user).await?;
        tx.commit().await?;
        Ok(login)
    }

    /// Who holds this bearer token.
    pub async fn verify_bearer(&self, token: &Secret) -> Result<Caller, Error> {
        let Some(presented) = PresentedToken::parse(TokenKind::Api, token) else {
            return Err(bad_token());
        };
        let id = ApiTokenId::from_uuid(presented.id);
        let found = users::api_token_get(&self.context.store, id).await?;
        match found {
            Some((row, user))
                if presented.matches(&row.secret_sha256) && row.expires_at > self.context.now() =>
            {
                Ok(Caller { user, token: id })
            }
            Some(_) | None => Err(bad_token()),
        }
    }

    /// Ends the token that the call is made with.
    pub async fn logout(&self, caller: &Caller) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        users::api_token_delete_in_tx(&tx, caller.token).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Forgets tokens, repeated requests and failed tries whose time is over. Gives the number of rows.
    pub async fn forget_expired(&self) -> Result<u64, Error> {
        let now = self.context.now();
        lock(&self.tries).forget(now);
        let tx = self.context.store.begin().await?;
        let tokens = users::api_token_delete_expired_in_tx(&tx, now).await?;
        let requests = request_delete_before_in_tx(&tx, now - REQUEST_MEMORY).await?;
        tx.commit().await?;
        Ok(tokens + requests)
    }

    async fn sign_in_in_tx(&self, tx: &Tx, user: User) -> Result<Login, Error> {
        let (id, now) = (ApiTokenId::new(), self.context.now());
        let token = NewToken::generate(TokenKind::Api, id.as_uuid())?;
        let row = ApiTokenRow {
            id,
            user: user.id,
            secret_sha256: token.sha256.to_vec(),
            created_at: now,
            expires_at: now + LOGIN_LIFE,
        };
        match users::api_token_insert_in_tx(tx, &row).await {
            Ok(()) => Ok(Login {
                user,
                api_token: token.text,
                expires_at: row.expires_at,
            }),
            // The user was deleted in the meantime.
            Err(StoreError::Referenced(_)) => Err(bad_token()),
            Err(error) => Err(error.into()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wrong_setup_token() -> Error {
    Error::unauthenticated(
        "WRONG_SETUP_TOKEN",
        "this is not the setup token, or the first administrator has been made already",
    )
}

fn bad_token() -> Error {
    Error::unauthenticated(
        "BAD_TOKEN",
        "the token is unknown, has ended or is none of ours: sign in again",
    )
}

/// Writes a file that only its owner reads. What lies there is replaced, never followed.
fn write_private(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(contents)?;
    file.sync_all()
}
