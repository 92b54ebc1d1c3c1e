//! Storages in buckets: what is known of them openly, and the secrets apart from it.

use dataguardian_core::secret::Secret;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::storage::s3::{STALL, check_endpoint, server_of};
use serde::{Deserialize, Serialize};

use crate::domain::field::Checks;
use crate::domain::text;

/// A chain of authorities and more.
const MAX_CA_PEM: usize = 128 << 10;
/// The longest name of a bucket, a region, a key.
const MAX_NAME: usize = 255;

/// Where a bucket is, and which keys open it. No secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct S3Bucket {
    /// The server's address with its scheme; empty for Amazon's own.
    pub endpoint: String,
    /// The region; empty for the default one.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The folder in it; empty for none.
    pub prefix: String,
    /// Whether the bucket's name is in the path.
    pub path_style: bool,
    /// Whether data may go unencrypted over a network.
    pub allow_http: bool,
    /// The only authorities to trust, as PEM; empty for the public ones.
    pub ca_pem: String,
    /// The agents' key.
    pub access_key_id: String,
    /// The control plane's own key, which may delete; empty for none.
    pub delete_access_key_id: String,
}

/// The secrets of a bucket's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Secrets {
    /// Of the agents' key.
    pub secret: Secret,
    /// Of the control plane's own.
    pub delete: Option<Secret>,
}

/// The same, sealed for their row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedSecrets {
    /// Of the agents' key.
    pub secret: Option<Vec<u8>>,
    /// Of the control plane's own.
    pub delete: Option<Vec<u8>>,
}

/// A change of a bucket's keys and address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Change {
    /// Another key for the agents.
    pub key: Option<(String, Secret)>,
    /// Another key for cleaning up, or none.
    pub delete_key: Option<Option<(String, Secret)>>,
    /// Another address.
    pub endpoint: Option<String>,
    /// Other authorities.
    pub ca_pem: Option<String>,
}

impl S3Change {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bucket as it is afterwards.
    pub fn apply(&self, bucket: &S3Bucket) -> S3Bucket {
        let mut after = bucket.clone();
        if let Some((id, _)) = &self.key {
            after.access_key_id.clone_from(id);
        }
        if let Some(key) = &self.delete_key {
            after.delete_access_key_id = key.as_ref().map_or_else(String::new, |(id, _)| id.clone());
        }
        if let Some(endpoint) = &self.endpoint {
            after.endpoint.clone_from(endpoint);
        }
        if let Some(ca_pem) = &self.ca_pem {
            after.ca_pem.clone_from(ca_pem);
        }
        after
    }
}

impl S3Bucket {
    /// Checks everything that can be checked without asking the server.
    pub fn check(&self, checks: &mut Checks) {
        checks.take(text::required("s3.bucket", &self.bucket, MAX_NAME));
        checks.take(text::required("s3.access_key_id", &self.access_key_id, MAX_NAME));
        checks.take(text::bounded("s3.region", &self.region, MAX_NAME));
        checks.take(text::bounded("s3.endpoint", &self.endpoint, MAX_NAME));
        checks.take(text::bounded("s3.prefix", &self.prefix, MAX_NAME));
        checks.take(text::bounded(
            "s3.delete_access_key_id",
            &self.delete_access_key_id,
            MAX_NAME,
        ));
        let plain = |text: &str| {
            text.chars()
                .all(|character| character.is_ascii_alphanumeric() || "-_.".contains(character))
        };
        checks.require(
            plain(&self.bucket),
            "s3.bucket",
            "must be letters, digits, dots and hyphens",
        );
        let sound = self.prefix.is_empty()
            || self
                .prefix
                .split('/')
                .all(|part| !part.is_empty() && part != "." && part != ".." && plain(part));
        checks.require(
            sound,
            "s3.prefix",
            "must be folders of letters, digits, dots, hyphens and underscores, without a slash at either end",
        );
        checks.require(
            self.delete_access_key_id.is_empty() || self.delete_access_key_id != self.access_key_id,
            "s3.delete_access_key_id",
            "must be another key than the agents': an agent that may delete can destroy backups",
        );
        if let Err(error) = check_endpoint(&self.endpoint, self.allow_http) {
            checks.require(false, "s3.endpoint", &error.to_string());
        } else if self.ca_pem.len() > MAX_CA_PEM {
            checks.require(false, "s3.ca_pem", "must be at most 128 KiB long");
        } else if let Err(error) = self.settings(Secret::new("")).check() {
            checks.require(false, "s3.ca_pem", &error.to_string());
        }
    }

    /// Whether it is the same bucket of the same server, as both are written.
    pub fn shares_bucket_with(&self, other: &Self) -> bool {
        self.bucket == other.bucket && server_of(&self.endpoint) == server_of(&other.endpoint)
    }

    /// How it is reached with the agents' key.
    pub fn settings(&self, secret: Secret) -> S3Settings {
        S3Settings {
            bucket: self.bucket.clone(),
            prefix: self.prefix.clone(),
            region: self.region.clone(),
            endpoint: self.endpoint.clone(),
            path_style: self.path_style,
            ca_pem: self.ca_pem.clone(),
            allow_http: self.allow_http,
            access_key_id: self.access_key_id.clone(),
            secret_access_key: secret,
            stall: STALL,
        }
    }

    /// How it is reached with the control plane's own key.
    pub fn settings_for_deleting(&self, secret: Secret) -> S3Settings {
        S3Settings {
            access_key_id: self.delete_access_key_id.clone(),
            ..self.settings(secret)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(change: impl FnOnce(&mut S3Bucket)) -> Vec<String> {
        let mut bucket = S3Bucket {
            bucket: "backups".to_owned(),
            prefix: "a/b-1".to_owned(),
            access_key_id: "key".to_owned(),
            ..S3Bucket::default()
        };
        change(&mut bucket);
        let mut checks = Checks::new();
        bucket.check(&mut checks);
        let found = checks.finish().err().unwrap_or_default();
        found.into_iter().map(|bad| bad.field).collect()
    }

    #[test]
    fn what_no_server_could_take_is_refused_first() {
        assert!(problems(|_| {}).is_empty());
        assert_eq!(problems(|bucket| bucket.bucket = "a/b".to_owned()), ["s3.bucket"]);
        for prefix in ["/a", "a/", "a//b", "../a", "a b"] {
            assert_eq!(
                problems(|bucket| bucket.prefix = prefix.to_owned()),
                ["s3.prefix"],
                "{prefix}"
            );
        }
        let remote = "http://10.0.0.1:9000".to_owned();
        assert_eq!(problems(|bucket| bucket.endpoint = remote), ["s3.endpoint"]);
        assert_eq!(
            problems(|bucket| bucket.ca_pem = "none".to_owned()),
            ["s3.ca_pem"]
        );
        let same = "key".to_owned();
        assert_eq!(
            problems(|bucket| bucket.delete_access_key_id = same),
            ["s3.delete_access_key_id"]
        );
    }
}
