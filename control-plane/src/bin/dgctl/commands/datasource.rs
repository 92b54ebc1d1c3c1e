//! `dgctl datasource`.

mod connection;
mod looks;
mod show;

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use dataguardian_proto::{convert, v1};

use self::connection::{Connection, Selection};
use super::{Context, request_id, required};
use crate::error::{Error, Result};
use crate::paging::Limit;
use crate::values;

/// `dgctl datasource …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a datasource known
    #[command(subcommand)]
    Create(Create),
    /// List datasources
    List(Limit),
    /// Show a datasource
    Get(Named),
    /// Change a datasource
    Update(Box<Update>),
    /// Connect through the agent and say what stands in the way of a backup
    Test(Named),
    /// List the looks that were taken at a datasource from time to time, the newest first
    Health(looks::Looks),
    /// List the server's databases through the agent
    Discover(Named),
    /// Forget a datasource; refused while jobs or backups belong to it
    Delete(Delete),
}

/// `dgctl datasource create …`
#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// A PostgreSQL server
    Postgres(Box<CreateArgs>),
    /// A MySQL server
    #[command(name = "mysql")]
    MySql(Box<CreateArgs>),
    /// A MariaDB server
    #[command(name = "mariadb")]
    MariaDb(Box<CreateArgs>),
}

/// `dgctl datasource create ENGINE`
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which").required(true).multiple(true).args(["databases", "all_databases"]))]
#[command(
    mut_arg("host", |arg| arg.required_unless_present("service")),
    mut_arg("username", |arg| arg.required_unless_present("service"))
)]
pub(crate) struct CreateArgs {
    /// The datasource's name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The agent that reaches it; name or id
    #[arg(long, value_name = "AGENT")]
    agent: String,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    selection: Selection,
    /// Tell people when its newest verified backup is older than this, such as 7d [else: as the control plane is set]
    #[arg(long, value_name = "TIME", value_parser = values::length)]
    max_verified_age: Option<Duration>,
    /// Check everything, change nothing
    #[arg(long)]
    validate_only: bool,
}

/// `dgctl datasource update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Name or id
    datasource: String,
    /// The agent that connects from now on
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    selection: Selection,
    /// Tell people when its newest verified backup is older than this, such as 7d; 0s for what the control plane is set to
    #[arg(long, value_name = "TIME", value_parser = values::length)]
    max_verified_age: Option<Duration>,
}

/// A datasource.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    datasource: String,
}

/// `dgctl datasource delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    datasource: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List(limit) => list(limit, context).await,
            Self::Get(named) => named.get(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Test(named) => named.test(context).await,
            Self::Health(looks) => looks.list(context).await,
            Self::Discover(named) => named.discover(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Postgres(create) => create.run(v1::Engine::Postgres, context).await,
            Self::MySql(create) => create.run(v1::Engine::Mysql, context).await,
            Self::MariaDb(create) => create.run(v1::Engine::Mariadb, context).await,
        }
    }
}

impl CreateArgs {
    async fn run(self, engine: v1::Engine, context: &Context) -> Result<()> {
        let password = self.connection.password()?;
        let tls_mode = self.connection.tls_mode();
        let request = v1::CreateDatasourceRequest {
            name: self.name,
            engine: engine.into(),
            agent: self.agent,
            host: self.connection.host.unwrap_or_default(),
            port: self.connection.port.map(u32::from).unwrap_or_default(),
            username: self.connection.username.unwrap_or_default(),
            password: password
                .map(|secret| secret.expose().to_owned())
                .unwrap_or_default(),
            tls_mode: tls_mode.into(),
            tls_ca_file: self.connection.tls_ca.unwrap_or_default(),
            databases: self.selection.into_wire(),
            maintenance_database: self.connection.maintenance_database.unwrap_or_default(),
            credential_ref: self.connection.credential_ref.unwrap_or_default(),
            service: self.connection.service.unwrap_or_default(),
            request_id: request_id(),
            validate_only: self.validate_only,
            max_verified_age: self.max_verified_age.map(convert::duration),
        };
        let reply = context
            .api()
            .await?
            .datasources()
            .create_datasource(request)
            .await?
            .into_inner();
        context
            .output
            .show(&reply, |reply, look| match &reply.datasource {
                Some(datasource) => show::describe(datasource, look),
                None => "All is well.".into(),
            })
    }
}

async fn list(limit: Limit, context: &Context) -> Result<()> {
    let datasources = context.api().await?.datasources();
    let reply: v1::ListDatasourcesResponse = limit
        .collect(|page_size, page_token| {
            let mut datasources = datasources.clone();
            let request = v1::ListDatasourcesRequest {
                page_size,
                page_token,
            };
            async move { datasources.list_datasources(request).await }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| show::table(&reply.datasources, look))
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let mut paths = self.connection.changed();
        paths.extend(self.selection.is_given().then_some("databases"));
        paths.extend(self.agent.is_some().then_some("agent"));
        paths.extend(self.max_verified_age.is_some().then_some("max_verified_age"));
        if paths.is_empty() {
            return Err(Error::usage(
                "nothing to change was given; see `dgctl datasource update --help`",
            ));
        }
        let password = self.connection.password()?;
        let tls_mode = self.connection.tls_mode();
        let request = v1::UpdateDatasourceRequest {
            datasource: self.datasource,
            host: self.connection.host.unwrap_or_default(),
            port: self.connection.port.map(u32::from).unwrap_or_default(),
            username: self.connection.username.unwrap_or_default(),
            password: password
                .map(|secret| secret.expose().to_owned())
                .unwrap_or_default(),
            tls_mode: tls_mode.into(),
            tls_ca_file: self.connection.tls_ca.unwrap_or_default(),
            databases: self.selection.into_wire(),
            maintenance_database: self.connection.maintenance_database.unwrap_or_default(),
            credential_ref: self.connection.credential_ref.unwrap_or_default(),
            service: self.connection.service.unwrap_or_default(),
            update_mask: Some(prost_types::FieldMask {
                paths: paths.into_iter().map(str::to_owned).collect(),
            }),
            etag: String::new(),
            agent: self.agent.unwrap_or_default(),
            max_verified_age: self.max_verified_age.map(convert::duration),
        };
        let reply = context
            .api()
            .await?
            .datasources()
            .update_datasource(request)
            .await?
            .into_inner();
        let datasource = required(reply.datasource.clone(), "datasource")?;
        context
            .output
            .show(&reply, |_, look| show::describe(&datasource, look))
    }
}

impl Named {
    async fn get(self, context: &Context) -> Result<()> {
        let request = v1::GetDatasourceRequest {
            datasource: self.datasource,
        };
        let reply = context
            .api()
            .await?
            .datasources()
            .get_datasource(request)
            .await?
            .into_inner();
        let datasource = required(reply.datasource.clone(), "datasource")?;
        context
            .output
            .show(&reply, |_, look| show::describe(&datasource, look))
    }

    async fn test(self, context: &Context) -> Result<()> {
        let request = v1::TestDatasourceRequest {
            datasource: self.datasource.clone(),
        };
        let reply = context
            .api()
            .await?
            .datasources()
            .test_datasource(request)
            .await?
            .into_inner();
        context.output.show(&reply, show::test)?;
        match reply.ok {
            true => Ok(()),
            false => Err(Error::TestFailed(format!(
                "datasource {} can't be backed up as it is",
                self.datasource
            ))),
        }
    }

    async fn discover(self, context: &Context) -> Result<()> {
        let request = v1::DiscoverDatabasesRequest {
            datasource: self.datasource,
        };
        let reply = context
            .api()
            .await?
            .datasources()
            .discover_databases(request)
            .await?
            .into_inner();
        context
            .output
            .show(&reply, |reply, look| show::discovered(&reply.databases, look))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        context.confirm(self.yes, &format!("Forget datasource {}?", self.datasource))?;
        let request = v1::DeleteDatasourceRequest {
            datasource: self.datasource.clone(),
        };
        let reply = context
            .api()
            .await?
            .datasources()
            .delete_datasource(request)
            .await?
            .into_inner();
        context.output.show(&reply, |_, _| {
            format!("Datasource {} is forgotten.", self.datasource)
        })
    }
}
