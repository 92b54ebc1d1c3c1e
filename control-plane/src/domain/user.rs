//! Users and their API tokens.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::UserId;
use dataguardian_core::secret::Secret;

use super::access::Rights;
use super::audit::FailedSignIns;
use super::field::BadField;
use super::session::Credential;
use super::text;

/// The shortest password, in characters.
pub const MIN_PASSWORD_CHARACTERS: usize = 12;

/// A person or program that may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The name it signs in with.
    pub username: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Whether its password counts only together with a code of an authenticator app.
    pub has_totp: bool,
    /// Since when it is locked out.
    pub locked_at: Option<DateTime<Utc>>,
}

/// A user, named one way or the other. A name never looks like an id: see [`check_username`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserReference {
    /// By id.
    Id(UserId),
    /// By the name it signs in with.
    Name(String),
}

impl UserReference {
    /// Reads what the caller wrote into `field`.
    pub fn parse(field: &str, text: &str) -> Result<Self, BadField> {
        text::required(field, text, text::MAX_TEXT)?;
        Ok(text
            .parse()
            .map_or_else(|_| Self::Name(text.to_owned()), Self::Id))
    }
}

impl std::fmt::Display for UserReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// Who makes a call, proven by a token or a cookie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: User,
    /// What proves it.
    pub credential: Credential,
    /// When that ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// What it may do.
    pub rights: Rights,
}

/// A fresh sign-in. Its secret is shown this once.
#[derive(Debug)]
pub struct Login {
    /// Who signed in.
    pub user: User,
    /// The API token, or the cookie's value.
    pub secret: Secret,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// Tries that failed since the last one that did not.
    pub failed: Option<FailedSignIns>,
}

/// Checks a name to sign in with: 1 to 63 bytes, printable, no space at either end, not like an id.
pub fn check_username(field: &str, username: &str) -> Result<(), BadField> {
    text::required(field, username, 63)?;
    if username.trim() != username || username.chars().any(char::is_control) {
        return Err(BadField::new(
            field,
            "must not begin or end with a space or hold control characters",
        ));
    }
    if username.parse::<UserId>().is_ok() {
        return Err(BadField::new(field, "must not look like an id"));
    }
    Ok(())
}

/// Checks a new password: at least [`MIN_PASSWORD_CHARACTERS`] characters, at most 4096 bytes.
pub fn check_new_password(field: &str, password: &Secret) -> Result<(), BadField> {
    text::bounded(field, password.expose(), text::MAX_LONG_TEXT)?;
    if password.expose().chars().count() < MIN_PASSWORD_CHARACTERS {
        return Err(BadField::new(
            field,
            format!("must have at least {MIN_PASSWORD_CHARACTERS} characters"),
        ));
    }
    Ok(())
}
