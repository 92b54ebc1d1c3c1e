//! Keeping secrets: the master key, sealed values, passwords, tokens.
//!
//! What is secret comes into the database sealed under the master key ([`vault`]) or as a hash ([`password`], [`token`], recovery codes in [`totp`]).
//! The master key itself ([`master_key`]) never does: only its fingerprint, so that a wrong key is noticed at the start.

pub mod master_key;
pub mod password;
pub mod token;
pub mod totp;
pub mod vault;

use std::path::PathBuf;

/// Why a secret can't be made, sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The operating system gives no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    /// A key file can't be read or written.
    #[error("the key file {} can't be used", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key file that others can read.
    #[error("the key file {} can be read by others: chmod 600 it", path.display())]
    FileMode {
        /// Which.
        path: PathBuf,
    },
    /// The text is no key.
    #[error("the master key from {origin} is not 32 bytes in base64 or hexadecimal")]
    MalformedKey {
        /// Where it came from.
        origin: String,
    },
    /// The database was made under a key that is not there.
    #[error(
        "this database was made under a master key with fingerprint {expected}, and none is given: set \
         DATAGUARDIAN_MASTER_KEY, name its file, or put the file back"
    )]
    MissingKey {
        /// The key's fingerprint.
        expected: String,
    },
    /// No key is given, and none may be made.
    #[error(
        "no master key: set DATAGUARDIAN_MASTER_KEY to 32 random bytes in base64 (`openssl rand -base64 32`), the same for \
         every replica"
    )]
    NoKey,
    /// The database was made under another key.
    #[error(
        "the master key from {origin} (fingerprint {given}) is not the one that this database was made under (fingerprint \
         {expected}): start with the right key"
    )]
    WrongKey {
        /// Where the key came from.
        origin: String,
        /// The given key's fingerprint.
        given: String,
        /// The right key's fingerprint.
        expected: String,
    },
    /// A sealed value is damaged, or was moved to another place.
    #[error("the sealed value of {0} can't be opened: it is damaged, or the row was moved")]
    Unopenable(String),
    /// A value was sealed by a newer version.
    #[error("the sealed value of {0} was made by a newer version")]
    NewerVersion(String),
    /// A password can't be hashed.
    #[error("the password can't be hashed: {0}")]
    PasswordHash(String),
}
