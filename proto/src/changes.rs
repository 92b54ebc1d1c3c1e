//! What a change has made of a thing: the fields of its message that are not as they were, for the audit log.
//!
//! What is secret is said by the field's own option, as in [`redacted`](crate::redacted): of such a field it is told that it is another
//! one, and never which.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, Kind, ReflectMessage as _, SerializeOptions, Value,
};
use serde_json::{Value as Json, json};

use crate::redacted::{known, redact};

/// The most fields that are told of.
const MOST: usize = 50;
/// The longest value that is told whole, in bytes of JSON.
const LONGEST: usize = 500;
/// Fields that every change changes: the row of the log says as much.
const BOOKKEEPING: [&str; 2] = ["etag", "updated_at"];

/// The fields that differ between two messages of that name, as a JSON array of `field`, `before` and `after`: null where there was, or
/// is, nothing. None if nothing differs, or for messages that are unknown.
pub fn changes_json(name: &str, before: &[u8], after: &[u8]) -> Option<String> {
    let (pool, secret) = known()?;
    let descriptor = pool.get_message_by_name(name)?;
    let before = DynamicMessage::decode(descriptor.clone(), before).ok()?;
    let after = DynamicMessage::decode(descriptor, after).ok()?;
    let mut found = Vec::new();
    compare(&before, &after, "", secret, &mut found);
    found.truncate(MOST);
    (!found.is_empty()).then(|| Json::Array(found).to_string())
}

fn compare(
    before: &DynamicMessage,
    after: &DynamicMessage,
    within: &str,
    secret: &ExtensionDescriptor,
    found: &mut Vec<Json>,
) {
    let fields: Vec<_> = before.descriptor().fields().collect();
    for field in fields {
        if BOOKKEEPING.contains(&field.name()) {
            continue;
        }
        let path = match within {
            "" => field.json_name().to_owned(),
            within => format!("{within}.{}", field.json_name()),
        };
        let (was, is) = (before.get_field(&field), after.get_field(&field));
        let both = before.has_field(&field) && after.has_field(&field);
        if let (true, Value::Message(was), Value::Message(is)) = (both && is_ours(&field), &*was, &*is) {
            compare(was, is, &path, secret, found);
            continue;
        }
        if was != is || before.has_field(&field) != after.has_field(&field) {
            found.push(json!({
                "field": path,
                "before": shown(before, &field, secret),
                "after": shown(after, &field, secret),
            }));
        }
    }
}

/// Whether its own fields are worth telling of one by one; a time or a length is one value.
fn is_ours(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(message) if message.full_name().starts_with("dataguardian."))
}

/// What a field holds, as proto3 JSON has it.
fn shown(message: &DynamicMessage, field: &FieldDescriptor, secret: &ExtensionDescriptor) -> Json {
    if field.supports_presence() && !message.has_field(field) {
        return Json::Null;
    }
    let mut alone = DynamicMessage::new(message.descriptor());
    alone.set_field(field, message.get_field(field).into_owned());
    redact(&mut alone, secret);
    let options = SerializeOptions::new().skip_default_fields(false);
    let json = alone.serialize_with_options(serde_json::value::Serializer, &options);
    let value = match json {
        Ok(Json::Object(mut members)) => members.remove(field.json_name()).unwrap_or_default(),
        Ok(_) | Err(_) => Json::Null,
    };
    let text = value.to_string();
    if text.len() <= LONGEST {
        return value;
    }
    let mut end = LONGEST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Json::String(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1;

    fn told<T: prost::Message>(name: &str, before: &T, after: &T) -> Option<Json> {
        let name = format!("dataguardian.v1.{name}");
        let text = changes_json(&name, &before.encode_to_vec(), &after.encode_to_vec())?;
        Some(serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn what_differs_is_told_field_by_field_and_the_rest_is_not() {
        let before = v1::Job {
            name: "nightly".into(),
            storages: vec!["disk".into()],
            options: Some(v1::BackupOptions {
                compression_level: 3,
                ..Default::default()
            }),
            etag: "1".into(),
            ..Default::default()
        };
        let after = v1::Job {
            storages: vec!["disk".into(), "bucket".into()],
            options: Some(v1::BackupOptions {
                compression_level: 9,
                ..Default::default()
            }),
            schedule: Some(v1::Schedule {
                cron: "@daily".into(),
                ..Default::default()
            }),
            etag: "2".into(),
            ..before.clone()
        };
        let changes = told("Job", &before, &after).unwrap();
        let of = |field: &str| {
            let all = changes.as_array().unwrap();
            all.iter()
                .find(|change| change["field"] == field)
                .cloned()
                .unwrap_or_default()
        };
        assert_eq!(changes.as_array().unwrap().len(), 3, "{changes}");
        assert_eq!(of("storages")["after"], json!(["disk", "bucket"]));
        assert_eq!(
            (
                &of("options.compressionLevel")["before"],
                &of("options.compressionLevel")["after"]
            ),
            (&json!(3), &json!(9))
        );
        assert_eq!(
            (&of("schedule")["before"], &of("schedule")["after"]["cron"]),
            (&Json::Null, &json!("@daily"))
        );
        assert_eq!(told("Job", &before, &before), None);
    }

    #[test]
    fn a_secret_is_told_to_be_another_one_and_never_which() {
        let with = |secret: &str| v1::NewS3Storage {
            secret_access_key: secret.into(),
            ..Default::default()
        };
        let changes = told("NewS3Storage", &with("canary one"), &with("canary two")).unwrap();
        assert_eq!(changes[0]["field"], "secretAccessKey");
        assert!(!changes.to_string().contains("canary"), "{changes}");
    }

    #[test]
    fn what_is_very_long_is_cut() {
        let with = |text: &str| v1::Role {
            description: text.into(),
            ..Default::default()
        };
        let changes = told("Role", &with(""), &with(&"é".repeat(1000))).unwrap();
        assert!(changes.to_string().len() < 700);
    }
}
