//! Sign-ins: how they begin, what they are good for and when they end.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{ApiTokenId, SessionId};

/// That a sign-in is used is written down at most so often.
pub const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// How long a sign-in of a browser lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPolicy {
    /// It ends when it was not used for this long.
    pub idle: TimeDelta,
    /// It ends after this time, however much it is used.
    pub longest: TimeDelta,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            idle: TimeDelta::hours(12),
            longest: TimeDelta::days(7),
        }
    }
}

impl SessionPolicy {
    /// Whether a sign-in with these times is good at `now`.
    pub fn is_good(
        &self,
        last_used_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> bool {
        now < expires_at && now - last_used_at < self.idle
    }
}

/// By what a caller proves a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// A bearer token.
    Token(ApiTokenId),
    /// A browser's cookie.
    Cookie(SessionId),
}

impl Credential {
    /// The sign-in behind it.
    pub const fn session(self) -> SessionId {
        match self {
            Self::Token(id) => SessionId::from_uuid(*id.as_uuid()),
            Self::Cookie(id) => id,
        }
    }
}

/// What a caller wants to be given for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A browser, with a cookie.
    Browser,
    /// A program, with a token.
    Program,
}

/// Where a sign-in comes from, as far as it can be known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Whence {
    /// The address.
    pub address: Option<String>,
    /// What the program or browser calls itself; it may say anything.
    pub user_agent: String,
}

/// One sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose kind it is.
    pub kind: SessionKind,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it was last used, give or take [`USE_NOTED_EVERY`].
    pub last_used_at: DateTime<Utc>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
    /// Where it began.
    pub whence: Whence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_ends_when_nobody_uses_it_and_after_its_longest_time() {
        let policy = SessionPolicy::default();
        let begun = DateTime::UNIX_EPOCH;
        let end = begun + policy.longest;
        let good = |used: TimeDelta, now: TimeDelta| policy.is_good(begun + used, end, begun + now);
        assert!(good(TimeDelta::zero(), TimeDelta::hours(11)));
        assert!(!good(TimeDelta::zero(), TimeDelta::hours(12)));
        assert!(good(TimeDelta::hours(11), TimeDelta::hours(22)));
        assert!(!good(TimeDelta::days(7), TimeDelta::days(7)));
    }
}
