//! `dgctl system`.

use clap::Subcommand;
use dataguardian_proto::v1;

use super::Context;
use crate::error::Result;
use crate::output::table::{Field, Look, details};
use crate::output::text;

/// `dgctl system …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the control plane's version, metadata database and connected agents
    Info,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let Self::Info = self;
        let api = context.api().await?;
        let reply = api
            .system()
            .get_system_info(v1::GetSystemInfoRequest {})
            .await?
            .into_inner();
        context.output.show(&reply, describe)
    }
}

fn describe(info: &v1::GetSystemInfoResponse, look: Look) -> String {
    details(
        look,
        vec![
            ("Version", Field::text(&info.version)),
            ("Control plane", Field::text(&info.control_plane_id)),
            ("Metadata", Field::text(&info.metadata_backend)),
            (
                "Started",
                Field::text(&text::time_and_distance(info.started_at.as_ref())),
            ),
            (
                "Agents connected",
                Field::number(info.agents_connected.to_string()),
            ),
            ("Server's clock", Field::text(&text::time(info.now.as_ref()))),
        ],
    )
}
