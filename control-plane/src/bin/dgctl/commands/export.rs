//! `dgctl export`.

use std::collections::BTreeMap;

use clap::Args;
use prost_reflect::Kind as Type;

use super::Context;
use crate::call::call;
use crate::connect::Api;
use crate::declared::{Json, Kind, Object, shortened, write};
use crate::error::{Error, Result};

/// `dgctl export`
///
/// Everything that is set up, as a file for `dgctl apply`: storages, datasources, jobs, and who is told. Secrets are never shown: put in
/// the files that hold them, such as `password_file`, where things are to be made anew elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Export {}

/// What is no part of a declaration: the server makes it.
const MADE: [&str; 6] = ["id", "created_at", "updated_at", "etag", "name", "paused"];

impl Export {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let mut things = Vec::new();
        for kind in Kind::ALL {
            for thing in list(&api, kind).await? {
                things.push(declaration(kind, &thing)?);
            }
        }
        context.output.line(write(&things)?.trim_end())
    }
}

/// All things of a kind, as the API shows them.
async fn list(api: &Api, kind: Kind) -> Result<Vec<Object>> {
    let (mut all, mut token) = (Vec::new(), Json::String(String::new()));
    loop {
        let request = BTreeMap::from([("page_size", Json::from(1000)), ("page_token", token)]);
        let request = request.into_iter().map(|(name, value)| (name.to_owned(), value));
        let mut answer = call(api, kind, "List", request.collect()).await?;
        if let Some(Json::Array(page)) = answer.remove(kind.fields()) {
            all.extend(page.into_iter().filter_map(|thing| match thing {
                Json::Object(thing) => Some(thing),
                _ => None,
            }));
        }
        token = match answer.remove("next_page_token") {
            Some(Json::String(next)) if !next.is_empty() => Json::String(next),
            _ => return Ok(all),
        };
    }
}

/// What has to be said to have it again.
fn declaration(kind: Kind, thing: &Object) -> Result<(Kind, String, Object)> {
    let (_, create, _) = kind.method("Create")?;
    let shown = kind.shown()?;
    let name = thing.get("name").and_then(Json::as_str);
    let name = name.ok_or(Error::Incomplete("name"))?.to_owned();
    let mut kept = Object::new();
    for (field, value) in thing {
        let said = create.get_field_by_name(field).is_some() && !MADE.contains(&field.as_str());
        if let Some(value) = without_defaults(value).filter(|_| said) {
            kept.insert(field.clone(), value);
        }
    }
    let mut kept = shortened(&kept, &shown);
    if kind == Kind::NotificationChannel {
        hide_urls(&mut kept);
    }
    if thing.get("paused") == Some(&Json::Bool(true)) {
        kept.insert("paused".to_owned(), Json::Bool(true));
    }
    let unknown = kept.keys().find(|field| {
        *field != "paused"
            && create
                .get_field_by_name(field)
                .is_none_or(|field| field.kind() == Type::Bytes)
    });
    match unknown {
        None => Ok((kind, name, kept)),
        Some(field) => Err(Error::Json(format!("{field} can't be declared"))),
    }
}

/// URLs are shown without what may be secret in them, which is no URL to go on with.
fn hide_urls(channel: &mut Object) {
    for target in ["webhook", "ping"] {
        if let Some(Json::Object(target)) = channel.get_mut(target) {
            for shown_only in ["url", "header_names", "signed"] {
                target.remove(shown_only);
            }
        }
    }
}

/// Nothing for what is as it would be if nobody said anything.
fn without_defaults(value: &Json) -> Option<Json> {
    match value {
        Json::Null | Json::Bool(false) => None,
        Json::Number(number) if number.as_f64() == Some(0.0) => None,
        Json::String(text) if text.is_empty() || text.ends_with("_UNSPECIFIED") => None,
        Json::Array(items) if items.is_empty() => None,
        Json::Object(object) => {
            let kept = object
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), without_defaults(value)?)));
            Some(Json::Object(kept.collect()))
        }
        _ => Some(value.clone()),
    }
}
