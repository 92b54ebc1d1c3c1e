//! The queue: within the process, or through Redis where several replicas share it.

use std::path::PathBuf;

use dataguardian_core::secret::Secret;
use serde::Deserialize;

use super::InvalidSetting;
use crate::queue::redis::{RedisSettings, RedisSettingsError};

/// Settings of the queue.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// `redis://…`, or `rediss://…` with TLS; the queue stays in the process if absent. It may hold a password: it comes from
    /// the file or the environment.
    #[serde(deserialize_with = "super::secrets::secret")]
    pub redis_url: Option<Secret>,
    /// A file with the authority that Redis' certificate is of, PEM; those that browsers trust if absent.
    pub redis_ca: Option<PathBuf>,
}

impl QueueConfig {
    /// How Redis is reached, if it is to be used.
    pub fn redis(&self) -> Result<Option<RedisSettings>, RedisSettingsError> {
        let settings = |url| RedisSettings::new(url, self.redis_ca.as_deref());
        self.redis_url.as_ref().map(settings).transpose()
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let url = self.redis_url.as_ref();
        if let Some(Err(error)) = url.map(RedisSettings::check_url) {
            return Err(InvalidSetting::new("queue.redis_url", error.to_string()));
        }
        let secured = url.is_some_and(|url| url.expose().starts_with("rediss://"));
        if self.redis_ca.is_some() && !secured {
            let problem = "is of no use without a queue.redis_url that begins with rediss://";
            return Err(InvalidSetting::new("queue.redis_ca", problem));
        }
        Ok(())
    }
}
