//! `dgctl datasource health`.

use clap::Args;
use dataguardian_proto::v1;

use crate::commands::Context;
use crate::error::Result;
use crate::output::health;
use crate::paging::Limit;

/// `dgctl datasource health`
#[derive(Debug, Args)]
pub(crate) struct Looks {
    /// Name or id
    datasource: String,
    #[command(flatten)]
    limit: Limit,
}

impl Looks {
    pub(super) async fn list(self, context: &Context) -> Result<()> {
        let datasources = context.api().await?.datasources();
        let reply: v1::ListDatasourceHealthChecksResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut datasources = datasources.clone();
                let request = v1::ListDatasourceHealthChecksRequest {
                    datasource: self.datasource.clone(),
                    page_size,
                    page_token,
                };
                async move { datasources.list_datasource_health_checks(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| health::checks(&reply.health_checks, look))
    }
}
