//! Who calls.

use super::{Context, Error};
use crate::domain::user::{Caller, Login};
use dataguardian_core::secret::Secret;
use std::path::{Path, PathBuf};

/// Who calls.
#[derive(Debug, Clone)]
pub struct Auth {
    context: Context,
}

impl Auth {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Leaves the setup token in a file of mode 0600 in `directory` while there is no user. Gives the file's path to print; never log what is in it.
    pub async fn provide_setup_token(&self, directory: &Path) -> Result<Option<PathBuf>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Makes the first administrator. Works once.
    pub async fn setup(
        &self,
        setup_token: &Secret,
        username: &str,
        password: Secret,
    ) -> Result<Login, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Proves a user's password and makes an API token.
    pub async fn login(&self, username: &str, password: Secret) -> Result<Login, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Who holds this bearer token.
    pub async fn verify_bearer(&self, token: &Secret) -> Result<Caller, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Ends the token that the call is made with.
    pub async fn logout(&self, caller: &Caller) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Deletes tokens and repeated-request marks whose time is over.
    pub async fn forget_expired(&self) -> Result<u64, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
