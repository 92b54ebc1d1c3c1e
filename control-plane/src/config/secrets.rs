//! The master key: what everything that is sealed in the metadata database depends on.

use std::path::{Path, PathBuf};

use dataguardian_core::secret::Secret;
use serde::{Deserialize, Deserializer};

use crate::secrets::master_key::MasterKeySource;

/// Settings of the master key. The key itself comes from `DATAGUARDIAN_MASTER_KEY`, from a file, or is made at the first
/// start; it is never in the configuration file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsConfig {
    /// A file with the key: 32 bytes in base64 or hexadecimal.
    pub master_key_file: Option<PathBuf>,
    /// The key, from the environment.
    #[serde(skip)]
    pub master_key: Option<Secret>,
}

impl SecretsConfig {
    /// Where the key comes from. One that is made stays in the data directory; further replicas have to be given it, and
    /// say so when they start without.
    pub fn source(&self, data_dir: &Path) -> MasterKeySource {
        MasterKeySource {
            environment: self.master_key.clone(),
            file: self.master_key_file.clone(),
            generated: Some(data_dir.join("master.key")),
        }
    }
}

/// A secret in the configuration file.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(Secret::new))
}
