//! `dgctl system garbage`: what no backup needs in the storages, and why it is there still.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::Context;
use crate::error::Result;
use crate::output::table::{Field, List, Look};
use crate::output::text::bytes;

/// `dgctl system garbage …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what no backup needs, storage by storage, what would be done about it now, and what holds it; changes nothing
    Plan(Which),
    /// Take each thing that no backup needs one step further on its way out, now
    Run(Run),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Only what lies in this storage; name or id
    #[arg(long, value_name = "STORAGE")]
    storage: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    which: Which,
    /// Change nothing: print the plan
    #[arg(long)]
    dry_run: bool,
}

const STEPS: List<6> = List {
    titles: [
        "datasource",
        "found",
        "in grace",
        "condemned",
        "deleted",
        "held by",
    ],
    spare: &[],
    none: "No datasource, so no garbage.",
};

const STORAGES: List<6> = List {
    titles: ["datasource", "storage", "unneeded", "bytes", "deleted", "bytes"],
    spare: &[],
    none: "No storage could be looked into.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let (which, validate_only) = match self {
            Self::Plan(which) => (which, true),
            Self::Run(run) => (run.which, run.dry_run),
        };
        let request = v1::RunCleanupRequest {
            validate_only,
            storage: which.storage.unwrap_or_default(),
        };
        let mut system = context.api().await?.system();
        let reply = system.run_cleanup(request).await?.into_inner();
        context.output.show(&reply, |reply, look| {
            let title = if validate_only { "Planned" } else { "Done" };
            let steps = steps(reply, look);
            format!("{title}\n{steps}\nIn storages\n{}", storages(reply, look))
        })
    }
}

/// Objects by the step that they take, for each datasource.
pub(super) fn steps(reply: &v1::RunCleanupResponse, look: Look) -> String {
    let row = |datasource: &v1::DatasourceCleanup| {
        let storages = datasource.held_storages.iter();
        let storages = storages.map(|held| format!("{}: {}", held.storage_name, held.reason));
        let held: Vec<_> = std::iter::once(datasource.held_by.clone())
            .filter(|reason| !reason.is_empty())
            .chain(storages)
            .collect();
        [
            Field::text(&datasource.datasource_name),
            Field::number(datasource.tombstoned.to_string()),
            Field::number(datasource.in_grace.to_string()),
            Field::number(datasource.condemned.to_string()),
            Field::number(datasource.deleted.to_string()),
            Field::text(&held.join("; ")),
        ]
    };
    STEPS.show(look, &reply.datasources.iter().map(row).collect::<Vec<_>>())
}

fn storages(reply: &v1::RunCleanupResponse, look: Look) -> String {
    let rows = reply.datasources.iter().flat_map(|datasource| {
        datasource.storages.iter().map(|storage| {
            [
                Field::text(&datasource.datasource_name),
                Field::text(&storage.storage_name),
                Field::number(storage.unneeded_objects.to_string()),
                Field::number(bytes(storage.unneeded_bytes)),
                Field::number(storage.deleting_objects.to_string()),
                Field::number(bytes(storage.deleting_bytes)),
            ]
        })
    });
    STORAGES.show(look, &rows.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_tells_counts_bytes_and_what_holds() {
        let reply = v1::RunCleanupResponse {
            datasources: vec![v1::DatasourceCleanup {
                datasource_name: "main".into(),
                held_storages: vec![v1::HeldStorage {
                    storage_name: "spare".into(),
                    reason: "it could not be looked into: the agent is not connected".into(),
                    ..Default::default()
                }],
                tombstoned: 3,
                storages: vec![v1::StorageGarbage {
                    storage_name: "vault".into(),
                    unneeded_objects: 3,
                    unneeded_bytes: 32 << 20,
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        insta::assert_snapshot!(steps(&reply, Look::PLAIN) + "\n" + &storages(&reply, Look::PLAIN));
    }
}
