//! What agents report of attempts, and the two halves of a commit.
//!
//! Everything is fenced: only the attempt that holds the execution is listened to. Everything may come again: the same report
//! gives the same answer. A backup exists for others only once its commit is confirmed.

mod commit;
mod complete;
mod look;
mod missed;
mod packs;

use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::ids::AgentId;

use super::transition::judge_in_tx;
use super::{Context, Error};
use crate::domain::assignment::{MAX_PACKS_PER_REPORT, StoredPack};
use crate::domain::execution::{BackupSpec, ExecutionSpec};
use crate::domain::field::BadField;
use crate::domain::verdict::FenceStanding;
use crate::store::packs::{pack_insert_in_tx, pack_known};

/// What agents report of attempts, and the two halves of a commit.
#[derive(Debug, Clone)]
pub struct Attempts {
    context: Context,
    looks: look::Looks,
}

impl Attempts {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            looks: look::Looks::default(),
        }
    }

    /// Packs are stored. Reporting again changes nothing.
    pub async fn report_packs(
        &self,
        agent: AgentId,
        fence: Fence,
        packs: Vec<StoredPack>,
    ) -> Result<(), Error> {
        if packs.len() > MAX_PACKS_PER_REPORT {
            let message = format!("has more than {MAX_PACKS_PER_REPORT} packs");
            return Err(BadField::new("packs", message).into());
        }
        let tx = self.context.store.begin().await?;
        let begun = self.context.begin_if_leased_in_tx(&tx, agent, fence).await?;
        let judged = judge_in_tx(&tx, agent, fence).await?;
        let reporting = matches!(
            judged.standing,
            FenceStanding::Holds(ExecutionState::Running | ExecutionState::Cancelling)
        );
        if !reporting {
            return Err(Error::StaleFence);
        }
        let ExecutionSpec::Backup(spec) = &judged.execution.spec else {
            return Err(BadField::new("packs", "a restore stores none").into());
        };
        check_packs(spec, &packs)?;
        let Some(datasource) = judged.execution.datasource else {
            return Err(Error::StaleFence);
        };
        pack_insert_in_tx(&tx, datasource, fence, &packs, self.context.now()).await?;
        let ids: Vec<_> = packs.iter().map(|pack| pack.id).collect();
        let known = pack_known(&tx, &ids).await?;
        if known.iter().any(|pack| pack.datasource != datasource) {
            return Err(BadField::new("packs", "names a pack of another datasource").into());
        }
        tx.commit().await?;
        if let Some(execution) = &begun {
            self.context.changed(execution);
        }
        Ok(())
    }
}

fn check_packs(spec: &BackupSpec, packs: &[StoredPack]) -> Result<(), BadField> {
    let all = |holds: &dyn Fn(&StoredPack) -> bool| packs.iter().all(holds);
    if !all(&|pack| spec.storages.contains(&pack.storage)) {
        return Err(BadField::new("packs", "names a storage that the job does not"));
    }
    let limit = dataguardian_repository::format::MAX_PACK_LEN;
    if !all(&|pack| (1..=limit).contains(&pack.stored_bytes)) {
        return Err(BadField::new("packs", "has a pack of a size that no pack has"));
    }
    Ok(())
}
