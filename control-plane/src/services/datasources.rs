//! Datasources.

use super::{Context, Error};
use crate::domain::datasource::{Datasource, DatasourceChange, NewDatasource};
use crate::domain::page::{Page, PageRequest};
use crate::domain::reference::Reference;
use dataguardian_core::ids::DatasourceId;
use dataguardian_core::target::ConnectionTarget;

/// Datasources.
#[derive(Debug, Clone)]
pub struct Datasources {
    context: Context,
}

impl Datasources {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Makes a datasource.
    pub async fn create(&self, new: NewDatasource) -> Result<Datasource, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Checks everything that `create` would, and changes nothing.
    pub async fn validate(&self, new: NewDatasource) -> Result<Datasource, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// One datasource.
    pub async fn get(&self, datasource: &Reference<DatasourceId>) -> Result<Datasource, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Datasources in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Datasource>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Changes a datasource.
    pub async fn update(
        &self,
        datasource: &Reference<DatasourceId>,
        change: DatasourceChange,
    ) -> Result<Datasource, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Deletes a datasource that no job, backup or unfinished execution belongs to.
    pub async fn delete(&self, datasource: &Reference<DatasourceId>) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Everything that its agent needs to connect, the password included.
    pub async fn target(&self, datasource: DatasourceId) -> Result<ConnectionTarget, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
