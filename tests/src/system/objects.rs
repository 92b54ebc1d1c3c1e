//! What lies in a system's storage, by the names of its objects.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use dataguardian_repository::manifest::{Manifest, Outline};

use super::{System, files};

impl System {
    /// The manifests in the storage.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn manifests(&self) -> Result<Vec<PathBuf>> {
        let all = files(&self.vault())?;
        Ok(all
            .into_iter()
            .filter(|path| path.parent().is_some_and(|parent| parent.ends_with("backups")))
            .collect())
    }

    /// Names of the packs and lists that are there.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn objects(&self) -> Result<BTreeSet<String>> {
        let all = files(&self.vault())?;
        let objects = all.iter().filter(|path| is_pack_or_list(path));
        let names = objects.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        // What is being written has another name until it is whole.
        Ok(names.filter(|name| !name.contains('#')).collect())
    }

    /// Names of the packs and lists that manifests name.
    ///
    /// # Errors
    /// If a manifest can't be read.
    pub fn named_objects(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for path in self.manifests()? {
            let manifest = Manifest::decode(&fs::read(path)?)?;
            let outline = Outline::decode(manifest.payload())?;
            names.extend(outline.packs.iter().map(|pack| pack.id.to_string()));
            names.extend(outline.lists.iter().map(|list| list.id.to_string()));
        }
        Ok(names)
    }
}

fn is_pack_or_list(path: &Path) -> bool {
    path.ancestors()
        .any(|folder| folder.ends_with("packs") || folder.ends_with("lists"))
}
