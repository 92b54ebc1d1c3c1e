//! MySQL and MariaDB behind the seam.

use std::sync::Arc;

use async_trait::async_trait;
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use tokio_util::sync::CancellationToken;

use super::flavour::Flavour;
use super::sessions::Registry;
use super::{clients, discover, dump, probe, restore};
use crate::engines::StreamSink;
use crate::engines::clients::{Client, ClientSearch};
use crate::engines::discover::DiscoveredDatabase;
use crate::engines::dump::{DumpReport, DumpRequest};
use crate::engines::engine::DatabaseEngine;
use crate::engines::marker::SessionMarker;
use crate::engines::probe::{Probe, ProbeRequest};
use crate::engines::progress::Progress;
use crate::engines::restore::{RestoreReport, RestoreRequest};

/// Real servers. Clones know each other's sessions.
#[derive(Debug, Clone, Default)]
pub struct MySqlEngine {
    registry: Registry,
}

#[async_trait]
impl DatabaseEngine for MySqlEngine {
    async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Failure> {
        probe::probe(request).await
    }

    async fn discover(&self, target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
        discover::discover(target).await
    }

    async fn dump(
        &self,
        request: DumpRequest,
        sink: Arc<dyn StreamSink>,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<DumpReport, Failure> {
        dump::dump(request, sink, cancel, progress, self.registry.clone()).await
    }

    async fn restore(
        &self,
        request: RestoreRequest,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<RestoreReport, Failure> {
        restore::restore(request, cancel, progress, self.registry.clone()).await
    }

    async fn waits(&self, target: &ConnectionTarget, marker: &SessionMarker) -> Vec<String> {
        self.registry.waits(target, marker).await
    }

    async fn clients(&self, search: &ClientSearch) -> Vec<(Engine, Client)> {
        let mut found = Vec::new();
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            let clients = clients::find(search, flavour).await;
            found.extend(clients.into_iter().map(|client| (flavour.engine(), client)));
        }
        found
    }
}
