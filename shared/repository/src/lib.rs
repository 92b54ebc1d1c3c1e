//! The on-storage format of DataGuardian repositories: chunks, packs, lists, manifests.
