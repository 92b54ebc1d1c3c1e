//! Who calls: the first administrator, passwords and what is given for them: tokens for programs, cookies for browsers.
//!
//! What a call comes with is looked up each time, on every replica: a sign-in that is ended is ended at once.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use dataguardian_core::ids::UserId;
use dataguardian_core::secret::Secret;

use super::{Context, Error};
use crate::domain::field::Checks;
use crate::domain::text;
use crate::domain::throttle::{Tolerance, Tries};
use crate::domain::user::{Login, User, check_new_password, check_username};
use crate::secrets::password::Passwords;
use crate::secrets::token;
use crate::store::installation::setup_token_consume_in_tx;
use crate::store::requests::request_delete_before_in_tx;
use crate::store::role_bindings::{NewBinding, role_binding_insert_in_tx};
use crate::store::user_sessions::user_session_delete_over_in_tx;
use crate::store::users;

mod failures;
mod password;
mod sign_ins;
mod totp;

pub use sign_ins::Begin;
pub use totp::NewTotp;

/// How long a repeated request is known.
const REQUEST_MEMORY: TimeDelta = TimeDelta::days(7);
/// The file with the setup token.
const SETUP_FILE: &str = "setup-token";

/// How a password is tried.
struct Tried {
    /// From which address, if known.
    from: Option<String>,
    /// What is answered when it is wrong.
    wrong: fn() -> Error,
}

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
        begin: Begin,
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
            has_totp: false,
            locked_at: None,
        };
        let hash = self.passwords.hash(password).await?;
        let tx = self.context.store.begin().await?;
        if !setup_token_consume_in_tx(&tx, &token::sha256(presented)).await? {
            return Err(wrong_setup_token());
        }
        users::user_insert_in_tx(&tx, &user, hash).await?;
        role_binding_insert_in_tx(&tx, &NewBinding::administrator(user.id, user.created_at)).await?;
        let login = self.sign_in_in_tx(&tx, user, begin).await?;
        tx.commit().await?;
        if let Some(path) = lock(&self.setup_file).take() {
            std::fs::remove_file(path).ok();
        }
        Ok(login)
    }

    /// Proves a user's password, and with it the code of its authenticator app if it has one, and signs in. Each account may
    /// be tried only so often.
    pub async fn login(
        &self,
        username: &str,
        password: Secret,
        code: Secret,
        begin: Begin,
    ) -> Result<Login, Error> {
        text::bounded("username", username, text::MAX_TEXT)?;
        text::bounded("password", password.expose(), text::MAX_LONG_TEXT)?;
        text::bounded("totp_code", code.expose(), text::MAX_TEXT)?;
        let found = users::user_by_name(&self.context.store, username).await?;
        let from = begin.whence.address.clone();
        let user = self
            .prove(
                username,
                password,
                found,
                Tried {
                    from: from.clone(),
                    wrong: wrong_credentials,
                },
            )
            .await?;
        if user.locked_at.is_some() {
            return Err(locked());
        }
        let tx = self.context.store.begin().await?;
        if let Some(code) = totp::asked_code(&user, code)?
            && !self.use_code_in_tx(&tx, user.id, &code).await?
        {
            drop(tx);
            self.note_failure(username, from).await?;
            return Err(wrong_credentials());
        }
        lock(&self.tries).succeed(&username.to_owned());
        let failed = self.failed_sign_ins(username).await?;
        let login = self.sign_in_in_tx(&tx, user, begin).await?;
        tx.commit().await?;
        Ok(Login { failed, ..login })
    }

    /// Proves a password, with as much work for a user that is not there. A wrong one counts against the account; a right one
    /// forgets nothing yet, since there may be more to prove.
    async fn prove(
        &self,
        account: &str,
        password: Secret,
        found: Option<(User, String)>,
        tried: Tried,
    ) -> Result<User, Error> {
        let account = account.to_owned();
        if let Some(wait) = lock(&self.tries).wait(&account, self.context.now()) {
            return Err(Error::Throttled { wait });
        }
        let (user, hash) = found.unzip();
        let right = self.passwords.verify(password, hash).await?;
        match user.filter(|_| right) {
            Some(user) => Ok(user),
            None => {
                self.note_failure(&account, tried.from).await?;
                Err((tried.wrong)())
            }
        }
    }

    /// What hashes passwords.
    pub(super) fn passwords(&self) -> Passwords {
        self.passwords.clone()
    }

    /// Forgets sign-ins, repeated requests and failed tries whose time is over. Gives the number of rows.
    pub async fn forget_expired(&self) -> Result<u64, Error> {
        let now = self.context.now();
        lock(&self.tries).forget(now);
        let tx = self.context.store.begin().await?;
        let tokens = users::api_token_delete_expired_in_tx(&tx, now).await?;
        let idle_since = now - self.context.sessions.idle;
        let sessions = user_session_delete_over_in_tx(&tx, now, idle_since).await?;
        let requests = request_delete_before_in_tx(&tx, now - REQUEST_MEMORY).await?;
        tx.commit().await?;
        Ok(tokens + sessions + requests)
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

/// Told only to who knows the password.
fn locked() -> Error {
    Error::unauthenticated(
        "USER_LOCKED",
        "this user is locked out: an administrator lets it in again with `dgctl user unlock`",
    )
}

fn wrong_credentials() -> Error {
    Error::unauthenticated("WRONG_CREDENTIALS", "wrong user name, password or code")
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
