//! Sign-ins: tokens of programs and cookies of browsers.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{ApiTokenId, SessionId, UserId};
use dataguardian_core::secret::Secret;

use crate::domain::access::Rights;
use crate::domain::session::{Credential, Session, SessionKind, USE_NOTED_EVERY, Whence};
use crate::domain::text;
use crate::domain::user::{Caller, Login, User};
use crate::secrets::token::{NewToken, PresentedToken, TokenKind};
use crate::services::auth::Auth;
use crate::services::{Error, Noun};
use crate::store::role_bindings::grants_of;
use crate::store::user_sessions::{self, UserSessionRow};
use crate::store::users::{self, ApiTokenRow};
use crate::store::{StoreError, Tx};

/// How long a program stays signed in.
const LOGIN_LIFE: TimeDelta = TimeDelta::days(30);

/// How a sign-in is to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begin {
    /// What is given for the password.
    pub kind: SessionKind,
    /// Who asks, as far as it can be known.
    pub whence: Whence,
}

impl Auth {
    /// Who holds this bearer token.
    pub async fn verify_bearer(&self, token: &Secret) -> Result<Caller, Error> {
        let presented = PresentedToken::parse(TokenKind::Api, token).ok_or_else(bad_token)?;
        let id = ApiTokenId::from_uuid(presented.id);
        let now = self.context.now();
        let found = users::api_token_get(&self.context.store, id).await?;
        let (row, user) = found
            .filter(|(row, _)| presented.matches(&row.secret_sha256))
            .filter(|(row, user)| now < row.expires_at && user.locked_at.is_none())
            .ok_or_else(bad_token)?;
        let caller = Caller {
            rights: self.rights(user.id, program(&row)).await?,
            user,
            credential: Credential::Token(id),
            expires_at: row.expires_at,
        };
        self.note_use(caller.credential, row.last_used_at).await;
        Ok(caller)
    }

    /// Who holds this cookie. Whether it comes from a page of ours is for the transport to see to.
    pub async fn verify_cookie(&self, cookie: &Secret) -> Result<Caller, Error> {
        let presented = PresentedToken::parse(TokenKind::Session, cookie).ok_or_else(bad_cookie)?;
        let id = SessionId::from_uuid(presented.id);
        let (policy, now) = (self.context.sessions, self.context.now());
        let good = |row: &UserSessionRow| {
            let session = &row.session;
            presented.matches(&row.secret_sha256)
                && policy.is_good(session.last_used_at, session.expires_at, now)
        };
        let found = user_sessions::user_session_get(&self.context.store, id).await?;
        let (row, user) = found
            .filter(|(row, user)| good(row) && user.locked_at.is_none())
            .ok_or_else(bad_cookie)?;
        let caller = Caller {
            rights: self.rights(user.id, None).await?,
            user,
            credential: Credential::Cookie(id),
            expires_at: row.session.expires_at,
        };
        self.note_use(caller.credential, Some(row.session.last_used_at))
            .await;
        Ok(caller)
    }

    /// What a user may do, or an API token of its.
    async fn rights(&self, user: UserId, token: Option<ApiTokenId>) -> Result<Rights, Error> {
        let (of_user, of_token) = grants_of(&self.context.store, user, token).await?;
        let rights = Rights::of_user(of_user);
        Ok(match token {
            Some(_) => rights.and(of_token),
            None => rights,
        })
    }

    /// What a caller may do by now, if he is still who he was when his call began: for calls that last.
    pub async fn still(&self, caller: &Caller) -> Result<Rights, Error> {
        let (store, now) = (&self.context.store, self.context.now());
        let (user, expires_at, token) = match caller.credential {
            Credential::Token(id) => {
                let (row, user) = users::api_token_get(store, id).await?.ok_or_else(bad_token)?;
                (user, row.expires_at, program(&row))
            }
            Credential::Cookie(id) => {
                let found = user_sessions::user_session_get(store, id).await?;
                let (row, user) = found.ok_or_else(bad_cookie)?;
                (user, row.session.expires_at, None)
            }
        };
        if now >= expires_at || user.locked_at.is_some() {
            return Err(bad_token());
        }
        self.rights(user.id, token).await
    }

    /// Ends the sign-in that the call is made with.
    pub async fn logout(&self, caller: &Caller) -> Result<(), Error> {
        self.end_session(caller, caller.credential.session()).await?;
        Ok(())
    }

    /// The caller's own sign-ins, the newest first.
    pub async fn list_sessions(&self, caller: &Caller) -> Result<Vec<Session>, Error> {
        let (store, user) = (&self.context.store, caller.user.id);
        let mut sessions = user_sessions::user_session_list_of(store, user).await?;
        let tokens = users::api_token_list_of(store, user).await?;
        let sign_ins = tokens.into_iter().filter(|token| token.name.is_none());
        sessions.extend(sign_ins.map(of_token));
        let (policy, now) = (self.context.sessions, self.context.now());
        sessions.retain(|session| match session.kind {
            SessionKind::Browser => policy.is_good(session.last_used_at, session.expires_at, now),
            SessionKind::Program => now < session.expires_at,
        });
        sessions.sort_by_key(|session| std::cmp::Reverse((session.created_at, session.id)));
        Ok(sessions)
    }

    /// Ends one of the caller's own sign-ins.
    pub async fn revoke_session(&self, caller: &Caller, id: SessionId) -> Result<(), Error> {
        if self.end_session(caller, id).await? {
            return Ok(());
        }
        Err(Error::not_found(Noun::Session, id.to_string()))
    }

    async fn end_session(&self, caller: &Caller, id: SessionId) -> Result<bool, Error> {
        let user = caller.user.id;
        let tx = self.context.store.begin().await?;
        let ended = user_sessions::user_session_delete_in_tx(&tx, user, id).await?
            || users::api_token_delete_in_tx(&tx, user, ApiTokenId::from_uuid(*id.as_uuid())).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Begins a sign-in.
    pub(super) async fn sign_in_in_tx(&self, tx: &Tx, user: User, begin: Begin) -> Result<Login, Error> {
        let now = self.context.now();
        let whence = Whence {
            user_agent: text::kept(&begin.whence.user_agent, text::MAX_TEXT),
            ..begin.whence
        };
        let (kind, life) = match begin.kind {
            SessionKind::Program => (TokenKind::Api, LOGIN_LIFE),
            SessionKind::Browser => (TokenKind::Session, self.context.sessions.longest),
        };
        let session = Session {
            id: SessionId::new(),
            kind: begin.kind,
            created_at: now,
            last_used_at: now,
            expires_at: now + life,
            whence,
        };
        let token = NewToken::generate(kind, session.id.as_uuid())?;
        let expires_at = session.expires_at;
        match insert_in_tx(tx, &user, session, &token).await {
            Ok(()) => Ok(Login {
                user,
                secret: token.text,
                expires_at,
                failed: None,
            }),
            // The user was deleted in the meantime.
            Err(StoreError::Referenced(_)) => Err(bad_token()),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that a sign-in is used. A call does not fail for it.
    async fn note_use(&self, credential: Credential, noted: Option<DateTime<Utc>>) {
        let now = self.context.now();
        let before = now - USE_NOTED_EVERY;
        if noted.is_some_and(|noted| noted > before) {
            return;
        }
        if let Err(error) = self.write_use(credential, now, before).await {
            tracing::debug!(%error, "the use of a sign-in could not be noted");
        }
    }

    async fn write_use(
        &self,
        credential: Credential,
        now: DateTime<Utc>,
        before: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let tx = self.context.store.begin().await?;
        match credential {
            Credential::Token(id) => users::api_token_note_use_in_tx(&tx, id, now, before).await?,
            Credential::Cookie(id) => {
                user_sessions::user_session_note_use_in_tx(&tx, id, now, before).await?;
            }
        }
        tx.commit().await
    }
}

async fn insert_in_tx(tx: &Tx, user: &User, session: Session, token: &NewToken) -> Result<(), StoreError> {
    let secret_sha256 = token.sha256.to_vec();
    match session.kind {
        SessionKind::Program => {
            let row = ApiTokenRow {
                id: ApiTokenId::from_uuid(*session.id.as_uuid()),
                user: user.id,
                secret_sha256,
                created_at: session.created_at,
                expires_at: session.expires_at,
                last_used_at: None,
                whence: session.whence,
                name: None,
            };
            users::api_token_insert_in_tx(tx, &row).await
        }
        SessionKind::Browser => {
            let row = UserSessionRow {
                user: user.id,
                secret_sha256,
                session,
            };
            user_sessions::user_session_insert_in_tx(tx, &row).await
        }
    }
}

/// The token's own id, if it was made for a program and has roles of its own.
fn program(row: &ApiTokenRow) -> Option<ApiTokenId> {
    row.name.is_some().then_some(row.id)
}

fn of_token(row: ApiTokenRow) -> Session {
    Session {
        id: Credential::Token(row.id).session(),
        kind: SessionKind::Program,
        created_at: row.created_at,
        last_used_at: row.last_used_at.unwrap_or(row.created_at),
        expires_at: row.expires_at,
        whence: row.whence,
    }
}

fn bad_token() -> Error {
    Error::unauthenticated(
        "BAD_TOKEN",
        "the token is unknown, has ended or is none of ours: sign in again",
    )
}

fn bad_cookie() -> Error {
    Error::unauthenticated("BAD_SESSION", "the sign-in has ended: sign in again")
}
