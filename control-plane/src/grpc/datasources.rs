//! DatasourceService.

use dataguardian_core::ids::DatasourceId;
use dataguardian_proto::v1;
use dataguardian_proto::v1::datasource_service_server::DatasourceService;
use tonic::{Request, Response, Status};

use super::ask::{ask, failed, nonsense};
use super::call::{concerns, mandate, subject};
use super::error::bad_request;
use super::{Shared, decode, encode};
use crate::domain::datasource::Datasource;
use crate::domain::field::BadField;
use crate::domain::health::Subject;
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;
use crate::services::Changed;
use crate::sessions::{Answer, Question};

pub(super) struct Handler(pub(super) Shared);

#[tonic::async_trait]
impl DatasourceService for Handler {
    async fn create_datasource(
        &self,
        request: Request<v1::CreateDatasourceRequest>,
    ) -> Result<Response<v1::CreateDatasourceResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let validate_only = request.get_ref().validate_only;
        let new = decode::new_datasource(request.into_inner()).map_err(bad_request)?;
        let datasources = &self.0.services.datasources;
        let datasource = if validate_only {
            datasources.validate(new).await?
        } else {
            datasources.create(new).await?
        };
        Ok(Response::new(v1::CreateDatasourceResponse {
            datasource: Some(encode::datasource(datasource, None)),
        }))
    }

    async fn get_datasource(
        &self,
        request: Request<v1::GetDatasourceRequest>,
    ) -> Result<Response<v1::GetDatasourceResponse>, Status> {
        let datasource = self.find(&request, &request.get_ref().datasource).await?;
        Ok(Response::new(v1::GetDatasourceResponse {
            datasource: self.shown(vec![datasource]).await?.pop(),
        }))
    }

    async fn list_datasources(
        &self,
        request: Request<v1::ListDatasourcesRequest>,
    ) -> Result<Response<v1::ListDatasourcesResponse>, Status> {
        let within = mandate(&request)?.within();
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.0.services.datasources.list_within(&within, &page).await?;
        Ok(Response::new(v1::ListDatasourcesResponse {
            datasources: self.shown(page.items).await?,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_datasource(
        &self,
        request: Request<v1::UpdateDatasourceRequest>,
    ) -> Result<Response<v1::UpdateDatasourceResponse>, Status> {
        concerns(&request, &request.get_ref().datasource);
        let mandate = mandate(&request)?;
        let present = self.find(&request, &request.get_ref().datasource).await?;
        let which = Reference::Id(present.id);
        let subject = subject(&request);
        let change = decode::datasource_change(request.into_inner(), &present).map_err(bad_request)?;
        let reach = &self.0.services.reach;
        reach.named_agent(&mandate, change.agent.as_ref()).await?;
        let Changed { before, after } = self.0.services.datasources.update(&which, change).await?;
        let alone = |datasource: &Datasource| encode::datasource(datasource.clone(), None);
        subject.changed("Datasource", &alone(&before), &alone(&after));
        Ok(Response::new(v1::UpdateDatasourceResponse {
            datasource: self.shown(vec![after]).await?.pop(),
        }))
    }

    async fn delete_datasource(
        &self,
        request: Request<v1::DeleteDatasourceRequest>,
    ) -> Result<Response<v1::DeleteDatasourceResponse>, Status> {
        concerns(&request, &request.get_ref().datasource);
        let which = self.named(&request, &request.get_ref().datasource).await?;
        self.0.services.datasources.delete(&which).await?;
        Ok(Response::new(v1::DeleteDatasourceResponse {}))
    }

    async fn test_datasource(
        &self,
        request: Request<v1::TestDatasourceRequest>,
    ) -> Result<Response<v1::TestDatasourceResponse>, Status> {
        concerns(&request, &request.get_ref().datasource);
        let datasource = self.find(&request, &request.get_ref().datasource).await?;
        let question = Question::TestDatasource {
            connection: self.0.services.datasources.target(datasource.id).await?,
            databases: datasource.databases.clone(),
        };
        let agent = datasource.agent_name.as_str();
        match ask(&self.0, datasource.agent, agent, question).await? {
            Ok(Answer::Datasource(report)) => Ok(Response::new(report)),
            Ok(_) => Err(nonsense(agent).into()),
            Err(failure) => Ok(Response::new(v1::TestDatasourceResponse {
                problems: vec![(&failure).into()],
                ..v1::TestDatasourceResponse::default()
            })),
        }
    }

    async fn list_datasource_health_checks(
        &self,
        request: Request<v1::ListDatasourceHealthChecksRequest>,
    ) -> Result<Response<v1::ListDatasourceHealthChecksResponse>, Status> {
        let found = self.find(&request, &request.get_ref().datasource).await?;
        let subject = Subject::Datasource(found.id);
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.0.services.health.history(subject, &page).await?;
        Ok(Response::new(v1::ListDatasourceHealthChecksResponse {
            health_checks: page.items.into_iter().map(encode::health_check).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn discover_databases(
        &self,
        request: Request<v1::DiscoverDatabasesRequest>,
    ) -> Result<Response<v1::DiscoverDatabasesResponse>, Status> {
        concerns(&request, &request.get_ref().datasource);
        let datasource = self.find(&request, &request.get_ref().datasource).await?;
        let connection = self.0.services.datasources.target(datasource.id).await?;
        let question = Question::DiscoverDatabases { connection };
        let agent = datasource.agent_name.as_str();
        match ask(&self.0, datasource.agent, agent, question).await? {
            Ok(Answer::Databases(found)) => Ok(Response::new(mark_selected(found, &datasource))),
            Ok(_) => Err(nonsense(agent).into()),
            Err(failure) => Err(failed(&failure).into()),
        }
    }
}

impl Handler {
    /// The datasource that a request names, if its caller may do that to it.
    async fn named<T: Sync>(
        &self,
        request: &Request<T>,
        text: &str,
    ) -> Result<Reference<DatasourceId>, Status> {
        let mandate = mandate(request)?;
        Ok(self
            .0
            .services
            .reach
            .datasource(&mandate, reference(text)?)
            .await?)
    }

    async fn find<T: Sync>(&self, request: &Request<T>, text: &str) -> Result<Datasource, Status> {
        let which = self.named(request, text).await?;
        Ok(self.0.services.datasources.get(&which).await?)
    }

    /// Datasources, with how they do.
    async fn shown(&self, datasources: Vec<Datasource>) -> Result<Vec<v1::Datasource>, Status> {
        let ids: Vec<_> = datasources.iter().map(|datasource| datasource.id).collect();
        let mut health = self.0.services.health.of_datasources(&ids).await?;
        let encode = |datasource: Datasource| {
            let health = health.remove(&datasource.id);
            encode::datasource(datasource, health)
        };
        Ok(datasources.into_iter().map(encode).collect())
    }
}

/// The agent was not told which databases are meant.
fn mark_selected(
    mut found: v1::DiscoverDatabasesResponse,
    datasource: &Datasource,
) -> v1::DiscoverDatabasesResponse {
    let names: Vec<_> = found
        .databases
        .iter()
        .map(|database| database.name.clone())
        .collect();
    let chosen = datasource
        .databases
        .choose(&names)
        .map(|(chosen, _)| chosen)
        .unwrap_or_default();
    for database in &mut found.databases {
        database.selected = chosen.contains(&database.name);
    }
    found
}

fn reference(text: &str) -> Result<Reference<DatasourceId>, BadField> {
    Reference::parse("datasource", text)
}
