//! Tokens: an id to find them by and 256 random bits to prove them by. Only the SHA-256 of the bits is stored.
//!
//! `dg_<id>_<secret>` for API tokens, `dgs_…` for cookies of browsers, `dgjoin_…` for join tokens; id and secret in lower-case hexadecimal. A
//! plain hash is enough here: nobody can guess 256 random bits, however quickly they can be tried.

use dataguardian_core::secret::Secret;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::SecretsError;

/// What a token is for: its first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Calls of the API.
    Api,
    /// A browser's cookie.
    Session,
    /// Enrolling one agent.
    Join,
}

impl TokenKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Api => "dg",
            Self::Session => "dgs",
            Self::Join => "dgjoin",
        }
    }
}

/// A new token.
#[derive(Debug)]
pub struct NewToken {
    /// The token itself, to be shown once.
    pub text: Secret,
    /// What to store of it.
    pub sha256: [u8; 32],
}

/// A token as somebody presents it, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PresentedToken {
    /// Which token it claims to be.
    pub id: Uuid,
    sha256: [u8; 32],
}

impl NewToken {
    /// A token with that id.
    pub fn generate(kind: TokenKind, id: &Uuid) -> Result<Self, SecretsError> {
        let mut secret = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(secret.as_mut())
            .map_err(|_| SecretsError::NoRandomness)?;
        let text = Zeroizing::new(hex::encode(secret.as_slice()));
        Ok(Self {
            text: Secret::new(format!("{}_{}_{}", kind.prefix(), id.simple(), text.as_str())),
            sha256: sha256(secret.as_ref()),
        })
    }
}

impl PresentedToken {
    /// Takes a text apart; none if it can't be a token of that kind.
    pub fn parse(kind: TokenKind, text: &Secret) -> Option<Self> {
        let rest = text.expose().strip_prefix(kind.prefix())?.strip_prefix('_')?;
        let (id, secret) = rest.split_once('_')?;
        if id.len() != 32 || secret.len() != 64 {
            return None;
        }
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(secret, bytes.as_mut()).ok()?;
        Some(Self {
            id: Uuid::try_parse(id).ok()?,
            sha256: sha256(bytes.as_ref()),
        })
    }

    /// Whether it is the token of which that was stored; takes as long either way.
    pub fn matches(&self, stored: &[u8]) -> bool {
        equal(&self.sha256, stored)
    }
}

/// SHA-256 (FIPS 180-4).
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut output = [0; 32];
    output.copy_from_slice(digest(&SHA256, bytes).as_ref());
    output
}

/// Compares without telling by its time where the first difference is.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one
        .iter()
        .zip(other)
        .fold(0, |difference, (a, b)| std::hint::black_box(difference | (a ^ b)));
    one.len() == other.len() && difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_proves_itself_and_no_other() {
        let id = Uuid::now_v7();
        let token = NewToken::generate(TokenKind::Api, &id).unwrap();
        let presented = PresentedToken::parse(TokenKind::Api, &token.text).unwrap();
        assert_eq!(presented.id, id);
        assert!(presented.matches(&token.sha256));
        let other = NewToken::generate(TokenKind::Api, &id).unwrap();
        assert!(!presented.matches(&other.sha256));
        assert!(!presented.matches(&[]));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let token = NewToken::generate(TokenKind::Join, &Uuid::now_v7()).unwrap().text;
        assert!(PresentedToken::parse(TokenKind::Join, &token).is_some());
        assert!(PresentedToken::parse(TokenKind::Api, &token).is_none());
        for bad in ["", "dg_", "dg__", "dg_ä_ö", &"dg_".repeat(1000)] {
            assert!(
                PresentedToken::parse(TokenKind::Api, &Secret::new(bad)).is_none(),
                "{bad}"
            );
        }
    }
}
