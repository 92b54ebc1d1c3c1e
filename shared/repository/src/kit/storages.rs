//! Storages in a recovery kit: where the buckets are, and what reads them.
//!
//! Local storages are not in it: their folders lie on hosts that may be gone, and a disk that was saved is found by hand.

use std::fmt;

use dataguardian_core::secret::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::storage::s3::S3Settings;

/// Whether a kit holds the keys of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credentials {
    /// They are in it: nothing but the kit is needed.
    Included,
    /// It says where the buckets are, and whoever uses it has the keys from somewhere else.
    LeftOut,
}

/// A storage as it was when the kit was made.
#[derive(Clone, Serialize, Deserialize)]
pub struct KitStorage {
    name: String,
    /// Absent for a kind of storage that a later release knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    s3: Option<KitBucket>,
}

/// A bucket. What a storage has not is left out.
#[derive(Clone, Serialize, Deserialize)]
struct KitBucket {
    bucket: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    prefix: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    endpoint: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    region: String,
    #[serde(default)]
    path_style: bool,
    #[serde(default)]
    allow_http: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    ca_pem: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<KitCredentials>,
}

/// The key that reads a bucket.
#[derive(Clone, Serialize, Deserialize)]
struct KitCredentials {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
}

impl KitStorage {
    /// A storage that is reached so.
    pub fn in_bucket(name: impl Into<String>, settings: &S3Settings, credentials: Credentials) -> Self {
        let credentials = match credentials {
            Credentials::LeftOut => None,
            Credentials::Included => Some(KitCredentials {
                access_key_id: settings.access_key_id.clone(),
                secret_access_key: Zeroizing::new(settings.secret_access_key.expose().to_owned()),
            }),
        };
        Self {
            name: name.into(),
            s3: Some(KitBucket {
                bucket: settings.bucket.clone(),
                prefix: settings.prefix.clone(),
                endpoint: settings.endpoint.clone(),
                region: settings.region.clone(),
                path_style: settings.path_style,
                allow_http: settings.allow_http,
                ca_pem: settings.ca_pem.clone(),
                credentials,
            }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How its bucket is reached: without a key if the kit has none. None if it is of a kind that this release does not know.
    pub fn bucket(&self) -> Option<S3Settings> {
        let bucket = self.s3.as_ref()?;
        let mut settings = S3Settings {
            endpoint: bucket.endpoint.clone(),
            region: bucket.region.clone(),
            path_style: bucket.path_style,
            allow_http: bucket.allow_http,
            ca_pem: bucket.ca_pem.clone(),
            ..S3Settings::of(&bucket.bucket, &bucket.prefix)
        };
        if let Some(credentials) = &bucket.credentials {
            settings.access_key_id.clone_from(&credentials.access_key_id);
            settings.secret_access_key = Secret::new(credentials.secret_access_key.as_str());
        }
        Some(settings)
    }
}

impl fmt::Display for KitStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bucket() {
            Some(bucket) => write!(f, "{} ({bucket})", self.name),
            None => write!(f, "{} (of a kind that this release does not know)", self.name),
        }
    }
}

impl fmt::Debug for KitStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KitStorage({self})")
    }
}
