//! Names of things that roles are given over.

use std::collections::HashMap;

use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _};
use uuid::Uuid;

use super::agents::agent_names;
use super::entity::jobs;
use super::jobs::{datasource_names, storage_names};
use super::{Connected, StoreError};
use crate::domain::access::{Resource, ResourceKind};

/// The names of these; what is gone has none.
pub(super) async fn resource_names(
    on: &impl Connected,
    resources: &[Resource],
) -> Result<HashMap<Uuid, String>, StoreError> {
    let mut names = HashMap::new();
    for kind in ResourceKind::ALL {
        let of_kind = resources.iter().filter(|resource| resource.kind() == kind);
        let ids: Vec<Uuid> = of_kind.map(|resource| *resource.uuid()).collect();
        if ids.is_empty() {
            continue;
        }
        let ids = ids.into_iter();
        match kind {
            ResourceKind::Agent => {
                let found = agent_names(on, ids).await?;
                names.extend(found.into_iter().map(|(id, name)| (id, name.to_string())));
            }
            ResourceKind::Datasource => names.extend(datasource_names(on, ids).await?),
            ResourceKind::Storage => names.extend(storage_names(on, ids).await?),
            ResourceKind::Job => names.extend(job_names(on, ids).await?),
        }
    }
    Ok(names)
}

async fn job_names(
    on: &impl Connected,
    ids: impl Iterator<Item = Uuid>,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let query = jobs::Entity::find()
        .select_only()
        .columns([jobs::Column::Id, jobs::Column::Name])
        .filter(jobs::Column::Id.is_in(ids));
    Ok(query.into_tuple().all(&on.executor()).await?)
}
