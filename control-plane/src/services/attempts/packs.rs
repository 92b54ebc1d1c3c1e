//! What the catalogue says of packs that a backup might refer to.

use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::ids::AgentId;

use super::Attempts;
use crate::domain::pack::{PackStanding, SizedPack};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::verdict::FenceStanding;
use crate::services::Error;
use crate::services::transition::judge_in_tx;
use crate::store::reuse::{reuse_leavers, reuse_left, reuse_unusable};

/// Packs in one page: 180 kB.
const PAGE: u32 = 4000;

impl Attempts {
    /// A page of the packs of that standing. They keep it as long as the attempt holds its execution.
    pub async fn list_packs(
        &self,
        agent: AgentId,
        fence: Fence,
        standing: PackStanding,
        page_token: &str,
    ) -> Result<Page<SizedPack>, Error> {
        let skip = PageRequest::parse(0, page_token)?.from_number()?;
        let part = (skip, u64::from(PAGE) + 1);
        let tx = self.context.store.begin().await?;
        let begun = self.context.begin_if_leased_in_tx(&tx, agent, fence).await?;
        let judged = judge_in_tx(&tx, agent, fence).await?;
        let holds = judged.standing == FenceStanding::Holds(ExecutionState::Running);
        let Some(datasource) = judged.execution.datasource.filter(|_| holds) else {
            return Err(Error::StaleFence);
        };
        let packs = match standing {
            PackStanding::Left => {
                let leavers = reuse_leavers(&tx, datasource, fence.execution).await?;
                reuse_left(&tx, &leavers, part).await?
            }
            PackStanding::Unusable => reuse_unusable(&tx, datasource, part).await?,
        };
        tx.commit().await?;
        if let Some(execution) = &begun {
            self.context.changed(execution);
        }
        Ok(Page::from_overfull(packs, PAGE, |_| {
            Cursor::Number(skip + u64::from(PAGE))
        }))
    }
}
