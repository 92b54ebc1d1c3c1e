//! What the agent tells of itself and its host.

use dataguardian_core::engine::Engine;
use dataguardian_proto::v1::ClientProgram;
use sysinfo::System;
use uuid::Uuid;

use crate::engines::clients::Client;
use crate::repositories;
use crate::runner::Host;

/// What does not change while the process lives.
#[derive(Debug, Clone)]
pub struct HostInfo {
    /// New each time the agent's process starts.
    pub boot_id: String,
    /// The agent's version.
    pub version: String,
    /// The host's name.
    pub hostname: String,
    /// Such as `Debian GNU/Linux 12`.
    pub operating_system: String,
}

impl HostInfo {
    /// Looks around.
    pub fn gather() -> Self {
        Self {
            boot_id: Uuid::new_v4().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            hostname: System::host_name().unwrap_or_default(),
            operating_system: System::long_os_version().unwrap_or_default(),
        }
    }

    /// The client programs that are on the host now.
    pub(crate) async fn clients(&self, host: &Host) -> Vec<ClientProgram> {
        let found = host.engine.clients(&repositories::client_search(host)).await;
        let to_wire = |(engine, client): (Engine, Client)| ClientProgram {
            engine: engine.as_str().to_owned(),
            version: client.version,
            directory: client.dir.display().to_string(),
        };
        found.into_iter().map(to_wire).collect()
    }
}
