//! Which datasources a storage holds something of, without looking at all that they have there.

use dataguardian_core::ids::DatasourceId;

use super::{Storage, StorageError};

impl Storage {
    /// The datasources that have a folder here, in order of their ids.
    pub async fn datasources(&self) -> Result<Vec<DatasourceId>, StorageError> {
        let listed = self.store.list_with_delimiter(Some(&self.prefix)).await;
        let listed = listed
            .map_err(|source| StorageError::from_store("list", self.prefix.to_string(), self, source))?;
        let folders = listed.common_prefixes.iter();
        let mut found: Vec<DatasourceId> = folders
            .filter_map(|folder| folder.filename()?.parse().ok())
            .collect();
        found.sort_unstable();
        Ok(found)
    }
}
