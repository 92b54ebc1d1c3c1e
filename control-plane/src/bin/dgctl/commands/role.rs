//! `dgctl role`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::{Context, required};
use crate::error::Result;
use crate::output::table::{Field, List, Look, details};
use crate::output::text;
use crate::values::scope_word;

mod binding;

pub(super) use binding::{Over, of_binding};

/// `dgctl role …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List roles
    List,
    /// Show a role with its permissions
    Get(Named),
    /// Make a role
    Create(Create),
    /// Change a role; what is not given stays
    Update(Update),
    /// Delete a role that nobody has
    Delete(Delete),
    /// List all permissions, with the methods that need them
    Permissions,
    /// Give a role to a user or an API token, over everything or over one thing
    Bind(binding::Bind),
    /// Take a role away again
    Unbind(binding::Unbind),
    /// List who has which role
    Bindings(binding::Listed),
}

/// A role.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    role: String,
}

/// `dgctl role create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name
    #[arg(long, value_name = "NAME")]
    name: String,
    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// What it allows, as `role permissions` lists it; may be given again
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
}

/// `dgctl role update`
#[derive(Debug, Args)]
pub(crate) struct Update {
    /// Name or id
    role: String,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// All that it allows from now on; may be given again
    #[arg(long = "permission", value_name = "PERMISSION")]
    permissions: Vec<String>,
}

/// `dgctl role delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    role: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

const ROLES: List<3> = List {
    titles: ["name", "permissions", "for"],
    spare: &["for"],
    none: "No roles.",
};

const PERMISSIONS: List<3> = List {
    titles: ["permission", "over one thing", "methods"],
    spare: &[],
    none: "No permissions.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List => list(context).await,
            Self::Get(named) => named.get(context).await,
            Self::Create(create) => create.run(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Permissions => permissions(context).await,
            Self::Bind(bind) => bind.run(context).await,
            Self::Unbind(unbind) => unbind.run(context).await,
            Self::Bindings(listed) => listed.run(context).await,
        }
    }
}

async fn list(context: &Context) -> Result<()> {
    let mut access = context.api().await?.access();
    let reply = access.list_roles(v1::ListRolesRequest {}).await?.into_inner();
    let row = |role: &v1::Role| {
        let count = match role.permissions.as_slice() {
            [all] if all == "*" => "all".to_owned(),
            some => some.len().to_string(),
        };
        [
            Field::text(&role.name),
            Field::number(count),
            Field::text(&role.description),
        ]
    };
    context.output.show(&reply, |reply, look| {
        ROLES.show(look, &reply.roles.iter().map(row).collect::<Vec<_>>())
    })
}

async fn permissions(context: &Context) -> Result<()> {
    let mut access = context.api().await?.access();
    let request = v1::ListPermissionsRequest {};
    let reply = access.list_permissions(request).await?.into_inner();
    let row = |permission: &v1::Permission| {
        [
            Field::text(&permission.name),
            Field::yes_or_no(permission.scopable),
            Field::text(&permission.methods.join(", ")),
        ]
    };
    context.output.show(&reply, |reply, look| {
        PERMISSIONS.show(look, &reply.permissions.iter().map(row).collect::<Vec<_>>())
    })
}

impl Named {
    async fn get(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::GetRoleRequest { role: self.role };
        let reply = access.get_role(request).await?.into_inner();
        let role = required(reply.role.clone(), "role")?;
        context.output.show(&reply, |_, look| describe(&role, look))
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::CreateRoleRequest {
            name: self.name,
            description: self.description,
            permissions: self.permissions,
        };
        let reply = access.create_role(request).await?.into_inner();
        let role = required(reply.role.clone(), "role")?;
        context.output.show(&reply, |_, look| describe(&role, look))
    }
}

impl Update {
    async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::UpdateRoleRequest {
            role: self.role,
            description: self.description,
            permissions: self.permissions,
            etag: String::new(),
        };
        let reply = access.update_role(request).await?.into_inner();
        let role = required(reply.role.clone(), "role")?;
        context.output.show(&reply, |_, look| describe(&role, look))
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        context.confirm(self.yes, &format!("Delete role {}?", self.role))?;
        let mut access = context.api().await?.access();
        let request = v1::DeleteRoleRequest {
            role: self.role.clone(),
        };
        let reply = access.delete_role(request).await?.into_inner();
        context
            .output
            .show(&reply, |_, _| format!("Role {} is deleted.", self.role))
    }
}

fn describe(role: &v1::Role, look: Look) -> String {
    let all: Vec<_> = role.permissions.iter().map(|name| text::cell(name)).collect();
    details(
        look,
        vec![
            ("Name", Field::text(&role.name)),
            ("Id", Field::text(&role.id)),
            ("For", Field::text(&role.description)),
            ("Permissions", Field::text(&all.join(" "))),
        ],
    )
}

/// `everything`, or the thing.
fn over(scope: Option<&v1::Scope>) -> String {
    match scope {
        Some(scope) if scope.kind() != v1::ScopeKind::Unspecified => {
            // Of what is gone, only the id is known.
            let thing = match scope.name.as_str() {
                "" => &scope.resource,
                name => name,
            };
            format!("{} {}", scope_word(scope.kind()), text::cell(thing))
        }
        Some(_) | None => "everything".to_owned(),
    }
}
