//! `dgctl storage`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::{Context, request_id, required};
use crate::error::{Error, Result};
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;
use crate::output::{findings, health};
use crate::paging::Limit;

/// `dgctl storage …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Probe a place and make a repository there
    #[command(subcommand)]
    Create(Create),
    /// List storages
    List(Limit),
    /// Show a storage
    Get(Named),
    /// Write, read and remove a small object
    Test(Named),
    /// List the looks that were taken at a storage from time to time, the newest first
    Health(looks::Looks),
    /// Change a storage
    Update(Update),
    /// Look for backups in a storage that the catalogue does not know, as after an older metadata database was restored, and
    /// enter those of this control plane
    Import(import::Import),
    /// Forget a storage; what lies in it stays
    Delete(Delete),
}

/// `dgctl storage create …`
#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// A folder on an agent's host, reached by that agent alone
    Local(CreateLocal),
    /// A folder in a bucket of Amazon S3, or of anything that speaks its protocol
    S3(Box<s3::CreateS3>),
}

/// `dgctl storage create local`
#[derive(Debug, Args)]
pub(crate) struct CreateLocal {
    /// The storage's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The agent on whose host it is; name or id
    #[arg(long, value_name = "AGENT")]
    agent: String,
    /// The folder, as an absolute path on that host
    #[arg(long, value_name = "PATH")]
    path: String,
    /// Backups that may be written into it at the same time, up to 1000; 0 for as many as come
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_concurrent: u32,
    /// Check everything, change nothing
    #[arg(long)]
    validate_only: bool,
}

/// `dgctl storage update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Name or id
    storage: String,
    /// Backups that may be written into it at the same time, up to 1000; 0 for as many as come
    #[arg(long, value_name = "N")]
    max_concurrent: Option<u32>,
    /// Of a local storage: the agent on whose host its folder lies from now on; the repository must be there already
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// Of a local storage: the folder, absolute, in which the repository lies from now on
    #[arg(long, value_name = "DIR")]
    path: Option<String>,
    #[command(flatten)]
    s3: s3::ChangeS3,
}

/// A storage.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    storage: String,
}

/// `dgctl storage delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    storage: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

mod import;
mod looks;
mod s3;

const STORAGES: List<5> = List {
    titles: ["name", "condition", "kind", "place", "no overwrite"],
    spare: &["no overwrite"],
    none: "No storages yet: `dgctl storage create` makes one.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Create(Create::Local(create)) => create.run(context).await,
            Self::Create(Create::S3(create)) => create.run(context).await,
            Self::List(limit) => list_storages(limit, context).await,
            Self::Get(named) => {
                let mut storages = context.api().await?.storages();
                let request = v1::GetStorageRequest {
                    storage: named.storage,
                };
                let reply = storages.get_storage(request).await?.into_inner();
                let storage = required(reply.storage.clone(), "storage")?;
                context.output.show(&reply, |_, look| describe(&storage, look))
            }
            Self::Test(named) => named.test(context).await,
            Self::Health(looks) => looks.list(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Import(import) => import.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

impl CreateLocal {
    async fn run(self, context: &Context) -> Result<()> {
        let local = v1::LocalStorage {
            agent: self.agent,
            path: self.path,
        };
        let request = v1::CreateStorageRequest {
            name: self.name,
            location: Some(v1::create_storage_request::Location::Local(local)),
            max_concurrent: self.max_concurrent,
            request_id: request_id(),
            validate_only: self.validate_only,
        };
        create(request, context).await
    }
}

async fn create(request: v1::CreateStorageRequest, context: &Context) -> Result<()> {
    let mut storages = context.api().await?.storages();
    let reply = storages.create_storage(request).await?.into_inner();
    context.output.show(&reply, |reply, look| {
        reply
            .storage
            .as_ref()
            .map_or_else(|| "All is well.".into(), |storage| describe(storage, look))
    })
}

async fn list_storages(limit: Limit, context: &Context) -> Result<()> {
    let storages = context.api().await?.storages();
    let reply: v1::ListStoragesResponse = limit
        .collect(|page_size, page_token| {
            let mut storages = storages.clone();
            async move {
                storages
                    .list_storages(v1::ListStoragesRequest {
                        page_size,
                        page_token,
                    })
                    .await
            }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| table(&reply.storages, look))
}

impl Named {
    async fn test(self, context: &Context) -> Result<()> {
        let mut storages = context.api().await?.storages();
        let request = v1::TestStorageRequest {
            storage: self.storage.clone(),
        };
        let reply = storages.test_storage(request).await?.into_inner();
        context.output.show(&reply, describe_test)?;
        match reply.ok {
            true => Ok(()),
            false => Err(Error::TestFailed(format!(
                "storage {} can't be used as it is",
                self.storage
            ))),
        }
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let mut request = v1::UpdateStorageRequest {
            storage: self.storage,
            max_concurrent: self.max_concurrent.unwrap_or_default(),
            ..Default::default()
        };
        let mut paths = self.s3.fill(&mut request)?;
        if self.max_concurrent.is_some() {
            paths.push("max_concurrent".to_owned());
        }
        if self.agent.is_some() || self.path.is_some() {
            request.local = Some(v1::LocalStorage {
                agent: self.agent.unwrap_or_default(),
                path: self.path.unwrap_or_default(),
            });
            paths.push("local".to_owned());
        }
        if paths.is_empty() {
            return Err(Error::usage(
                "nothing to change: see `dgctl storage update --help`",
            ));
        }
        request.update_mask = Some(prost_types::FieldMask { paths });
        let mut storages = context.api().await?.storages();
        let reply = storages.update_storage(request).await?.into_inner();
        let storage = required(reply.storage.clone(), "storage")?;
        context.output.show(&reply, |_, look| describe(&storage, look))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        context.confirm(self.yes, &format!("Forget storage {}?", self.storage))?;
        let mut storages = context.api().await?.storages();
        let request = v1::DeleteStorageRequest {
            storage: self.storage.clone(),
        };
        let reply = storages.delete_storage(request).await?.into_inner();
        context.output.show(&reply, |_, _| {
            format!(
                "Storage {} is forgotten; what lies in it is untouched.",
                self.storage
            )
        })
    }
}

/// Kind and place.
fn place(storage: &v1::Storage) -> (&'static str, String) {
    match &storage.location {
        Some(v1::storage::Location::Local(local)) => ("local", format!("{}:{}", local.agent, local.path)),
        Some(v1::storage::Location::S3(s3)) => ("s3", s3::place(s3)),
        None => ("unknown", String::new()),
    }
}

fn table(storages: &[v1::Storage], look: Look) -> String {
    let row = |storage: &v1::Storage| {
        let (kind, place) = place(storage);
        [
            Field::text(&storage.name),
            health::condition(storage.health.as_ref()),
            Field::text(kind),
            Field::text(&place),
            Field::yes_or_no(storage.conditional_put),
        ]
    };
    STORAGES.show(look, &storages.iter().map(row).collect::<Vec<_>>())
}

fn describe(storage: &v1::Storage, look: Look) -> String {
    let (kind, place) = place(storage);
    let hold = |hold: &v1::CollectionHold| {
        let since = text::time_and_distance(hold.since.as_ref());
        text::cell(&format!("{}, since {since}: {}", hold.datasource, hold.reason))
    };
    let holds: Vec<_> = storage.collection_holds.iter().map(hold).collect();
    let mut rows = vec![
        ("Name", Field::text(&storage.name)),
        ("Id", Field::text(&storage.id)),
        ("Kind", Field::text(kind)),
        ("Place", Field::text(&place)),
        ("Repository", Field::text(&storage.repository_id)),
        ("Refuses overwriting", Field::yes_or_no(storage.conditional_put)),
        (
            "Safe from its agents",
            Field::yes_or_no(storage.protected_from_agents),
        ),
        (
            "Backups at the same time",
            Field::text(&match storage.max_concurrent {
                0 => String::new(),
                limit => format!("{limit} at most"),
            }),
        ),
        (
            "Created",
            Field::text(&text::time_and_distance(storage.created_at.as_ref())),
        ),
        ("Collection held", Field::text(&holds.join("; ")).toned(Tone::Bad)),
    ];
    rows.extend(health::rows(storage.health.as_ref()));
    details(look, rows) + &health::problems(storage.health.as_ref())
}

fn describe_test(reply: &v1::TestStorageResponse, look: Look) -> String {
    let free = reply.free_bytes.map(text::bytes).unwrap_or_default();
    let summary = details(
        look,
        vec![
            ("Usable", Field::yes_or_no(reply.ok)),
            ("Refuses overwriting", Field::yes_or_no(reply.conditional_put)),
            ("Free", Field::text(&free)),
        ],
    );
    summary + &findings::problems(&reply.problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_storage_is_shown_with_its_place() {
        let storage = v1::Storage {
            name: "vault".into(),
            location: Some(v1::storage::Location::Local(v1::LocalStorage {
                agent: "db1".into(),
                path: "/srv/backups".into(),
            })),
            conditional_put: true,
            ..Default::default()
        };
        insta::assert_snapshot!(
            table(std::slice::from_ref(&storage), Look::PLAIN) + "\n" + &describe(&storage, Look::PLAIN)
        );
    }

    #[test]
    fn a_failed_test_tells_problem_and_advice() {
        let reply = v1::TestStorageResponse {
            free_bytes: Some(5 << 30),
            problems: vec![v1::Failure {
                reason: "STORAGE_DENIED".into(),
                message: "/srv/backups: permission denied".into(),
                advice: "check the permissions of the path".into(),
            }],
            ..Default::default()
        };
        insta::assert_snapshot!(describe_test(&reply, Look::PLAIN));
    }
}
