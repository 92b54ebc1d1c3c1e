//! SystemService.

use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use dataguardian_proto::v1::system_service_server::SystemService;
use dataguardian_repository::kit::Credentials;
use tonic::{Request, Response, Status};

use super::call::concerns;
use super::{Shared, decode, encode};
use crate::domain::installation_key::{KeyShown, Rotation};
use crate::domain::leadership::Tenure;
use crate::domain::storage::Storage;
use crate::reconcilers::{CleanedUp, DatasourcePlan};
use crate::services::Error;
use crate::services::authorities::AuthorityShown;
use crate::trust::TrustError;

mod dashboard;

pub(super) struct Handler(pub(super) Shared);

impl Handler {
    /// Those that are trusted, the one that signs first.
    async fn authorities(&self) -> Result<Vec<v1::CertificateAuthority>, Error> {
        let shown = self.0.services.authorities.show().await?;
        let encode = |(place, authority): (usize, AuthorityShown)| v1::CertificateAuthority {
            pin: authority.pin,
            signs: place == 0,
            created_at: Some(timestamp(authority.created_at)),
            agents: u32::try_from(authority.agents).unwrap_or(u32::MAX),
        };
        Ok(shown.into_iter().enumerate().map(encode).collect())
    }
}

#[tonic::async_trait]
impl SystemService for Handler {
    async fn get_system_info(
        &self,
        _request: Request<v1::GetSystemInfoRequest>,
    ) -> Result<Response<v1::GetSystemInfoResponse>, Status> {
        let facts = &self.0.facts;
        let kit_notice = self.0.services.keys.notice().await?;
        let damage = self.0.services.verifications.notices().await?;
        let notices = kit_notice.into_iter().chain(damage);
        Ok(Response::new(v1::GetSystemInfoResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            control_plane_id: facts.control_plane.to_string(),
            metadata_backend: facts.metadata_backend.to_owned(),
            replica_id: facts.replica.to_string(),
            started_at: Some(timestamp(facts.started_at)),
            agents_connected: u32::try_from(self.0.asking.connected().await?.len()).unwrap_or(u32::MAX),
            now: Some(timestamp(self.0.clock.now())),
            authorities: self.authorities().await?,
            recovery_kit_created_at: self.0.services.recovery.made_at().await?.map(timestamp),
            notices: notices.map(encode::notice).collect(),
            held_storages: self.0.services.storages.held().await?,
            installation_keys: installation_keys(self.0.services.keys.show().await?),
            workers: self
                .0
                .reconcilers
                .workers()
                .into_iter()
                .map(encode::worker)
                .collect(),
            queue: Some(encode::queue(&self.0.queue.status())),
        }))
    }

    async fn get_dashboard(
        &self,
        request: Request<v1::GetDashboardRequest>,
    ) -> Result<Response<v1::GetDashboardResponse>, Status> {
        let wanted = request.get_ref().history_size;
        Ok(Response::new(dashboard::show(&self.0, wanted).await?))
    }

    async fn create_recovery_kit(
        &self,
        request: Request<v1::CreateRecoveryKitRequest>,
    ) -> Result<Response<v1::CreateRecoveryKitResponse>, Status> {
        concerns(&request, "");
        let request = request.into_inner();
        let credentials = match request.without_credentials {
            true => Credentials::LeftOut,
            false => Credentials::Included,
        };
        let recovery = &self.0.services.recovery;
        let made = recovery.make_kit(&request.recipients, credentials).await?;
        Ok(Response::new(v1::CreateRecoveryKitResponse {
            kit: made.text,
            key_ids: made.keys.iter().map(ToString::to_string).collect(),
            storages: made.storages,
        }))
    }

    async fn rotate_key(
        &self,
        request: Request<v1::RotateKeyRequest>,
    ) -> Result<Response<v1::RotateKeyResponse>, Status> {
        concerns(&request, "");
        let request = request.into_inner();
        let rotation = match request.compromised {
            true => Rotation::Compromised,
            false => Rotation::Planned,
        };
        let expected = decode::key_id("expected_key_id", &request.expected_key_id)?;
        let keys = self.0.services.keys.rotate(rotation, expected).await?;
        Ok(Response::new(v1::RotateKeyResponse {
            installation_keys: installation_keys(keys),
        }))
    }

    async fn rotate_authority(
        &self,
        request: Request<v1::RotateAuthorityRequest>,
    ) -> Result<Response<v1::RotateAuthorityResponse>, Status> {
        concerns(&request, "");
        self.0.trust.rotate().await.map_err(|error| match error {
            TrustError::Service(error) => error,
            error => Error::Internal(error.to_string()),
        })?;
        Ok(Response::new(v1::RotateAuthorityResponse {
            authorities: self.authorities().await?,
            certificate_pem: self.0.authority.certificate_pem(),
        }))
    }

    async fn run_cleanup(
        &self,
        request: Request<v1::RunCleanupRequest>,
    ) -> Result<Response<v1::RunCleanupResponse>, Status> {
        concerns(&request, "");
        let mut datasources = Vec::new();
        let only = decode::optional("storage", &request.get_ref().storage)?;
        let only = match only {
            Some(storage) => Some(self.0.services.storages.get(&storage).await?.id),
            None => None,
        };
        for planned in self.0.cleanup.plans(only).await? {
            let mut done = as_planned(&planned);
            if !request.get_ref().validate_only {
                let mut report = CleanedUp::default();
                // Asked for by a person, it is anybody's: each step holds what it changes.
                self.0
                    .cleanup
                    .carry_out(&planned, Tenure::Free, &mut report)
                    .await?;
                done = as_done(done, &report);
            }
            datasources.push(done);
        }
        Ok(Response::new(v1::RunCleanupResponse { datasources }))
    }
}

fn installation_keys(keys: Vec<KeyShown>) -> Vec<v1::InstallationKey> {
    let encode = |key: KeyShown| v1::InstallationKey {
        key_id: key.id.to_string(),
        created_at: Some(timestamp(key.created_at)),
    };
    keys.into_iter().map(encode).collect()
}

const BUSY: &str = "a backup of it is under way";

fn as_planned(planned: &DatasourcePlan) -> v1::DatasourceCleanup {
    let (places, plan) = (&planned.places, &planned.plan);
    let name = |id| {
        let storage = places.storages.iter().find(|storage| storage.id == id);
        storage
            .map(|storage| storage.name.to_string())
            .unwrap_or_default()
    };
    let held = |(id, held): (&_, &crate::domain::cleanup::Held)| v1::HeldStorage {
        storage_id: ToString::to_string(id),
        storage_name: name(*id),
        reason: held.to_string(),
    };
    v1::DatasourceCleanup {
        datasource_id: places.datasource.to_string(),
        datasource_name: places.name.clone(),
        held_by: if plan.busy { BUSY.to_owned() } else { String::new() },
        held_storages: plan.held.iter().map(held).collect(),
        tombstoned: count(plan.adopt.len() + plan.tombstone.len()),
        condemned: count(plan.condemn.len()),
        deleted: count(plan.delete.values().map(std::collections::BTreeSet::len).sum()),
        in_grace: count(plan.in_grace),
        storages: places
            .storages
            .iter()
            .filter(|storage| plan.unneeded.contains_key(&storage.id))
            .map(|storage| garbage(storage, planned))
            .collect(),
    }
}

/// What of a datasource no backup needs in a storage that could be looked into.
fn garbage(storage: &Storage, planned: &DatasourcePlan) -> v1::StorageGarbage {
    let plan = &planned.plan;
    let unneeded = plan.unneeded.get(&storage.id).copied().unwrap_or_default();
    let deleting = plan.deleting.get(&storage.id).copied().unwrap_or_default();
    let leaving = plan
        .returned
        .get(&storage.id)
        .map_or(0, std::collections::BTreeSet::len);
    v1::StorageGarbage {
        storage_name: storage.name.to_string(),
        unneeded_objects: unneeded.objects as u64,
        unneeded_bytes: unneeded.bytes,
        deleting_objects: deleting.objects as u64,
        deleting_bytes: deleting.bytes,
        leaving_manifests: leaving as u64,
    }
}

fn as_done(planned: v1::DatasourceCleanup, report: &CleanedUp) -> v1::DatasourceCleanup {
    v1::DatasourceCleanup {
        held_by: if report.busy > 0 {
            BUSY.to_owned()
        } else {
            planned.held_by
        },
        tombstoned: count(report.tombstoned),
        condemned: count(report.condemned),
        deleted: count(report.deleted),
        ..planned
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
