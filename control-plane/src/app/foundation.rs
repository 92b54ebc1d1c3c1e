//! What everything else stands on: the metadata database, and this installation's identity and keys.

use dataguardian_core::clock::SharedClock;
use dataguardian_migrations::{Migrator, MigratorTrait as _};

use super::StartError;
use crate::ca::{AuthorityError, AuthorityMaterial};
use crate::config::{Config, DataDir};
use crate::services::authorities::AuthorityKeys;
use crate::services::installation::Installation;
use crate::store::{Backend, Store, StoreError};
use crate::trust;

pub(super) struct Foundation {
    pub(super) store: Store,
    pub(super) installation: Installation,
}

impl Foundation {
    pub(super) async fn lay(
        config: &Config,
        data_dir: &DataDir,
        clock: &SharedClock,
    ) -> Result<Self, StartError> {
        let mut store = Store::open(&config.database.store(data_dir.path())).await?;
        store.lock(data_dir.path())?;
        prepare_schema(&store).await?;
        let source = config.secrets.source(data_dir.path());
        let installation =
            Installation::load_or_create(&store, &source, clock, || make_authority(clock)).await?;
        Ok(Self { store, installation })
    }
}

/// A database that is ours alone, or still empty, is made ready. One that several replicas use is not changed under their
/// feet: that is for `dataguardian migrate`.
async fn prepare_schema(store: &Store) -> Result<(), StoreError> {
    match (store.backend(), store.check_schema().await) {
        (_, Ok(())) => Ok(()),
        (Backend::Sqlite, Err(StoreError::OldSchema { .. })) => store.migrate().await,
        (Backend::Postgres, Err(StoreError::OldSchema { missing }))
            if missing == Migrator::migrations().len() =>
        {
            store.migrate().await
        }
        (Backend::Sqlite | Backend::Postgres, Err(error)) => Err(error),
    }
}

fn make_authority(clock: &SharedClock) -> Result<AuthorityKeys, AuthorityError> {
    trust::kept(AuthorityMaterial::generate(clock, None)?)
}
