//! `dgctl profile`: logins to several servers.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Context;
use crate::error::{Error, Result};
use crate::output::Format;
use crate::output::table::{Field, List};
use crate::profile::named::{DEFAULT, Folder};
use crate::profile::{self, Profile};

/// The words.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The logins that are stored, and which of them counts
    List,
    /// Use a login from now on, unless --profile or DATAGUARDIAN_PROFILE names another
    Use(Named),
    /// Forget a login; its token stays good: `dgctl logout --profile NAME` ends it too
    Remove(Named),
}

/// A login.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
}

const PROFILES: List<4> = List {
    titles: ["name", "server", "user", "current"],
    spare: &[],
    none: "You are signed in nowhere: `dgctl login`.",
};

/// A login as programs read of it.
#[derive(Serialize)]
struct Told {
    name: String,
    server: String,
    username: String,
    current: bool,
}

#[derive(Serialize)]
struct All {
    profiles: Vec<Told>,
}

impl Command {
    pub(crate) fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List => show(context),
            Self::Use(named) => {
                let folder = Folder::of_user()?;
                stored(&folder, &named.name)?;
                folder.choose(&named.name)?;
                show(context)
            }
            Self::Remove(named) => {
                let folder = Folder::of_user()?;
                stored(&folder, &named.name)?;
                forget(&folder, &named.name)?;
                show(context)
            }
        }
    }
}

/// Forgets a login; if it was the one that counts, `default` counts from now on.
pub(crate) fn forget(folder: &Folder, name: &str) -> Result<()> {
    profile::remove(&folder.file(name)?)?;
    if folder.current()? == name {
        folder.choose(DEFAULT)?;
    }
    Ok(())
}

fn stored(folder: &Folder, name: &str) -> Result<Profile> {
    Profile::load(&folder.file(name)?)?.ok_or_else(|| {
        Error::usage(format!(
            "there is no profile {name}: `dgctl profile list` shows those that are there"
        ))
    })
}

fn show(context: &Context) -> Result<()> {
    let folder = Folder::of_user()?;
    let current = context.profile_name()?;
    let mut profiles = Vec::new();
    for name in folder.names()? {
        let login = stored(&folder, &name)?;
        profiles.push(Told {
            current: name == current,
            server: login.server,
            username: login.username,
            name,
        });
    }
    if context.output.format() != Format::Table {
        return context.output.value(&All { profiles });
    }
    let row = |told: &Told| {
        [
            Field::text(&told.name),
            Field::text(&told.server),
            Field::text(&told.username),
            Field::text(if told.current { "yes" } else { "" }),
        ]
    };
    let rows: Vec<_> = profiles.iter().map(row).collect();
    let table = PROFILES.show(context.output.look(), &rows);
    context.output.line(table.trim_end())
}
