//! StorageService.

use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{AgentId, StorageId};
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::status::ApiError;
use dataguardian_proto::v1;
use dataguardian_proto::v1::storage_service_server::StorageService;
use tonic::{Request, Response, Status};

use super::ask::{ask, failed, nonsense};
use super::call::{concerns, mandate, subject};
use super::error::bad_request;
use super::{Shared, decode, encode};
use crate::domain::field::BadField;
use crate::domain::health::Subject;
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;
use crate::domain::storage::{
    CollectionHold, PreparedRepository, Storage, StorageCreation, StorageDraft, StorageLocation,
};
use crate::services::Changed;
use crate::services::imports::ImportMode;
use crate::sessions::{Answer, Question, TestDepth};

mod import;

pub(super) struct Handler(pub(super) Shared);

#[tonic::async_trait]
impl StorageService for Handler {
    async fn create_storage(
        &self,
        request: Request<v1::CreateStorageRequest>,
    ) -> Result<Response<v1::CreateStorageResponse>, Status> {
        concerns(&request, &request.get_ref().name);
        let validate_only = request.get_ref().validate_only;
        let new = decode::new_storage(request.into_inner()).map_err(bad_request)?;
        let storage = match self.0.services.storages.begin_create(new).await? {
            StorageCreation::Done(storage) => *storage,
            StorageCreation::Prepare(draft) if validate_only => self.preview(&draft),
            StorageCreation::Prepare(draft) => {
                let prepared = self.prepare(&draft).await?;
                let made = Storage {
                    repository: prepared.repository,
                    ..self.preview(&draft)
                };
                if let Some(failure) = self.0.services.storages.own_key_trouble(&made).await? {
                    return Err(failed(&failure).into());
                }
                self.0.services.storages.finish_create(*draft, prepared).await?
            }
        };
        Ok(Response::new(v1::CreateStorageResponse {
            storage: Some(encode::storage(storage, None)),
        }))
    }

    async fn get_storage(
        &self,
        request: Request<v1::GetStorageRequest>,
    ) -> Result<Response<v1::GetStorageResponse>, Status> {
        let storages = &self.0.services.storages;
        let which = self.named(&request, &request.get_ref().storage).await?;
        let storage = storages.get(&which).await?;
        let holds = storages.holds(storage.id).await?;
        let hold = |hold: CollectionHold| v1::CollectionHold {
            datasource: hold.datasource,
            reason: hold.reason,
            since: Some(timestamp(hold.since)),
        };
        let mut shown = self.shown(vec![storage]).await?.pop();
        // A hold names a datasource, which whoever may see this storage alone need not know.
        let everywhere = mandate(&request)?.is_everywhere();
        if let Some(shown) = shown.as_mut().filter(|_| everywhere) {
            shown.collection_holds = holds.into_iter().map(hold).collect();
        }
        Ok(Response::new(v1::GetStorageResponse { storage: shown }))
    }

    async fn list_storages(
        &self,
        request: Request<v1::ListStoragesRequest>,
    ) -> Result<Response<v1::ListStoragesResponse>, Status> {
        let within = mandate(&request)?.within();
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.0.services.storages.list_within(&within, &page).await?;
        Ok(Response::new(v1::ListStoragesResponse {
            storages: self.shown(page.items).await?,
            next_page_token: page.next_page_token,
        }))
    }

    async fn update_storage(
        &self,
        request: Request<v1::UpdateStorageRequest>,
    ) -> Result<Response<v1::UpdateStorageResponse>, Status> {
        concerns(&request, &request.get_ref().storage);
        let which = self.named(&request, &request.get_ref().storage).await?;
        let change = decode::storage_change(request.get_ref()).map_err(bad_request)?;
        let agent = change.local.as_ref().and_then(|local| local.agent.as_ref());
        let reach = &self.0.services.reach;
        reach.named_agent(&mandate(&request)?, agent).await?;
        let mut update = self.0.services.storages.begin_update(&which, &change).await?;
        if update.moves {
            update.after.conditional_put = self.find_repository(&update.after).await?;
        }
        let Changed { before, after } = self.0.services.storages.finish_update(update).await?;
        let alone = |storage: &Storage| encode::storage(storage.clone(), None);
        subject(&request).changed("Storage", &alone(&before), &alone(&after));
        Ok(Response::new(v1::UpdateStorageResponse {
            storage: self.shown(vec![after]).await?.pop(),
        }))
    }

    async fn delete_storage(
        &self,
        request: Request<v1::DeleteStorageRequest>,
    ) -> Result<Response<v1::DeleteStorageResponse>, Status> {
        concerns(&request, &request.get_ref().storage);
        let which = self.named(&request, &request.get_ref().storage).await?;
        self.0.services.storages.delete(&which).await?;
        Ok(Response::new(v1::DeleteStorageResponse {}))
    }

    async fn list_storage_health_checks(
        &self,
        request: Request<v1::ListStorageHealthChecksRequest>,
    ) -> Result<Response<v1::ListStorageHealthChecksResponse>, Status> {
        let storage = self.named(&request, &request.get_ref().storage).await?;
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let subject = Subject::Storage(self.0.services.storages.get(&storage).await?.id);
        let page = self.0.services.health.history(subject, &page).await?;
        Ok(Response::new(v1::ListStorageHealthChecksResponse {
            health_checks: page.items.into_iter().map(encode::health_check).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn import_backups(
        &self,
        request: Request<v1::ImportBackupsRequest>,
    ) -> Result<Response<v1::ImportBackupsResponse>, Status> {
        concerns(&request, &request.get_ref().storage);
        let storage = self.named(&request, &request.get_ref().storage).await?;
        let storage = self.0.services.storages.get(&storage).await?;
        let mode = match request.get_ref().validate_only {
            true => ImportMode::Look,
            false => ImportMode::Enter,
        };
        let after = import::after(&request.get_ref().page_token)?;
        Ok(Response::new(self.import(&storage, mode, after).await?))
    }

    async fn test_storage(
        &self,
        request: Request<v1::TestStorageRequest>,
    ) -> Result<Response<v1::TestStorageResponse>, Status> {
        concerns(&request, &request.get_ref().storage);
        let storage = self.named(&request, &request.get_ref().storage).await?;
        let storage = self.0.services.storages.get(&storage).await?;
        let (tested, agent_name) = self.test(&storage).await?;
        let own = self.0.services.storages.own_key_trouble(&storage).await?;
        let own: Vec<v1::Failure> = own.iter().map(Into::into).collect();
        Ok(Response::new(match tested {
            Ok(Answer::Storage {
                conditional_put,
                free_bytes,
            }) => v1::TestStorageResponse {
                ok: own.is_empty(),
                conditional_put,
                free_bytes,
                problems: own,
            },
            Ok(_) => return Err(nonsense(&agent_name).into()),
            Err(failure) => v1::TestStorageResponse {
                problems: [vec![(&failure).into()], own].concat(),
                ..v1::TestStorageResponse::default()
            },
        }))
    }
}

impl Handler {
    /// The storage that a request names, if its caller may do that to it.
    async fn named<T: Sync>(&self, request: &Request<T>, text: &str) -> Result<Reference<StorageId>, Status> {
        let mandate = mandate(request)?;
        Ok(self.0.services.reach.storage(&mandate, reference(text)?).await?)
    }

    /// Storages, with how they do.
    async fn shown(&self, storages: Vec<Storage>) -> Result<Vec<v1::Storage>, Status> {
        let ids: Vec<_> = storages.iter().map(|storage| storage.id).collect();
        let mut health = self.0.services.health.of_storages(&ids).await?;
        let encode = |storage: Storage| {
            let health = health.remove(&storage.id);
            encode::storage(storage, health)
        };
        Ok(storages.into_iter().map(encode).collect())
    }

    /// Has an agent write, read and remove a small object in a storage's repository. Gives the agent's name too.
    async fn test(&self, storage: &Storage) -> Result<(Result<Answer, Failure>, String), Status> {
        let (agent, agent_name) = self.party(&storage.location).await?;
        let repository = self.0.services.storages.location(storage)?;
        let question = Question::TestStorage {
            repository,
            depth: TestDepth::Write,
        };
        let tested = ask(&self.0, agent, &agent_name, question).await?;
        Ok((tested, agent_name))
    }

    /// Has the agent look whether a storage's own repository is at the place where the storage is to lie. Gives whether objects
    /// there can be put only if absent.
    async fn find_repository(&self, storage: &Storage) -> Result<bool, Status> {
        match self.test(storage).await? {
            (Ok(Answer::Storage { conditional_put, .. }), _) => Ok(conditional_put),
            (Ok(_), agent_name) => Err(nonsense(&agent_name).into()),
            (Err(failure), _) => Err(failed(&failure).into()),
        }
    }

    /// Has the agent that reaches the place make a repository there.
    async fn prepare(&self, draft: &StorageDraft) -> Result<PreparedRepository, Status> {
        let (agent, agent_name) = self.party(&draft.location).await?;
        let question = Question::PrepareStorage {
            repository: self.0.services.storages.location(&self.preview(draft))?,
            control_plane: self.0.facts.control_plane,
            keys: self.0.services.storages.key_ids().await?,
            neighbours: draft.neighbours.clone(),
        };
        match ask(&self.0, agent, &agent_name, question).await? {
            Ok(Answer::Prepared(prepared)) => Ok(prepared),
            Ok(_) => Err(nonsense(&agent_name).into()),
            Err(failure) => Err(failed(&failure).into()),
        }
    }

    /// The storage as it would be, before anything of it exists.
    fn preview(&self, draft: &StorageDraft) -> Storage {
        Storage {
            id: draft.id,
            name: draft.name.clone(),
            location: draft.location.clone(),
            sealed: draft.sealed.clone(),
            repository: draft.repository,
            conditional_put: false,
            max_concurrent: draft.max_concurrent,
            created_at: self.0.clock.now(),
            revision: 0,
        }
    }

    /// An agent that reaches the place: the one that alone does, or any that is here.
    async fn party(&self, location: &StorageLocation) -> Result<(AgentId, String), Status> {
        match location {
            StorageLocation::Local {
                agent, agent_name, ..
            } => Ok((*agent, agent_name.to_string())),
            StorageLocation::S3(_) => {
                let connected = self.0.asking.connected().await?;
                let agent = connected.first().copied().ok_or_else(|| {
                    let message = "no agent is connected that could look into the bucket: start one";
                    ApiError::new(ErrorCode::FailedPrecondition, "AGENT_NOT_CONNECTED", message)
                })?;
                Ok((agent, agent.to_string()))
            }
        }
    }
}

fn reference(text: &str) -> Result<Reference<StorageId>, BadField> {
    Reference::parse("storage", text)
}
