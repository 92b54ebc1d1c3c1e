//! The file: lists of things, by kind.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use dataguardian_core::secret::Secret;
use serde::Serialize;

use super::kind::Kind;
use super::shape::{Json, Object, shaped};
use crate::ask::SecretSource;
use crate::error::{Error, Result};

/// A thing that a file declares.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// What it is.
    pub(crate) kind: Kind,
    /// Its name.
    pub(crate) name: String,
    /// The rest of it, in the shape of the message that makes it.
    pub(crate) wanted: Object,
    /// Whether a job's schedule is to be paused, where the file says so.
    pub(crate) paused: Option<bool>,
}

/// Reads a file's text. `path` is what it is called where something is wrong, and where files with secrets are looked for.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<Declared>> {
    let wrong = |problem: String| Error::Content {
        path: path.to_owned(),
        problem,
    };
    let file: Json = serde_saphyr::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let lists = match &file {
        Json::Null => return Ok(Vec::new()),
        Json::Object(lists) => lists,
        _ => return Err(wrong(format!("must hold lists: {}", lists_known()))),
    };
    if let Some(unknown) = lists
        .keys()
        .find(|list| Kind::ALL.iter().all(|kind| kind.list() != *list))
    {
        return Err(wrong(format!(
            "{unknown}: there is no such list; there are {}",
            lists_known()
        )));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut declared = Vec::new();
    for kind in Kind::ALL {
        let Some(list) = lists.get(kind.list()).filter(|list| !list.is_null()) else {
            continue;
        };
        let items = list
            .as_array()
            .ok_or_else(|| wrong(format!("{}: must be a list", kind.list())))?;
        let mut names = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let at = format!("{}[{index}]", kind.list());
            let one = item_of(kind, item, folder).map_err(|problem| wrong(format!("{at}: {problem}")))?;
            let one = one?;
            if !names.insert(one.name.clone()) {
                return Err(wrong(format!(
                    "{at}: {} {} is there twice",
                    kind.noun(),
                    one.name
                )));
            }
            declared.push(one);
        }
    }
    Ok(declared)
}

fn lists_known() -> String {
    Kind::ALL.map(Kind::list).join(", ")
}

fn item_of(kind: Kind, item: &Json, folder: &Path) -> Result<Result<Declared>, String> {
    let object = item.as_object().ok_or("must have fields, `name` among them")?;
    let mut object = object.clone();
    let paused = match (kind, object.remove("paused")) {
        (_, None) => None,
        (Kind::Job, Some(Json::Bool(paused))) => Some(paused),
        (Kind::Job, Some(_)) => return Err("paused: must be true or false".to_owned()),
        (_, Some(_)) => return Err("paused: only jobs are paused".to_owned()),
    };
    let request = match kind.method("Create") {
        Ok((_, request, _)) => request,
        Err(error) => return Ok(Err(error)),
    };
    let read = |path: &str| -> Result<Secret, String> {
        let source = SecretSource::File(folder.join(path));
        source.read().map_err(|error| error.text().trim().to_owned())
    };
    let mut wanted = shaped(&object, &request, "", &read)?;
    let name = match wanted.remove("name") {
        Some(Json::String(name)) if !name.is_empty() => name,
        _ => return Err("name: is missing".to_owned()),
    };
    Ok(Ok(Declared {
        kind,
        name,
        wanted,
        paused,
    }))
}

/// One of a list, its name first.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    #[serde(flatten)]
    rest: &'a Object,
}

/// A file with these things: kind, name and the rest; each list in the order given.
pub(crate) fn write(things: &[(Kind, String, Object)]) -> Result<String> {
    let mut text = String::new();
    for kind in Kind::ALL {
        let of_kind = things.iter().filter(|(of, ..)| *of == kind);
        let list: Vec<_> = of_kind.map(|(_, name, rest)| Listed { name, rest }).collect();
        if !list.is_empty() {
            let lists = BTreeMap::from([(kind.list(), list)]);
            text += &serde_saphyr::to_string(&lists).map_err(|error| Error::Json(error.to_string()))?;
        }
    }
    Ok(text)
}
