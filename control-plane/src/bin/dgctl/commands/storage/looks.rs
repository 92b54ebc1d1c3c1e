//! `dgctl storage health`.

use clap::Args;
use dataguardian_proto::v1;

use crate::commands::Context;
use crate::error::Result;
use crate::output::health;
use crate::paging::Limit;

/// `dgctl storage health`
#[derive(Debug, Args)]
pub(crate) struct Looks {
    /// Name or id
    storage: String,
    #[command(flatten)]
    limit: Limit,
}

impl Looks {
    pub(super) async fn list(self, context: &Context) -> Result<()> {
        let storages = context.api().await?.storages();
        let reply: v1::ListStorageHealthChecksResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut storages = storages.clone();
                let request = v1::ListStorageHealthChecksRequest {
                    storage: self.storage.clone(),
                    page_size,
                    page_token,
                };
                async move { storages.list_storage_health_checks(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| health::checks(&reply.health_checks, look))
    }
}
