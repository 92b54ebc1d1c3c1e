//! Narrows the plans to the schemas and tables that are wanted, before anything is touched.

use std::collections::{BTreeMap, BTreeSet};

use dataguardian_core::database::{DatabaseDescription, DatabaseNeeds, Warning};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::ObjectName;
use sqlx::PgConnection;

use super::archive::Archive;
use super::choose::{Chosen, Wanted, choose};
use super::contents::{self, Entry};
use super::plan::Plan;
use super::wanted::{Listed, find};
use super::{RestoreMode, RestoreRequest, into, precheck};
use crate::engines::clients::Client;
use crate::engines::postgres::encoding::Encoding;
use crate::engines::postgres::run::Run;
use crate::engines::postgres::{connect, sequences};
use crate::engines::restore::planned::PlannedTable;

/// A plan of a part of a database, with the archive that it was chosen from.
pub(super) struct Narrowed {
    pub(super) plans: Vec<Plan>,
    /// By the stream's number.
    pub(super) archives: BTreeMap<usize, Archive>,
    pub(super) warnings: Vec<Warning>,
}

/// Narrows. Databases of which nothing is wanted are left out.
pub(super) async fn narrow(
    run: &Run,
    request: &RestoreRequest,
    plans: Vec<Plan>,
    session: &mut PgConnection,
    available: &[Client],
    version_num: u32,
) -> Result<Narrowed, Failure> {
    let mut narrowed = Narrowed {
        plans: Vec::new(),
        archives: BTreeMap::new(),
        warnings: Vec::new(),
    };
    if request.objects.is_everything() {
        narrowed.plans = plans;
        return Ok(narrowed);
    }
    let mut lists = Vec::new();
    for plan in &plans {
        let archive = Archive::fetch(run, &*request.source, plan, available, version_num).await?;
        let mut listed = entries(session, &archive.read().await?, &plan.description).await?;
        let left_out = &plan.description.left_out.archive_entries;
        listed.retain(|entry| !left_out.contains(&entry.id));
        lists.push(listed);
        narrowed.archives.insert(plan.archive, archive);
    }
    let listed: Vec<Listed<'_>> = plans
        .iter()
        .zip(&lists)
        .map(|(plan, entries)| Listed {
            database: &plan.description.name,
            entries,
        })
        .collect();
    let wanted = find(&listed, &request.objects)?;
    let of_several = wanted.iter().filter(|wanted| !wanted.is_nothing()).count() > 1;
    if request.mode == RestoreMode::Into && of_several {
        return Err(unfit_choice(
            "parts of several databases can't go into one: name the database".to_owned(),
        ));
    }
    let mut live = live(run, request, session).await?;
    for ((mut plan, entries), wanted) in plans.into_iter().zip(&lists).zip(&wanted) {
        let mut chosen = choose(entries, wanted, &live.relations);
        if chosen.entries.is_empty() {
            narrowed.archives.remove(&plan.archive);
            continue;
        }
        if !chosen.refused.is_empty() {
            return Err(unfit_choice(chosen.refused.join("; ")));
        }
        narrowed
            .warnings
            .extend(narrow_one(&mut plan, entries, wanted, &chosen, request.mode));
        if let Some(session) = &mut live.session {
            let own = entries.iter().filter(|entry| chosen.entries.contains(&entry.id));
            let own: Vec<Entry> = own.cloned().collect();
            let (there, warnings) = into::look(session, &plan, &own).await?;
            chosen.entries.retain(|id| !there.contains(id));
            narrowed.warnings.extend(warnings);
        }
        if let Some(archive) = narrowed.archives.get_mut(&plan.archive) {
            archive.choose(chosen.entries);
        }
        narrowed.plans.push(plan);
    }
    if let Some(session) = live.session {
        connect::close(session).await;
    }
    if narrowed.plans.is_empty() {
        return Err(unfit_choice(
            "nothing that is in the backup was chosen".to_owned(),
        ));
    }
    Ok(narrowed)
}

fn unfit_choice(message: String) -> Failure {
    Failure::new(FailureKind::ChoiceUnfit, message)
}

/// The live database that parts are added to; neither, if none is, or if it is not there, which is told by the checks.
#[derive(Default)]
struct Live {
    session: Option<PgConnection>,
    relations: BTreeSet<ObjectName>,
}

async fn live(run: &Run, request: &RestoreRequest, session: &mut PgConnection) -> Result<Live, Failure> {
    let Some(into) = request
        .into
        .as_ref()
        .filter(|_| request.mode == RestoreMode::Into)
    else {
        return Ok(Live::default());
    };
    if !precheck::exists(session, into).await? {
        return Ok(Live::default());
    }
    let mut inside = run.connect(into).await?;
    Ok(Live {
        relations: into::relations(&mut inside).await?,
        session: Some(inside),
    })
}

/// An archive's table of contents. Names in other encodings than UTF-8 are read with the server's help.
async fn entries(
    session: &mut PgConnection,
    archive: &[u8],
    description: &DatabaseDescription,
) -> Result<Vec<Entry>, Failure> {
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let encoding = description.encoding.as_deref().unwrap_or("UTF8");
    let encoding = Encoding::named(encoding);
    if encoding.is_as_it_comes() {
        return contents::read(archive, &mut |bytes| plain(bytes));
    }
    let mut foreign: BTreeMap<Vec<u8>, String> = BTreeMap::new();
    contents::read(archive, &mut |bytes| {
        if !bytes.is_ascii() {
            foreign.insert(bytes.to_vec(), String::new());
        }
        String::new()
    })?;
    for (bytes, text) in &mut foreign {
        *text = encoding.decode(session, bytes).await?;
    }
    contents::read(archive, &mut |bytes| {
        foreign.get(bytes).cloned().unwrap_or_else(|| plain(bytes))
    })
}

fn narrow_one(
    plan: &mut Plan,
    entries: &[Entry],
    wanted: &Wanted,
    chosen: &Chosen,
    mode: RestoreMode,
) -> Vec<Warning> {
    let mut warnings = chosen.warnings.clone();
    let of_extensions = |table: &&PlannedTable| {
        wanted.schemas.contains(&table.name.schema) && !chosen.with_rows.contains(&table.name)
    };
    warnings.extend(plan.tables.iter().filter(of_extensions).map(|table| {
        format!(
            "the rows of {} are not restored: the table is an extension's own",
            table.name
        )
    }));
    plan.tables.retain(|table| chosen.with_rows.contains(&table.name));
    plan.bytes = plan.tables.iter().map(|table| table.bytes).sum();
    if plan.large_objects.take().is_some() {
        warnings.push(
            "large objects belong to no table and are not restored: values that refer to them refer to nothing".to_owned(),
        );
    }
    plan.sequence_statements = Some(chosen.sequences.iter().map(sequences::beginning).collect());
    plan.description.needs = needs(&plan.description, entries, chosen, mode);
    let database = Some(plan.description.name.clone());
    let used = chosen.used.iter().map(|shown| into::used(plan, shown));
    let warnings = warnings.into_iter().map(|message| Warning {
        database: database.clone(),
        message,
    });
    warnings.chain(used).collect()
}

/// What the target must have for what is chosen. A role that a grant or a policy may name is taken to be named by it.
fn needs(
    description: &DatabaseDescription,
    entries: &[Entry],
    chosen: &Chosen,
    mode: RestoreMode,
) -> DatabaseNeeds {
    const NAMING: [&str; 4] = ["ACL", "DEFAULT ACL", "POLICY", "USER MAPPING"];
    let chosen_entries = || entries.iter().filter(|entry| chosen.entries.contains(&entry.id));
    let owners: BTreeSet<&str> = chosen_entries().map(|entry| entry.owner.as_str()).collect();
    let naming: Vec<&Entry> = chosen_entries()
        .filter(|entry| NAMING.contains(&entry.kind.as_str()))
        .collect();
    let named = |role: &String, acls: bool| {
        let mut naming = naming.iter().filter(|entry| acls || !entry.kind.ends_with("ACL"));
        naming.any(|entry| entry.definition.contains(role.as_str()))
    };
    // A live database keeps its own owner and grants.
    let of_database = |role: &String| {
        if mode == RestoreMode::Into {
            return false;
        }
        let granted = description
            .acl
            .iter()
            .flatten()
            .any(|item| item.contains(role.as_str()));
        description.owner.as_ref() == Some(role) || granted
    };
    let needs = &description.needs;
    let kept = |roles: &[String], keep: &dyn Fn(&String) -> bool| {
        roles.iter().filter(|role| keep(role)).cloned().collect()
    };
    DatabaseNeeds {
        roles: kept(&needs.roles, &|role| {
            owners.contains(role.as_str()) || of_database(role) || named(role, true)
        }),
        indispensable_roles: kept(&needs.indispensable_roles, &|role| named(role, false)),
        extensions: chosen.extensions.clone(),
        tablespaces: needs.tablespaces.clone(),
    }
}
