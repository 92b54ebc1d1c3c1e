//! `dgctl user`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::{Context, required};
use crate::ask::{self, SecretSource};
use crate::error::{Error, Result};
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;
use crate::paging::Limit;

/// `dgctl user …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Change your own password; your other sign-ins end
    Password(Password),
    /// Make a user
    Create(Create),
    /// List users, with their roles
    List(Limit),
    /// Show a user
    Get(Named),
    /// Lock a user out: its sign-ins end at once
    Lock(Named),
    /// Let a user in again
    Unlock(Named),
    /// Give a user another password; its sign-ins end, and no code of an app is asked for any more
    ResetPassword(Reset),
    /// Delete a user, with its sign-ins and API tokens
    Delete(Delete),
}

/// `dgctl user password`
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// A file with the password that you have, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    old_password_file: Option<SecretSource>,
    /// A file with the new one, at least 12 characters, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<SecretSource>,
}

/// `dgctl user create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name it signs in with
    #[arg(long, value_name = "NAME")]
    username: String,
    /// A file with its password, at least 12 characters, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<SecretSource>,
    /// A role that it has over everything; may be given again. Without one it may do nothing
    #[arg(long, value_name = "ROLE")]
    role: Vec<String>,
}

/// A user.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    user: String,
}

/// `dgctl user reset-password`
#[derive(Debug, Args)]
pub(crate) struct Reset {
    /// Name or id
    user: String,
    /// A file with the new password, at least 12 characters, - for standard input [else: you are asked]
    #[arg(long, value_name = "FILE")]
    password_file: Option<SecretSource>,
}

/// `dgctl user delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    user: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

const USERS: List<5> = List {
    titles: ["name", "state", "roles", "app codes", "since"],
    spare: &["since", "app codes"],
    none: "No users.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Password(password) => password.run(context).await,
            Self::Create(create) => create.run(context).await,
            Self::List(limit) => list(limit, context).await,
            Self::Get(named) => named.get(context).await,
            Self::Lock(named) => named.set_locked(true, context).await,
            Self::Unlock(named) => named.set_locked(false, context).await,
            Self::ResetPassword(reset) => reset.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

impl Password {
    async fn run(self, context: &Context) -> Result<()> {
        let stdin = Some(SecretSource::Stdin);
        if self.old_password_file == stdin && self.new_password_file == stdin {
            return Err(Error::usage("only one secret can come from standard input"));
        }
        let mut auth = context.api().await?.auth();
        let old = ask::secret(
            self.old_password_file.as_ref(),
            "Old password",
            "--old-password-file",
        )?;
        let new = ask::new_secret(
            self.new_password_file.as_ref(),
            "New password",
            "--new-password-file",
        )?;
        let request = v1::ChangePasswordRequest {
            old_password: old.expose().to_owned(),
            new_password: new.expose().to_owned(),
        };
        let reply = auth.change_password(request).await?.into_inner();
        context.output.show(&reply, |_, _| {
            "The password is changed; your other sign-ins are ended.".to_owned()
        })
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let password = ask::new_secret(self.password_file.as_ref(), "Password", "--password-file")?;
        let request = v1::CreateUserRequest {
            username: self.username,
            password: password.expose().to_owned(),
            roles: self.role,
        };
        let reply = access.create_user(request).await?.into_inner();
        let account = required(reply.account.clone(), "account")?;
        context.output.show(&reply, |_, look| describe(&account, look))
    }
}

async fn list(limit: Limit, context: &Context) -> Result<()> {
    let access = context.api().await?.access();
    let reply: v1::ListUsersResponse = limit
        .collect(|page_size, page_token| {
            let mut access = access.clone();
            let request = v1::ListUsersRequest {
                page_size,
                page_token,
            };
            async move { access.list_users(request).await }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| table(&reply.accounts, look))
}

impl Named {
    async fn get(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::GetUserRequest { user: self.user };
        let reply = access.get_user(request).await?.into_inner();
        let account = required(reply.account.clone(), "account")?;
        context.output.show(&reply, |_, look| describe(&account, look))
    }

    async fn set_locked(self, locked: bool, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::UpdateUserRequest {
            user: self.user.clone(),
            locked: Some(locked),
            ..Default::default()
        };
        let reply = access.update_user(request).await?.into_inner();
        context.output.show(&reply, |_, _| match locked {
            true => format!("User {} is locked out.", self.user),
            false => format!("User {} may sign in.", self.user),
        })
    }
}

impl Reset {
    async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let password = ask::new_secret(self.password_file.as_ref(), "New password", "--password-file")?;
        let request = v1::UpdateUserRequest {
            user: self.user.clone(),
            new_password: password.expose().to_owned(),
            ..Default::default()
        };
        let reply = access.update_user(request).await?.into_inner();
        context.output.show(&reply, |_, _| {
            format!("User {} has the new password; its sign-ins are ended.", self.user)
        })
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        let question = format!("Delete user {} with its sign-ins and API tokens?", self.user);
        context.confirm(self.yes, &question)?;
        let mut access = context.api().await?.access();
        let request = v1::DeleteUserRequest {
            user: self.user.clone(),
        };
        let reply = access.delete_user(request).await?.into_inner();
        context
            .output
            .show(&reply, |_, _| format!("User {} is deleted.", self.user))
    }
}

fn table(accounts: &[v1::UserAccount], look: Look) -> String {
    let row = |account: &v1::UserAccount| {
        let user = account.user.clone().unwrap_or_default();
        [
            Field::text(&user.username),
            state(account),
            Field::text(&roles(account)),
            Field::yes_or_no(account.totp_enabled),
            Field::text(&text::short_time(user.created_at.as_ref(), look.width)),
        ]
    };
    USERS.show(look, &accounts.iter().map(row).collect::<Vec<_>>())
}

fn describe(account: &v1::UserAccount, look: Look) -> String {
    let user = account.user.clone().unwrap_or_default();
    details(
        look,
        vec![
            ("Name", Field::text(&user.username)),
            ("Id", Field::text(&user.id)),
            ("State", state(account)),
            ("Roles", Field::text(&roles(account))),
            ("App codes", Field::yes_or_no(account.totp_enabled)),
            ("Since", Field::text(&text::time(user.created_at.as_ref()))),
        ],
    )
}

fn state(account: &v1::UserAccount) -> Field {
    match account.locked_at {
        Some(_) => Field::text("locked").toned(Tone::Bad),
        None => Field::text("active").toned(Tone::Good),
    }
}

fn roles(account: &v1::UserAccount) -> String {
    let roles: Vec<_> = account.bindings.iter().map(super::role::of_binding).collect();
    roles.join(", ")
}
