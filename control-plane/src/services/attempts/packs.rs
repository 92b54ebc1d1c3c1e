//! What the catalogue says of packs that a backup might refer to.

use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::ids::AgentId;
use dataguardian_repository::id::PackId;

use super::Attempts;
use crate::domain::pack::{PackStanding, SizedPack};
use crate::domain::page::{Cursor, Page, PageRequest, bad_token};
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
        let page = PageRequest::parse(0, page_token)?;
        let limit = u64::from(PAGE) + 1;
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
                let skip = page.from_number()?;
                let packs = reuse_left(&tx, &leavers, (skip, limit)).await?;
                Page::from_overfull(packs, PAGE, |_| Cursor::Number(skip + u64::from(PAGE)))
            }
            PackStanding::Unusable => {
                let after = page.after_name()?.map(str::parse::<PackId>).transpose();
                let after = after.map_err(|_| bad_token())?;
                let packs = reuse_unusable(&tx, datasource, (after, limit)).await?;
                let place = |pack: &SizedPack| Cursor::Name(PackId::from_bytes(pack.id).to_string());
                Page::from_overfull(packs, PAGE, place)
            }
        };
        tx.commit().await?;
        if let Some(execution) = &begun {
            self.context.changed(execution);
        }
        Ok(packs)
    }
}
