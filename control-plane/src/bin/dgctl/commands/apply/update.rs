//! The request that changes what differs.

use std::collections::BTreeSet;

use crate::declared::{Declared, Difference, Json, Kind, Object, merged};
use crate::error::{Error, Result};

/// The request; none if nothing is to be changed. It names the version that was compared: whoever changes the thing in between is not
/// overruled.
pub(super) fn update(
    declared: &Declared,
    present: &Object,
    difference: &Difference,
    secrets: bool,
) -> Result<Option<Object>> {
    let unseen = difference.unseen.iter().filter(|_| secrets);
    let concerned: Vec<&str> = difference
        .changes
        .iter()
        .map(|change| &change.at)
        .chain(unseen)
        .map(String::as_str)
        .collect();
    if concerned.is_empty() {
        return Ok(None);
    }
    let wanted = merged(present, &declared.wanted, &declared.kind.shown()?);
    let (mut request, mask) = match declared.kind {
        Kind::Storage => storage(declared, &wanted, &concerned)?,
        Kind::NotificationChannel => channel(declared, &wanted, &concerned),
        Kind::Datasource | Kind::Job | Kind::NotificationRule => whole_fields(declared, &wanted, &concerned),
    };
    let mask: Vec<_> = mask.iter().map(|path| in_json(path)).collect();
    request.insert("update_mask".to_owned(), Json::from(mask.join(",")));
    request.insert(
        declared.kind.field().to_owned(),
        Json::from(declared.name.as_str()),
    );
    if let Some(etag) = present.get("etag") {
        request.insert("etag".to_owned(), etag.clone());
    }
    Ok(Some(request))
}

type Masked = (Object, BTreeSet<String>);

/// Each field that is concerned, as a whole.
fn whole_fields(declared: &Declared, wanted: &Object, concerned: &[&str]) -> Masked {
    let (mut request, mut mask) = Masked::default();
    for at in concerned {
        let name = first(at);
        let value = wanted.get(name).or_else(|| declared.wanted.get(name));
        put(&mut request, name, value);
        mask.insert(name.to_owned());
    }
    (request, mask)
}

/// Of a bucket only what leads there can be changed; a key goes with its secret.
fn storage(declared: &Declared, wanted: &Object, concerned: &[&str]) -> Result<Masked> {
    let (mut request, mut mask) = Masked::default();
    let s3 = declared.wanted.get("s3").and_then(Json::as_object);
    for at in concerned {
        match *at {
            "s3.endpoint" | "s3.ca_pem" => {
                let name = &at["s3.".len()..];
                put(&mut request, name, s3.and_then(|s3| s3.get(name)));
                mask.insert(name.to_owned());
            }
            "s3.access_key_id" | "s3.secret_access_key" => {
                pair(&mut request, s3, ["access_key_id", "secret_access_key"], declared)?;
                mask.insert("access_key".to_owned());
            }
            "s3.delete_access_key_id" | "s3.delete_secret_access_key" => {
                pair(
                    &mut request,
                    s3,
                    ["delete_access_key_id", "delete_secret_access_key"],
                    declared,
                )?;
                mask.insert("delete_access_key".to_owned());
            }
            at => {
                let name = first(at);
                put(&mut request, name, wanted.get(name));
                mask.insert(name.to_owned());
            }
        }
    }
    Ok((request, mask))
}

fn pair(request: &mut Object, s3: Option<&Object>, names: [&str; 2], declared: &Declared) -> Result<()> {
    for name in names {
        let value = s3.and_then(|s3| s3.get(name));
        let value = value.ok_or_else(|| {
            Error::usage(format!(
                "storage {}: {} and {} are changed together: declare both; nothing was done",
                declared.name, names[0], names[1]
            ))
        })?;
        put(request, name, Some(value));
    }
    Ok(())
}

/// The target is replaced as a whole; each secret is named by itself.
fn channel(declared: &Declared, wanted: &Object, concerned: &[&str]) -> Masked {
    let (mut request, mut mask) = Masked::default();
    for at in concerned {
        match first(at) {
            "secrets" => {
                let secrets = declared.wanted.get("secrets").and_then(Json::as_object);
                put(&mut request, "secrets", declared.wanted.get("secrets"));
                let names = secrets.into_iter().flat_map(Object::keys);
                mask.extend(names.map(|name| format!("secrets.{name}")));
            }
            "disabled" => {
                put(&mut request, "disabled", wanted.get("disabled"));
                mask.insert("disabled".to_owned());
            }
            target => {
                put(&mut request, target, wanted.get(target));
                mask.insert("target".to_owned());
            }
        }
    }
    (request, mask)
}

/// A path as masks have it in JSON: `secrets.signingSecret`.
fn in_json(path: &str) -> String {
    let mut text = String::new();
    let mut upper = false;
    for c in path.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                text.extend(c.to_uppercase());
                upper = false;
            }
            c => text.push(c),
        }
    }
    text
}

fn first(at: &str) -> &str {
    at.split('.').next().unwrap_or(at)
}

/// Nothing, for what is not there.
fn put(request: &mut Object, name: &str, value: Option<&Json>) {
    let value = value.filter(|value| !value.is_null());
    if let Some(value) = value {
        request.insert(name.to_owned(), value.clone());
    }
}
