//! Payloads: what is signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use dataguardian_core::engine::Engine as DatabaseEngine;
use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId, JobId};
use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::wire;
use crate::compress::Decompressor;
use crate::format::{FORMAT_VERSION, SALT_LEN};
use crate::id::{KeyId, ListId, PackId};
use crate::keys::{Protection, random};
use crate::seal::{DoesNotOpen, KeyError, ONLY, ObjectCipher, SealError};

/// The largest contents that are read, in bytes before compression.
const MAX_CONTENTS_LEN: usize = 512 << 20;

/// The clear part of a payload: enough to check presence and to collect garbage without any key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outline {
    /// The format's version.
    pub format: u8,
    /// The version of DataGuardian that made the backup.
    pub product: String,
    /// Of what.
    pub datasource: DatasourceId,
    /// The backup.
    pub backup: BackupId,
    /// The execution that made it.
    pub execution: ExecutionId,
    /// The job it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// The kind of server.
    pub engine: DatabaseEngine,
    /// When the snapshot was taken, by the database server's clock.
    pub started_at: DateTime<Utc>,
    /// When the last stream ended, by the database server's clock.
    pub finished_at: DateTime<Utc>,
    /// How the backup is encrypted; none if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Every pack that a list or a stream's tail refers to, each once.
    pub packs: Vec<StoredObject<PackId>>,
    /// Every list that a stream refers to, each once.
    pub lists: Vec<StoredObject<ListId>>,
}

/// How a backup is encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// `AES-256-GCM`.
    pub cipher: String,
    /// The data keys that open it, the one that sealed the manifest first.
    pub keys: Vec<KeyId>,
}

/// An object with its size as stored, in bytes. In JSON: `["<id>", <size>]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(Id, u64)", into = "(Id, u64)")]
#[serde(bound(serialize = "Id: Serialize + Clone", deserialize = "Id: Deserialize<'de>"))]
pub struct StoredObject<Id> {
    /// Its name.
    pub id: Id,
    /// Its size in bytes.
    pub size: u64,
}

impl<Id> From<(Id, u64)> for StoredObject<Id> {
    fn from((id, size): (Id, u64)) -> Self {
        Self { id, size }
    }
}

impl<Id> From<StoredObject<Id>> for (Id, u64) {
    fn from(object: StoredObject<Id>) -> Self {
        (object.id, object.size)
    }
}

/// A payload that can't be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not the JSON it should be.
    #[error("its payload is not as it should be")]
    Json(#[from] serde_json::Error),
    /// A newer version's.
    #[error("it has format version {0}; this program reads up to {FORMAT_VERSION}: use a newer one")]
    NewerVersion(u64),
    /// A stream refers to something that the outline does not name.
    #[error("it refers to {0}, which it does not name among its packs and lists")]
    Dangling(String),
    /// The outline names something twice.
    #[error("it names {0} twice")]
    Twice(String),
    /// It can't be opened with the keys at hand.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The contents do not open.
    #[error("its contents do not open")]
    DoesNotOpen(#[from] DoesNotOpen),
    /// The contents could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The contents could not be compressed or decompressed.
    #[error("its contents do not decompress")]
    Zstd(#[source] std::io::Error),
    /// The outline says one thing of the encryption, the contents another.
    #[error("it contradicts itself about its encryption")]
    Encryption,
}

/// A payload, open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The clear part.
    pub outline: Outline,
    /// The part that is sealed where backups are encrypted.
    pub contents: Contents,
}

/// The payload's JSON: the outline's fields, and the contents last.
#[derive(Serialize, Deserialize)]
struct Encoded {
    #[serde(flatten)]
    outline: Outline,
    contents: EncodedContents,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EncodedContents {
    Plain(Box<wire::Contents>),
    Sealed(Sealed),
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    key: KeyId,
    salt: String,
    /// AES-256-GCM over a zstd frame over JSON, in base64.
    data: String,
}

impl Outline {
    /// Reads the clear part of a payload, which needs no key.
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        check_version(payload)?;
        let outline: Self = serde_json::from_slice(payload)?;
        outline.check()?;
        Ok(outline)
    }

    fn check(&self) -> Result<(), PayloadError> {
        let (packs, lists) = (wire::Table::of(&self.packs), wire::Table::of(&self.lists));
        if let Some(id) = packs.twice {
            return Err(PayloadError::Twice(format!("pack {id}")));
        }
        if let Some(id) = lists.twice {
            return Err(PayloadError::Twice(format!("list {id}")));
        }
        Ok(())
    }

    fn associated(&self) -> [u8; 33] {
        let mut bytes = [FORMAT_VERSION; 33];
        bytes[1..17].copy_from_slice(self.datasource.as_bytes());
        bytes[17..].copy_from_slice(self.backup.as_bytes());
        bytes
    }
}

impl Payload {
    /// The payload's bytes, to be signed and stored as they are.
    ///
    /// # Errors
    /// [`PayloadError::Dangling`] if a stream refers to a pack or list that the outline lacks, [`PayloadError::Twice`] if the
    /// outline has one twice, [`PayloadError::Encryption`] if the outline's encryption is not that of `protection`.
    pub fn encode(&self, protection: &Protection) -> Result<Vec<u8>, PayloadError> {
        let salt = random().map_err(SealError::from)?;
        self.encode_with_salt(protection, salt)
    }

    /// For golden vectors only: a salt must never be used twice.
    pub(crate) fn encode_with_salt(
        &self,
        protection: &Protection,
        salt: [u8; SALT_LEN],
    ) -> Result<Vec<u8>, PayloadError> {
        self.outline.check()?;
        let sealed_with = self
            .outline
            .encryption
            .as_ref()
            .and_then(|encryption| encryption.keys.first());
        if sealed_with.copied() != protection.key_id() {
            return Err(PayloadError::Encryption);
        }
        let contents = wire::Contents::encode(&self.contents, &self.outline)?;
        let contents = match protection {
            Protection::Plain => EncodedContents::Plain(Box::new(contents)),
            Protection::Encrypted(keys) => {
                let json = serde_json::to_vec(&contents)?;
                let mut data = zstd::bulk::compress(&json, 9).map_err(PayloadError::Zstd)?;
                let cipher = ObjectCipher::new(&keys.current().object_key(&salt, b"manifest"))?;
                cipher.seal(ONLY, &self.outline.associated(), &mut data, 0)?;
                EncodedContents::Sealed(Sealed {
                    key: keys.key_id(),
                    salt: hex::encode(salt),
                    data: BASE64.encode(data),
                })
            }
        };
        let outline = self.outline.clone();
        Ok(serde_json::to_vec(&Encoded { outline, contents })?)
    }

    /// Reads a payload whose signatures were checked.
    pub fn decode(payload: &[u8], protection: &Protection) -> Result<Self, PayloadError> {
        check_version(payload)?;
        let Encoded { outline, contents } = serde_json::from_slice(payload)?;
        outline.check()?;
        let contents = match (contents, protection) {
            (EncodedContents::Plain(contents), Protection::Plain) => *contents,
            (EncodedContents::Plain(_), Protection::Encrypted(_)) => return Err(KeyError::NotSealed.into()),
            (EncodedContents::Sealed(sealed), Protection::Plain) => {
                return Err(KeyError::Missing(sealed.key).into());
            }
            (EncodedContents::Sealed(sealed), Protection::Encrypted(keys)) => {
                let generation = keys.generation(sealed.key).ok_or(KeyError::Missing(sealed.key))?;
                let salt = hex::decode(&sealed.salt)
                    .ok()
                    .and_then(|salt| salt.try_into().ok());
                let cipher =
                    ObjectCipher::new(&generation.object_key(&salt.ok_or(DoesNotOpen)?, b"manifest"))?;
                let data = BASE64.decode(&sealed.data).map_err(|_| DoesNotOpen)?;
                let data = cipher.open(ONLY, &outline.associated(), &data)?;
                serde_json::from_slice(&decompress(&data).map_err(PayloadError::Zstd)?)?
            }
        };
        let contents = contents.decode(&outline)?;
        Ok(Self { outline, contents })
    }
}

/// Before all else, so that a newer payload is called newer and not broken.
fn check_version(payload: &[u8]) -> Result<(), PayloadError> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let Version { format } = serde_json::from_slice(payload)?;
    if format > u64::from(FORMAT_VERSION) {
        return Err(PayloadError::NewerVersion(format));
    }
    Ok(())
}

fn decompress(frame: &[u8]) -> std::io::Result<Vec<u8>> {
    let too_long = || std::io::Error::new(std::io::ErrorKind::InvalidData, "no usable content size");
    let len = zstd::zstd_safe::get_frame_content_size(frame)
        .ok()
        .flatten()
        .and_then(|len| usize::try_from(len).ok())
        .filter(|len| *len <= MAX_CONTENTS_LEN)
        .ok_or_else(too_long)?;
    Decompressor::new()?.decompress(frame, len)
}
