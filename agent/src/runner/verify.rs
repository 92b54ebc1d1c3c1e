//! A verification: are the copies of a backup that this agent reaches still whole?
//!
//! Damage is a result, not a failure: every copy is looked into, and what was found is reported. Only a storage that can't be
//! looked into fails, and if none can, the attempt does.

use std::sync::{Arc, Mutex, PoisonError};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_failpoints::failpoint;
use dataguardian_proto::{agent::v1, v1 as public};
use dataguardian_repository::read::Executor;
use dataguardian_repository::verify::{
    CopyCheck, Fault, Level, ObjectProblem, Progress, Report, verify_copy,
};
use dataguardian_telemetry::cpu_pool::CpuPool;

use super::attempt::Attempt;
use super::status::AttemptStatus;
use super::work::{RepositoryPlace, VerifyWork};
use crate::repositories;

/// Faults of one copy that go into the log by name.
const LOGGED: usize = 50;

/// Looks into every copy.
pub(super) async fn verify(attempt: &Attempt, work: VerifyWork) -> Result<v1::VerifyOutcome, Failure> {
    let looking = async {
        let mut copies = Vec::new();
        let mut last = None;
        for place in &work.repositories {
            let status = attempt.status();
            status.enter(format!(
                "verifying the copy in storage {}, {}",
                place.name, work.level
            ));
            let found = look(attempt, &work, place).await;
            tell(&status, place, &found);
            let copy = match &found {
                Ok(report) => to_wire(report),
                Err(failure) => v1::VerifiedCopy {
                    failure: Some(failure.into()),
                    ..Default::default()
                },
            };
            last = found.err().or(last);
            copies.push(v1::VerifiedCopy {
                storage_id: place.storage.to_string(),
                ..copy
            });
        }
        match last {
            Some(failure) if copies.iter().all(|copy| copy.failure.is_some()) => Err(failure),
            _ => Ok(v1::VerifyOutcome { copies }),
        }
    };
    let stopped = || Err(Failure::new(FailureKind::Superseded, "stopped while verifying"));
    let looked = attempt.live.stop.token().run_until_cancelled(looking).await;
    looked.unwrap_or_else(stopped)
}

async fn look(attempt: &Attempt, work: &VerifyWork, place: &RepositoryPlace) -> Result<Report, Failure> {
    let host = attempt.host();
    let storage = repositories::open(host, place)?;
    repositories::check_repository(&storage, place).await?;
    failpoint!(VerifyBegun);
    let check = CopyCheck {
        storage: storage.clone(),
        datasource: work.datasource,
        backup: work.backup,
        trusted: work.trusted.clone(),
        protection: work.protection.clone(),
        level: work.level,
        executor: executor(&host.cpu),
    };
    let report = verify_copy(&check, &Told(attempt.status())).await;
    let report = report.map_err(|error| error.failure())?;
    still_there(&storage, place, report.faults.iter().map(|fault| &fault.problem)).await?;
    Ok(report)
}

/// What is missing is not lost if the whole repository went away in the meantime: a disk that was taken out.
pub(crate) async fn still_there(
    storage: &dataguardian_repository::storage::Storage,
    place: &RepositoryPlace,
    mut problems: impl Iterator<Item = &ObjectProblem>,
) -> Result<(), Failure> {
    if problems.any(|problem| !matches!(problem, ObjectProblem::Digest)) {
        repositories::check_repository(storage, place).await?;
    }
    Ok(())
}

/// The agent's CPU pool.
pub(crate) fn executor(cpu: &CpuPool) -> Executor {
    let cpu = cpu.clone();
    Executor::awaiting(move |work| {
        let cpu = cpu.clone();
        // The pool may run a task twice; this one is done once, and who waits for it hears if it was not.
        let work = Mutex::new(Some(work));
        let once = move || {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(work) = work {
                work();
            }
        };
        async move { cpu.run(once).await }
    })
}

/// What was found, for the control plane.
pub(crate) fn to_wire(report: &Report) -> v1::VerifiedCopy {
    v1::VerifiedCopy {
        storage_id: String::new(),
        objects: report.objects,
        bytes: report.bytes,
        faults: report.faults.iter().map(fault_to_wire).collect(),
        fault_count: report.found,
        failure: None,
    }
}

fn fault_to_wire(fault: &Fault) -> public::ObjectFault {
    public::ObjectFault {
        object: fault.key.to_string(),
        problem: fault.problem.to_string(),
        hurts: fault.hurts.clone(),
        hurt_count: fault.hurt_streams,
    }
}

fn tell(status: &AttemptStatus, place: &RepositoryPlace, found: &Result<Report, Failure>) {
    let log = &status.log;
    let report = match found {
        Ok(report) => report,
        Err(failure) => {
            return log.warn(format!(
                "storage {}: could not be looked into: {failure}",
                place.name
            ));
        }
    };
    for fault in report.faults.iter().take(LOGGED) {
        log.error(format!(
            "storage {}: {} is damaged: {}",
            place.name,
            fault.key.describe(),
            fault.problem
        ));
        if fault.hurt_streams > 0 {
            log.info(format!("without it there are no {}", fault.hurts.join(", ")));
        }
    }
    log.info(format!(
        "storage {}: {} objects, {} bytes read, {} damaged or lost",
        place.name, report.objects, report.bytes, report.found
    ));
}

/// Tells the session how far it is.
struct Told(Arc<AttemptStatus>);

impl Progress for Told {
    fn began(&self, level: Level, bytes: u64) {
        self.0.expect_raw(bytes);
        match level {
            Level::Presence => self.0.enter("looking whether everything is there"),
            Level::Digests => self.0.enter("reading packs and lists"),
            Level::Contents => self.0.enter("reading every stream"),
        }
    }

    fn read(&self, bytes: u64) {
        self.0.counters.add_raw(bytes);
    }
}
