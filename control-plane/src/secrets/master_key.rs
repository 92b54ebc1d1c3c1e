//! The master key: 256 bits that everything sealed in the database depends on.
//!
//! It comes from `DATAGUARDIAN_MASTER_KEY`, else from a configured file, else from `master.key` in the data directory, which
//! is made with mode 0600 at the first start. The database keeps the key's fingerprint, and a start with another key is
//! refused before anything is written.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dataguardian_core::secret::Secret;
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use zeroize::{Zeroize as _, Zeroizing};

use super::SecretsError;

/// Where the key may come from, the first that is given wins.
#[derive(Debug, Clone, Default)]
pub struct MasterKeySource {
    /// The value of `DATAGUARDIAN_MASTER_KEY`: 32 bytes in base64 or hexadecimal.
    pub environment: Option<Secret>,
    /// A configured file with the same.
    pub file: Option<PathBuf>,
    /// The file that is made at the first start when neither is given. None where the key must be given: several replicas
    /// can't each make their own.
    pub generated: Option<PathBuf>,
}

/// The master key. Wiped when dropped, never shown.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    origin: String,
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey")
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl MasterKeySource {
    /// Finds the key, or makes it. `expected` is the fingerprint that the database keeps: with one, no key is made, and
    /// another key is refused.
    pub fn load(&self, expected: Option<&str>) -> Result<MasterKey, SecretsError> {
        let key = match self.find()? {
            Some(key) => key,
            None => match (expected, &self.generated) {
                (Some(expected), _) => {
                    return Err(SecretsError::MissingKey {
                        expected: expected.to_owned(),
                    });
                }
                (None, Some(path)) => MasterKey::generate(path)?,
                (None, None) => return Err(SecretsError::NoKey),
            },
        };
        match expected {
            Some(expected) if key.fingerprint() != expected => Err(SecretsError::WrongKey {
                given: key.fingerprint(),
                expected: expected.to_owned(),
                origin: key.origin,
            }),
            Some(_) | None => Ok(key),
        }
    }

    fn find(&self) -> Result<Option<MasterKey>, SecretsError> {
        if let Some(text) = &self.environment {
            return MasterKey::parse(text.expose(), "DATAGUARDIAN_MASTER_KEY".to_owned()).map(Some);
        }
        if let Some(path) = &self.file {
            return MasterKey::read(path).map(Some);
        }
        match &self.generated {
            Some(path) if path.exists() => MasterKey::read(path).map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

impl MasterKey {
    /// A key of these 32 bytes.
    pub fn from_bytes(bytes: [u8; 32], origin: impl Into<String>) -> Self {
        Self {
            bytes: Zeroizing::new(bytes),
            origin: origin.into(),
        }
    }

    /// 32 bytes for one purpose, by HKDF-SHA256 (RFC 5869; one block, empty salt).
    pub fn derive(&self, purpose: &str) -> Zeroizing<[u8; 32]> {
        let extracted = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[]), self.bytes.as_ref());
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, extracted.as_ref()));
        context.update(b"dataguardian ");
        context.update(purpose.as_bytes());
        context.update(&[1]);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(context.sign().as_ref());
        key
    }

    /// Names the key and tells nothing of it: 16 hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        hex::encode(&self.derive("fingerprint")[..8])
    }

    fn parse(text: &str, origin: String) -> Result<Self, SecretsError> {
        let text = text.trim();
        let mut decoded = hex::decode(text)
            .ok()
            .filter(|bytes| bytes.len() == 32)
            .or_else(|| STANDARD.decode(text).ok())
            .unwrap_or_default();
        let bytes = <[u8; 32]>::try_from(decoded.as_slice());
        decoded.zeroize();
        match bytes {
            Ok(bytes) => Ok(Self::from_bytes(bytes, origin)),
            Err(_) => Err(SecretsError::MalformedKey { origin }),
        }
    }

    fn read(path: &Path) -> Result<Self, SecretsError> {
        let mut file = File::open(path).map_err(|source| failed(path, source))?;
        let mode = file
            .metadata()
            .map_err(|source| failed(path, source))?
            .permissions()
            .mode();
        if mode & 0o077 != 0 {
            return Err(SecretsError::FileMode {
                path: path.to_owned(),
            });
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text)
            .map_err(|source| failed(path, source))?;
        Self::parse(&text, path.display().to_string())
    }

    /// Writes a new key beside its place and links it there, so that the file is whole or not there, and a key that another
    /// process has just put there wins.
    fn generate(path: &Path) -> Result<Self, SecretsError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new()
            .fill(bytes.as_mut())
            .map_err(|_| SecretsError::NoRandomness)?;
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(bytes.as_slice())));
        write_new_private(path, text.as_bytes()).map_err(|source| failed(path, source))?;
        Self::read(path)
    }
}

fn failed(path: &Path, source: std::io::Error) -> SecretsError {
    SecretsError::File {
        path: path.to_owned(),
        source,
    }
}

/// Writes a file with mode 0600, durably, unless there is one already.
fn write_new_private(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let incoming = path.with_extension(format!("incoming-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&incoming)?;
    file.write_all(contents)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&incoming, path);
    std::fs::remove_file(&incoming)?;
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &Path) -> MasterKeySource {
        MasterKeySource {
            generated: Some(path.to_owned()),
            ..MasterKeySource::default()
        }
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let first = source(&path).load(None).unwrap().fingerprint();
        let again = source(&path).load(Some(&first)).unwrap().fingerprint();
        assert_eq!(first, again);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            source(&path).load(None),
            Err(SecretsError::FileMode { .. })
        ));
    }

    #[test]
    fn a_lost_key_is_not_replaced_and_a_wrong_one_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("master.key");
        let missing = source(&path).load(Some("0123456789abcdef"));
        assert!(matches!(missing, Err(SecretsError::MissingKey { .. })));
        assert!(!path.exists());
        source(&path).load(None).unwrap();
        let wrong = source(&path).load(Some("0123456789abcdef")).unwrap_err();
        assert!(wrong.to_string().contains("0123456789abcdef"), "{wrong}");
        assert!(matches!(
            MasterKeySource::default().load(None),
            Err(SecretsError::NoKey)
        ));
    }

    #[test]
    fn the_environment_wins_in_base64_or_hexadecimal() {
        let load = |text: String| {
            MasterKeySource {
                environment: Some(Secret::new(text)),
                ..MasterKeySource::default()
            }
            .load(None)
            .map(|key| key.fingerprint())
        };
        let hexadecimal = load(hex::encode([7; 32])).unwrap();
        assert_eq!(load(STANDARD.encode([7; 32])).unwrap(), hexadecimal);
        for bad in [String::new(), "abc".into(), hex::encode([7; 31])] {
            let error = load(bad).unwrap_err();
            assert!(matches!(error, SecretsError::MalformedKey { .. }));
        }
    }
}
