//! An agent that does no work: it enrolls, accepts, reports packs, signs payloads, confirms.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use dataguardian_control_plane::domain::agent::{AgentFacts, Enrollment};
use dataguardian_control_plane::domain::assignment::{
    Assignment, AttemptOutcome, BackupAssignment, BackupOutcome, Completion, FreeSlots, RestoreAssignment,
    StoredPack, Work,
};
use dataguardian_control_plane::domain::backup::BackupSummary;
use dataguardian_control_plane::domain::certificate::Presented;
use dataguardian_control_plane::domain::execution::Execution;
use dataguardian_control_plane::domain::worker::Worker;
use dataguardian_control_plane::services::{Error, Services};
use dataguardian_core::engine::Engine;
use dataguardian_core::execution::Fence;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, StorageId};
use dataguardian_core::secret::Secret;
use dataguardian_repository::format::FORMAT_VERSION;
use dataguardian_repository::id::PackId;
use dataguardian_repository::keys::{DatasourceKeys, Protection};
use dataguardian_repository::manifest::{
    Contents, Encryption, Outline, Payload, Signer, SigningKey, StoredObject,
};

use crate::world::{World, issue};

/// An agent that does no work.
pub(crate) struct SimulatedAgent {
    pub(crate) id: AgentId,
    pub(crate) signing: SigningKey,
    pub(crate) serial: String,
    services: Services,
    now: DateTime<Utc>,
}

impl SimulatedAgent {
    pub(crate) async fn enroll(world: &World, name: &str) -> Self {
        let token = world.services.agents.create_join_token(name, None).await.unwrap();
        let signing = SigningKey::generate().unwrap();
        let enrollment = enrollment(token.token, b"key", &signing);
        let enrolled = world
            .services
            .enrollment
            .enroll(enrollment, issue(world.now()))
            .await
            .unwrap();
        Self {
            id: enrolled.agent,
            signing,
            serial: enrolled.certificate.serial,
            services: world.services.clone(),
            now: world.now(),
        }
    }

    /// The certificate that it enrolled with, at a handshake now.
    pub(crate) fn presented(&self, world: &World) -> Presented {
        world.presented(&self.serial)
    }

    /// The same agent, talking to another replica.
    pub(crate) fn at(&self, services: &Services) -> Self {
        Self {
            id: self.id,
            signing: SigningKey::from_bytes(self.signing.expose()).unwrap(),
            serial: self.serial.clone(),
            services: services.clone(),
            now: self.now,
        }
    }

    pub(crate) async fn claim(&self) -> Option<Assignment> {
        self.try_claim().await.unwrap()
    }

    pub(crate) async fn try_claim(&self) -> Result<Option<Assignment>, Error> {
        for worker in [Worker::Restore, Worker::Backup] {
            let claimed = self
                .services
                .assignments
                .claim(worker, self.id, FreeSlots(8))
                .await?;
            if claimed.is_some() {
                return Ok(claimed);
            }
        }
        Ok(None)
    }

    /// Claims and accepts.
    pub(crate) async fn begin(&self) -> Assignment {
        let assignment = self.claim().await.expect("something to do");
        self.services
            .assignments
            .accept(self.id, assignment.fence)
            .await
            .unwrap();
        assignment
    }

    /// Gives an offer back.
    pub(crate) async fn decline(&self, fence: Fence) -> Result<(), Error> {
        self.services.assignments.decline(self.id, fence, "busy").await
    }

    pub(crate) async fn report(&self, assignment: &Assignment, packs: &[StoredPack]) -> Result<(), Error> {
        self.services
            .attempts
            .report_packs(self.id, assignment.fence, packs.to_vec())
            .await
    }

    /// Two packs in every storage of the assignment.
    pub(crate) fn packs(&self, assignment: &Assignment) -> Vec<StoredPack> {
        let backup = backup(assignment);
        let pack = |seed: u8, storage| StoredPack {
            id: pack_id(backup, seed),
            storage,
            stored_bytes: 1000 + u64::from(seed),
            raw_bytes: 5000,
            chunks: 12,
        };
        backup
            .repositories
            .iter()
            .flat_map(|place| [pack(1, place.storage), pack(2, place.storage)])
            .collect()
    }

    /// What ends a backup well.
    pub(crate) fn outcome(&self, assignment: &Assignment, packs: &[StoredPack]) -> BackupOutcome {
        let backup = backup(assignment);
        let payload = payload(assignment.fence, backup, packs, self.now);
        let storages: HashSet<StorageId> = packs.iter().map(|pack| pack.storage).collect();
        let order = backup.repositories.iter().map(|place| place.storage);
        BackupOutcome {
            agent_signature: self.signing.sign(Signer::Agent, &payload).bytes,
            payload,
            summary: summary(self.now),
            complete_storages: order.filter(|storage| storages.contains(storage)).collect(),
            failed_storages: Vec::new(),
        }
    }

    pub(crate) async fn complete(&self, fence: Fence, outcome: AttemptOutcome) -> Result<Completion, Error> {
        self.services.attempts.complete(self.id, fence, outcome).await
    }

    pub(crate) async fn fail(&self, fence: Fence, kind: FailureKind) -> Result<Completion, Error> {
        let failure = Failure::new(kind, "as the test wants it");
        self.complete(fence, AttemptOutcome::Failed(failure)).await
    }

    pub(crate) async fn confirm(&self, fence: Fence, storages: &[StorageId]) -> Result<Execution, Error> {
        self.services
            .attempts
            .confirm_commit(self.id, fence, storages, &[])
            .await
    }

    /// The whole of a backup that goes well.
    pub(crate) async fn back_up(&self) -> Execution {
        let assignment = self.begin().await;
        let packs = self.packs(&assignment);
        self.report(&assignment, &packs).await.unwrap();
        let outcome = self.outcome(&assignment, &packs);
        let storages = outcome.complete_storages.clone();
        self.complete(assignment.fence, AttemptOutcome::Backup(Box::new(outcome)))
            .await
            .unwrap();
        self.confirm(assignment.fence, &storages).await.unwrap()
    }
}

pub(crate) fn enrollment(token: Secret, key: &[u8], signing: &SigningKey) -> Enrollment {
    Enrollment {
        join_token: token,
        public_key: key.to_vec(),
        signing_public_key: signing.verifying_key().as_bytes().to_vec(),
        facts: AgentFacts {
            version: "0.1.0".into(),
            hostname: "DB-Host.example.org".into(),
            operating_system: "Linux".into(),
            clients: Vec::new(),
        },
        name: String::new(),
        again_as: None,
    }
}

pub(crate) fn backup(assignment: &Assignment) -> &BackupAssignment {
    match &assignment.work {
        Work::Backup(backup) => backup,
        Work::Restore(_) | Work::Verify(_) => panic!("a backup was expected"),
    }
}

pub(crate) fn restore(assignment: &Assignment) -> &RestoreAssignment {
    match &assignment.work {
        Work::Restore(restore) => restore,
        Work::Backup(_) | Work::Verify(_) => panic!("a restore was expected"),
    }
}

fn pack_id(backup: &BackupAssignment, seed: u8) -> [u8; 32] {
    let mut contents = backup.backup.as_bytes().to_vec();
    contents.push(seed);
    *PackId::of(&contents).as_bytes()
}

pub(crate) fn payload(
    fence: Fence,
    backup: &BackupAssignment,
    packs: &[StoredPack],
    now: DateTime<Utc>,
) -> Vec<u8> {
    let protection = match &backup.datasource_keys {
        Some(keys) => Protection::encrypted(DatasourceKeys::from_bytes(keys.expose()).unwrap()),
        None => Protection::Plain,
    };
    let mut named: Vec<_> = packs.iter().map(|pack| (pack.id, pack.stored_bytes)).collect();
    named.sort_unstable();
    named.dedup();
    let packs = named.into_iter().map(|(id, size)| StoredObject {
        id: PackId::from_bytes(id),
        size,
    });
    let outline = Outline {
        format: FORMAT_VERSION,
        product: "0.1.0".into(),
        datasource: backup.datasource,
        backup: backup.backup,
        execution: fence.execution,
        job: None,
        engine: Engine::Postgres,
        started_at: now,
        finished_at: now,
        encryption: protection.key_id().map(|key| Encryption {
            cipher: "AES-256-GCM".into(),
            keys: vec![key],
        }),
        packs: packs.collect(),
        lists: Vec::new(),
    };
    let contents = Contents::default();
    Payload { outline, contents }.encode(&protection).unwrap()
}

fn summary(now: DateTime<Utc>) -> BackupSummary {
    BackupSummary {
        server_version: "15.4".into(),
        started_at: now,
        ended_at: now,
        databases: vec!["shop".into()],
        raw_bytes: 10_000,
        stored_bytes: 2_000,
        reused_bytes: 0,
        rows: 77,
        tables: 3,
        warnings: Vec::new(),
        missing: Vec::new(),
    }
}
