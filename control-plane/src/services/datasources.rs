//! Datasources.

use dataguardian_core::ids::DatasourceId;
use dataguardian_core::secret::Secret;
use dataguardian_core::target::ConnectionTarget;

use super::lookup::{self, Remembered, Request};
use super::{Changed, Context, Error, Noun};
use crate::domain::access::Within;
use crate::domain::datasource::{Datasource, DatasourceChange, NewDatasource};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::secrets::vault::Place;
use crate::store::datasources::{
    DatasourceUpdate, datasource_delete_in_tx, datasource_get, datasource_insert_in_tx, datasource_list,
    datasource_password, datasource_update_in_tx,
};
use crate::store::deletion::deleted_uncollected;
use crate::store::executions::execution_unfinished_of_datasource;
use crate::store::{Connected, StoreError};

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
        let request = Request::new(RequestKind::CreateDatasource, new.request_id, &new);
        if let Some(id) = request.made(&self.context.store).await? {
            return self.get(&Reference::Id(DatasourceId::from_uuid(id))).await;
        }
        let password = new.password.clone();
        let datasource = self.draft(new).await?;
        let sealed = self.seal(datasource.id, password.as_ref())?;
        let tx = self.context.store.begin().await?;
        let now = self.context.now();
        if request.remember_in_tx(&tx, datasource.id.as_uuid(), now).await? == Remembered::Overtaken {
            drop(tx);
            let id = request
                .made(&self.context.store)
                .await?
                .ok_or_else(lookup::overtaken)?;
            return self.get(&Reference::Id(DatasourceId::from_uuid(id))).await;
        }
        match datasource_insert_in_tx(&tx, &datasource, sealed).await {
            Ok(()) => tx.commit().await?,
            Err(StoreError::AlreadyExists(_)) => return Err(taken(&datasource)),
            Err(error) => return Err(error.into()),
        }
        Ok(datasource)
    }

    /// Checks everything that `create` would, and changes nothing. Gives what would be made.
    pub async fn validate(&self, new: NewDatasource) -> Result<Datasource, Error> {
        let datasource = self.draft(new).await?;
        let reference = Reference::Name(datasource.name.clone());
        match datasource_get(&self.context.store, &reference).await? {
            None => Ok(datasource),
            Some(_) => Err(taken(&datasource)),
        }
    }

    /// One datasource.
    pub async fn get(&self, datasource: &Reference<DatasourceId>) -> Result<Datasource, Error> {
        lookup::datasource(&self.context.store, datasource).await
    }

    /// Datasources in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Datasource>, Error> {
        self.list_within(&Within::default(), page).await
    }

    /// The same, of those alone that somebody may see.
    pub async fn list_within(&self, within: &Within, page: &PageRequest) -> Result<Page<Datasource>, Error> {
        let limit = u64::from(page.size) + 1;
        let datasources = datasource_list(&self.context.store, within, page.after_name()?, limit).await?;
        Ok(Page::from_overfull(datasources, page.size, |datasource| {
            Cursor::Name(datasource.name.to_string())
        }))
    }

    /// Changes a datasource.
    pub async fn update(
        &self,
        datasource: &Reference<DatasourceId>,
        change: DatasourceChange,
    ) -> Result<Changed<Datasource>, Error> {
        let tx = self.context.store.begin().await?;
        let before = lookup::datasource(&tx, datasource).await?;
        let mismatch = || Error::EtagMismatch {
            noun: Noun::Datasource,
            which: before.name.to_string(),
        };
        if change
            .expected_revision
            .is_some_and(|revision| revision != before.revision)
        {
            return Err(mismatch());
        }
        let agent = match &change.agent {
            Some(agent) => lookup::active_agent(&tx, agent).await?.id,
            None => before.agent,
        };
        if agent != before.agent
            && !execution_unfinished_of_datasource(&tx, before.id)
                .await?
                .is_empty()
        {
            return Err(in_use(
                &before,
                "executions that have not ended: wait for them or cancel them",
            ));
        }
        let (connection, databases) = change.apply(&before)?;
        let password_sealed = match &change.password {
            None if connection.credential_ref.is_some() => Some(None),
            None => None,
            Some(password) => Some(self.seal(before.id, password.as_ref())?),
        };
        let update = DatasourceUpdate {
            agent,
            connection: &connection,
            databases: &databases,
            verified_within: change.verified_within.unwrap_or(before.verified_within),
            password_sealed,
            now: self.context.now(),
        };
        if !datasource_update_in_tx(&tx, before.id, before.revision, update).await? {
            return Err(mismatch());
        }
        let after = lookup::datasource(&tx, &Reference::Id(before.id)).await?;
        tx.commit().await?;
        Ok(Changed { before, after })
    }

    /// Deletes a datasource that no job, backup or unfinished execution belongs to.
    pub async fn delete(&self, datasource: &Reference<DatasourceId>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let found = lookup::datasource(&tx, datasource).await?;
        if !execution_unfinished_of_datasource(&tx, found.id)
            .await?
            .is_empty()
        {
            return Err(in_use(
                &found,
                "executions that have not ended: wait for them or cancel them",
            ));
        }
        if deleted_uncollected(&tx, Some(found.id), 1)
            .await?
            .contains(&found.id)
        {
            return Err(in_use(
                &found,
                "packs of deleted backups in storages, which nobody would collect any more: `dgctl system garbage plan` shows what they wait for",
            ));
        }
        match datasource_delete_in_tx(&tx, found.id).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(StoreError::Referenced(_)) => Err(in_use(
                &found,
                "jobs or backups: delete its jobs first, then its backups with `dgctl backup delete`",
            )),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything that its agent needs to connect, the password included.
    pub async fn target(&self, datasource: DatasourceId) -> Result<ConnectionTarget, Error> {
        let found = self.get(&Reference::Id(datasource)).await?;
        target(&self.context, &self.context.store, &found).await
    }

    async fn draft(&self, new: NewDatasource) -> Result<Datasource, Error> {
        new.check()?;
        let agent = lookup::active_agent(&self.context.store, &new.agent).await?;
        let now = self.context.now();
        Ok(Datasource {
            id: DatasourceId::new(),
            name: new.name,
            engine: new.engine,
            agent: agent.id,
            agent_name: agent.name,
            connection: new.connection,
            databases: new.databases,
            verified_within: new.verified_within,
            created_at: now,
            updated_at: now,
            revision: 1,
        })
    }

    fn seal(&self, id: DatasourceId, password: Option<&Secret>) -> Result<Option<Vec<u8>>, Error> {
        let seal = |password| {
            self.context
                .installation
                .vault
                .seal_text(password_place(&id), password)
        };
        Ok(password.map(seal).transpose()?)
    }
}

/// Everything that an agent needs to connect to a datasource, the password included.
pub(super) async fn target(
    context: &Context,
    on: &impl Connected,
    datasource: &Datasource,
) -> Result<ConnectionTarget, Error> {
    let sealed = datasource_password(on, datasource.id).await?;
    let open = |sealed: Vec<u8>| {
        let place = password_place(&datasource.id);
        context.installation.vault.open_text(place, &sealed)
    };
    let password = sealed.map(open).transpose()?;
    let connection = datasource.connection.clone();
    Ok(ConnectionTarget {
        engine: datasource.engine,
        host: connection.host,
        port: connection.port,
        username: connection.username,
        password,
        tls: connection.tls,
        tls_ca: connection.tls_ca,
        maintenance_database: connection.maintenance_database,
        credential_ref: connection.credential_ref,
        service: connection.service,
    })
}

fn password_place(id: &DatasourceId) -> Place<'_> {
    Place {
        table: "datasources",
        row: id,
        field: "password",
    }
}

fn taken(datasource: &Datasource) -> Error {
    Error::NameTaken {
        noun: Noun::Datasource,
        name: datasource.name.to_string(),
    }
}

fn in_use(datasource: &Datasource, by: &str) -> Error {
    let message = format!("datasource {} still has {by}", datasource.name);
    Error::precondition("DATASOURCE_IN_USE", message)
}
