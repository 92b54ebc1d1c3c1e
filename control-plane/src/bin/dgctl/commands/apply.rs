//! `dgctl apply`.

mod plan;
mod update;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::Context;
use super::job::retention::confirm;
use crate::call::call;
use crate::connect::Api;
use crate::declared::{Change, Json, Kind, Object, parse};
use crate::error::{Error, Result};
use crate::output::Format;
use crate::output::text::counted;
use plan::{Plan, Step};

/// `dgctl apply`
///
/// Makes what a file declares and is not there, and changes what is otherwise; what the file does not name stays as it is, and nothing
/// is ever deleted. Everything is compared before anything is changed. Doing it twice changes nothing the second time. `dgctl export`
/// writes such a file.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The file, in YAML; - for standard input
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Send the secrets of things that are there as well; they can't be compared
    #[arg(long)]
    secrets: bool,
    /// Do not ask; needed where there is no terminal, if a shorter retention deletes backups at once
    #[arg(long)]
    yes: bool,
}

/// What became of one thing, for programs.
#[derive(Debug, Serialize)]
struct Told<'a> {
    kind: &'static str,
    name: &'a str,
    action: &'static str,
    changes: Vec<ToldChange<'a>>,
}

#[derive(Debug, Serialize)]
struct ToldChange<'a> {
    field: &'a str,
    from: &'a Json,
    to: &'a Json,
}

impl Apply {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let declared = parse(&read(&self.file)?, &self.file)?;
        let api = context.api().await?;
        let mut plans = Vec::new();
        for one in declared {
            plans.push(Plan::of(&api, one, self.secrets).await?);
        }
        for plan in &plans {
            plan.check()?;
            if let Some((job, retention)) = plan.new_retention()?.filter(|_| !self.dry_run) {
                confirm(context, &api, &job, &retention, self.yes).await?;
            }
        }
        for plan in &plans {
            if !self.dry_run {
                act(&api, plan).await?;
            }
            if context.output.format() == Format::Table {
                context.output.line(&plan.text(self.dry_run))?;
            }
        }
        match context.output.format() {
            Format::Json | Format::Yaml => self.tell_programs(context, &plans),
            Format::Table => self.tell_people(context, &plans),
        }
    }

    fn tell_programs(&self, context: &Context, plans: &[Plan]) -> Result<()> {
        let told: Vec<_> = plans.iter().map(told).collect();
        context.output.value(&told)
    }

    fn tell_people(&self, context: &Context, plans: &[Plan]) -> Result<()> {
        let count = |wanted: &str| plans.iter().filter(|plan| plan.action() == wanted).count() as u64;
        let (created, changed, same) = (count("created"), count("changed"), count("unchanged"));
        let summary = match self.dry_run {
            true => format!("{created} to create, {changed} to change, {same} unchanged; nothing was done"),
            false => format!("{created} created, {changed} changed, {same} unchanged"),
        };
        context.output.line(&summary)?;
        let kept = plans.iter().filter(|plan| plan.leaves_secrets()).count() as u64;
        if kept > 0 {
            eprintln!(
                "The secrets of {} that are there were left alone, since they can't be compared; --secrets sends them.",
                counted(kept, "thing", "things")
            );
        }
        Ok(())
    }
}

fn told(plan: &Plan) -> Told<'_> {
    let changes = plan.changes().iter();
    Told {
        kind: plan.declared.kind.noun(),
        name: &plan.declared.name,
        action: plan.action(),
        changes: changes
            .map(|Change { at, from, to }| ToldChange { field: at, from, to })
            .collect(),
    }
}

/// Does what is planned. What is there already by the time is no failure of the next try.
async fn act(api: &Api, plan: &Plan) -> Result<()> {
    let declared = &plan.declared;
    match &plan.step {
        Step::Create(request) => {
            call(api, declared.kind, "Create", request.clone()).await?;
        }
        Step::Change {
            request: Some(request),
            ..
        } => {
            call(api, declared.kind, "Update", request.clone()).await?;
        }
        Step::Change { request: None, .. } => {}
    }
    let verb = match plan.pause() {
        None => return Ok(()),
        Some(true) => "Pause",
        Some(false) => "Resume",
    };
    let named = Object::from_iter([(Kind::Job.field().to_owned(), Json::from(declared.name.as_str()))]);
    call(api, Kind::Job, verb, named).await?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    let text = match path.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        _ => std::fs::read_to_string(path),
    };
    text.map_err(|source| Error::File {
        action: "reading",
        path: path.to_owned(),
        source,
    })
}
