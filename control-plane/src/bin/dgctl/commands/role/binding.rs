//! `dgctl role bind`, `unbind` and `bindings`.

use clap::Args;
use dataguardian_proto::v1;

use super::over;
use crate::commands::{Context, required};
use crate::error::Result;
use crate::output::table::{Field, List};

/// What a role is given over.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct Over {
    /// Over this agent alone
    #[arg(long, value_name = "AGENT")]
    agent: Option<String>,
    /// Over this datasource alone, with its jobs, executions and backups
    #[arg(long, value_name = "DATASOURCE")]
    datasource: Option<String>,
    /// Over this storage alone
    #[arg(long, value_name = "STORAGE")]
    storage: Option<String>,
    /// Over this job alone, with its executions and backups
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
}

impl Over {
    /// The scope; none for everything.
    pub(crate) fn scope(self) -> Option<v1::Scope> {
        use v1::ScopeKind::{Agent, Datasource, Job, Storage};
        let all = [
            (Agent, self.agent),
            (Datasource, self.datasource),
            (Storage, self.storage),
            (Job, self.job),
        ];
        all.into_iter().find_map(|(kind, resource)| {
            Some(v1::Scope {
                kind: kind.into(),
                resource: resource?,
                name: String::new(),
            })
        })
    }
}

/// `dgctl role bind`
#[derive(Debug, Args)]
pub(crate) struct Bind {
    /// Name or id of the role
    role: String,
    /// The user who is to have it
    #[arg(long, value_name = "NAME", required_unless_present = "token")]
    user: Option<String>,
    /// The API token that is to have it, by its id
    #[arg(long, value_name = "ID", conflicts_with = "user")]
    token: Option<String>,
    #[command(flatten)]
    over: Over,
}

/// `dgctl role unbind`
#[derive(Debug, Args)]
pub(crate) struct Unbind {
    /// The binding's id, as `role bindings` shows it
    binding: String,
}

/// `dgctl role bindings`
#[derive(Debug, Args)]
pub(crate) struct Listed {
    /// Only those of this user
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

const BINDINGS: List<5> = List {
    titles: ["id", "role", "user", "token", "over"],
    spare: &["token"],
    none: "Nobody has a role.",
};

impl Bind {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::CreateRoleBindingRequest {
            role: self.role,
            user: self.user.unwrap_or_default(),
            api_token_id: self.token.unwrap_or_default(),
            scope: self.over.scope(),
        };
        let reply = access.create_role_binding(request).await?.into_inner();
        let binding = required(reply.binding.clone(), "binding")?;
        context
            .output
            .show(&reply, |_, look| BINDINGS.show(look, &[row(&binding)]))
    }
}

impl Unbind {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::DeleteRoleBindingRequest {
            binding_id: self.binding.clone(),
        };
        let reply = access.delete_role_binding(request).await?.into_inner();
        context
            .output
            .show(&reply, |_, _| format!("Binding {} is gone.", self.binding))
    }
}

impl Listed {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::ListRoleBindingsRequest {
            user: self.user.unwrap_or_default(),
        };
        let reply = access.list_role_bindings(request).await?.into_inner();
        context.output.show(&reply, |reply, look| {
            BINDINGS.show(look, &reply.bindings.iter().map(row).collect::<Vec<_>>())
        })
    }
}

fn row(binding: &v1::RoleBinding) -> [Field; 5] {
    [
        Field::id(&binding.id),
        Field::text(&binding.role),
        Field::text(&binding.user),
        match binding.api_token.as_str() {
            "" => Field::id(&binding.api_token_id),
            name => Field::text(name),
        },
        Field::text(&over(binding.scope.as_ref())),
    ]
}

/// `operator`, or `operator over job 01…`.
pub(crate) fn of_binding(binding: &v1::RoleBinding) -> String {
    match over(binding.scope.as_ref()).as_str() {
        "everything" => binding.role.clone(),
        thing => format!("{} over {thing}", binding.role),
    }
}
