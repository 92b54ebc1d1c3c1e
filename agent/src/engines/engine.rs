//! The seam between an agent and its servers: a test of thousands of agents puts another behind it, and all else stays real.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use tokio_util::sync::CancellationToken;

use super::StreamSink;
use super::clients::{Client, ClientSearch};
use super::discover::DiscoveredDatabase;
use super::dump::{DumpReport, DumpRequest};
use super::greeting;
use super::marker::SessionMarker;
use super::mysql::MySqlEngine;
use super::postgres::PostgresEngine;
use super::probe::{Probe, ProbeRequest};
use super::progress::Progress;
use super::restore::{RestoreReport, RestoreRequest};

/// What attempts and questions ask of servers.
#[async_trait]
pub trait DatabaseEngine: fmt::Debug + Send + Sync {
    /// Looks what a server is, and whether a backup of it can work. An error means that it could not be looked at at all.
    async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Failure>;

    /// All databases of a server, by name.
    async fn discover(&self, target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure>;

    /// Dumps. When `cancel` fires, processes and server sessions are ended before this returns; the failure then is of kind
    /// [`FailureKind::Superseded`](dataguardian_core::failure::FailureKind::Superseded), for the caller to read in the
    /// light of its own token.
    async fn dump(
        &self,
        request: DumpRequest,
        sink: Arc<dyn StreamSink>,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<DumpReport, Failure>;

    /// Restores. When `cancel` fires, processes and server sessions are ended and half-made databases dropped before this
    /// returns, with a failure as that of [`Self::dump`].
    async fn restore(
        &self,
        request: RestoreRequest,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<RestoreReport, Failure>;

    /// What our sessions of an attempt do or wait for at this moment, one line each: for the failure of one that got stuck.
    /// Names no statement and no value. Nothing if the server does not answer soon.
    async fn waits(&self, target: &ConnectionTarget, marker: &SessionMarker) -> Vec<String>;

    /// The client programs on this host, and whose they are.
    async fn clients(&self, search: &ClientSearch) -> Vec<(Engine, Client)>;
}

/// Real servers, of every kind that this agent can reach.
#[derive(Debug, Clone, Default)]
pub struct RealEngines {
    mysql: MySqlEngine,
}

impl RealEngines {
    fn of(&self, target: &ConnectionTarget) -> &dyn DatabaseEngine {
        match target.engine {
            Engine::Postgres => &PostgresEngine,
            Engine::MySql | Engine::MariaDb => &self.mysql,
        }
    }
}

async fn explained<T>(result: Result<T, Failure>, target: &ConnectionTarget) -> Result<T, Failure> {
    match result {
        Ok(done) => Ok(done),
        Err(failure) => Err(greeting::explained(failure, target).await),
    }
}

#[async_trait]
impl DatabaseEngine for RealEngines {
    async fn probe(&self, request: &ProbeRequest) -> Result<Probe, Failure> {
        let probed = self.of(&request.target).probe(request).await;
        explained(probed, &request.target).await
    }

    async fn discover(&self, target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
        explained(self.of(target).discover(target).await, target).await
    }

    async fn dump(
        &self,
        request: DumpRequest,
        sink: Arc<dyn StreamSink>,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<DumpReport, Failure> {
        let target = request.target.clone();
        let dumped = self.of(&target).dump(request, sink, cancel, progress).await;
        explained(dumped, &target).await
    }

    async fn restore(
        &self,
        request: RestoreRequest,
        cancel: CancellationToken,
        progress: Arc<dyn Progress>,
    ) -> Result<RestoreReport, Failure> {
        let target = request.target.clone();
        let restored = self.of(&target).restore(request, cancel, progress).await;
        explained(restored, &target).await
    }

    async fn waits(&self, target: &ConnectionTarget, marker: &SessionMarker) -> Vec<String> {
        self.of(target).waits(target, marker).await
    }

    async fn clients(&self, search: &ClientSearch) -> Vec<(Engine, Client)> {
        let mut found = PostgresEngine.clients(search).await;
        found.extend(self.mysql.clients(search).await);
        found
    }
}
