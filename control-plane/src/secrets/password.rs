//! Passwords: Argon2id (RFC 9106), off the runtime, and only so many at a time, since each takes 19 MiB.

use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use dataguardian_core::secret::Secret;
use tokio::sync::Semaphore;

use super::SecretsError;

/// So many hashes are computed at the same time.
const AT_ONCE: usize = 2;

/// Hashes and verifies passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    /// Verified where there is no such user, so that the answer takes as long.
    decoy: Arc<str>,
}

impl Passwords {
    /// Ready to hash.
    pub async fn new() -> Result<Self, SecretsError> {
        let decoy = off_runtime(|| hash(&Secret::new("no user has this password"))).await?;
        Ok(Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            decoy: decoy.into(),
        })
    }

    /// The hash to store, in PHC format.
    pub async fn hash(&self, password: Secret) -> Result<String, SecretsError> {
        let _permit = self.permits.acquire().await;
        off_runtime(move || hash(&password)).await
    }

    /// Whether the password has this hash. With no hash it takes as long and the answer is no.
    pub async fn verify(&self, password: Secret, stored: Option<String>) -> Result<bool, SecretsError> {
        let _permit = self.permits.acquire().await;
        let (known, stored) = (stored.is_some(), stored.unwrap_or_else(|| self.decoy.to_string()));
        let matches = off_runtime(move || verify(&password, &stored)).await?;
        Ok(known && matches)
    }
}

fn hash(password: &Secret) -> Result<String, SecretsError> {
    Argon2::default()
        .hash_password(password.expose().as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|error| SecretsError::PasswordHash(error.to_string()))
}

fn verify(password: &Secret, stored: &str) -> Result<bool, SecretsError> {
    let stored = PasswordHash::new(stored).map_err(|error| SecretsError::PasswordHash(error.to_string()))?;
    Ok(Argon2::default()
        .verify_password(password.expose().as_bytes(), &stored)
        .is_ok())
}

async fn off_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SecretsError> + Send + 'static,
) -> Result<T, SecretsError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| SecretsError::PasswordHash(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_verified_against_its_hash() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash(Secret::new("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        let verify =
            |text: &str, hash: Option<&str>| passwords.verify(Secret::new(text), hash.map(ToOwned::to_owned));
        assert!(verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!verify("wrong horse", Some(&hash)).await.unwrap());
        assert!(!verify("no user has this password", None).await.unwrap());
        assert!(verify("x", Some("nonsense")).await.is_err());
    }
}
