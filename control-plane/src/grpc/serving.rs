//! `grpc.health.v1`: whether this replica serves, for balancers that ask by gRPC. The same facts as `/health`: without the
//! metadata database nothing can be answered, and whoever shuts down takes nothing new.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::http::Probe;

/// How often the metadata database is asked for a sign of life.
const LOOK: Duration = Duration::from_secs(2);

/// What can be asked for by name; the empty name is the whole.
pub(super) const SERVICES: [&str; 13] = [
    "",
    "dataguardian.v1.AccessService",
    "dataguardian.v1.AgentService",
    "dataguardian.v1.AuthService",
    "dataguardian.v1.BackupService",
    "dataguardian.v1.DatasourceService",
    "dataguardian.v1.ExecutionService",
    "dataguardian.v1.JobService",
    "dataguardian.v1.NotificationService",
    "dataguardian.v1.RestoreService",
    "dataguardian.v1.StorageService",
    "dataguardian.v1.SystemService",
    "dataguardian.agent.v1.EnrollmentService",
];

/// Says whether this replica serves. It does when this is made: the database was opened just now.
#[derive(Debug)]
pub struct Serving {
    reporter: HealthReporter,
    said: ServingStatus,
}

impl Serving {
    pub(super) async fn new(reporter: HealthReporter) -> Self {
        let serving = Self {
            reporter,
            said: ServingStatus::Serving,
        };
        serving.tell().await;
        serving
    }

    /// Follows the metadata database until the process is told to stop; then it says for good that it does not serve.
    pub async fn follow(mut self, database: Probe, stop: CancellationToken) {
        let follow = async {
            loop {
                self.say(status(database.answers().await)).await;
                tokio::time::sleep(LOOK).await;
            }
        };
        stop.run_until_cancelled(follow).await;
        self.say(ServingStatus::NotServing).await;
    }

    /// Whoever watches hears of changes only: the reporter would pass on what was said before as news.
    async fn say(&mut self, status: ServingStatus) {
        if self.said != status {
            self.said = status;
            self.tell().await;
        }
    }

    async fn tell(&self) {
        for service in SERVICES {
            self.reporter.set_service_status(service, self.said).await;
        }
    }
}

const fn status(online: bool) -> ServingStatus {
    if online {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}
