//! The metadata database.

use std::path::Path;

use dataguardian_core::secret::Secret;
use serde::Deserialize;

use super::InvalidSetting;
use crate::store::StoreSettings;

/// Settings of the metadata database.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DatabaseConfig {
    /// `sqlite:PATH` or `postgres://…`; a SQLite file in the data directory if absent. It may hold a password: it comes
    /// from the file or the environment.
    #[serde(deserialize_with = "super::secrets::secret")]
    pub url: Option<Secret>,
}

impl DatabaseConfig {
    /// What the store needs to know.
    pub fn store(&self, data_dir: &Path) -> StoreSettings {
        match &self.url {
            Some(url) => StoreSettings::new(url.expose()),
            None => StoreSettings::in_directory(data_dir),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let known = |url: &Secret| {
            ["sqlite:", "postgres://", "postgresql://"]
                .iter()
                .any(|scheme| url.expose().starts_with(scheme))
        };
        match &self.url {
            Some(url) if !known(url) => Err(InvalidSetting::new(
                "database.url",
                "must begin with sqlite:, postgres:// or postgresql://",
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether a URL has a password in it: `scheme://user:password@host`, or `password=` among the parameters.
pub(super) fn has_password(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let (authority, parameters) = match rest.split_once('?') {
        Some((before, parameters)) => (before, parameters),
        None => (rest, ""),
    };
    let in_authority = authority.rsplit_once('@').is_some_and(|(user, _)| {
        user.split_once(':')
            .is_some_and(|(_, password)| !password.is_empty())
    });
    let in_parameters = parameters.split('&').any(|parameter| {
        parameter
            .split_once('=')
            .is_some_and(|(name, _)| name.eq_ignore_ascii_case("password"))
    });
    in_authority || in_parameters
}

#[cfg(test)]
mod tests {
    use super::has_password;

    #[test]
    fn passwords_in_urls_are_found() {
        for url in [
            "postgres://u:secret@h/d",
            "postgres://h/d?user=u&password=x",
            "postgres://u:p@@h/d",
        ] {
            assert!(has_password(url), "{url}");
        }
        for url in [
            "postgres://u@h:5432/d",
            "postgres://h/d",
            "sqlite:/var/lib/x.db",
            "postgres:///d?host=/run",
        ] {
            assert!(!has_password(url), "{url}");
        }
    }
}
