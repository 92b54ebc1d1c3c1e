//! Values in the shape of a message: checked field by field, and written one way only, so that they can be compared.

use dataguardian_core::secret::Secret;
use prost_reflect::{EnumDescriptor, FieldDescriptor, Kind as Type, MessageDescriptor};

use crate::values;

/// A value.
pub(crate) type Json = serde_json::Value;
/// A message.
pub(crate) type Object = serde_json::Map<String, Json>;

/// What ends the name of a field that is read from a file.
const FROM_FILE: &str = "_file";
/// Fields of requests that say nothing of the thing.
const OF_THE_REQUEST: [&str; 2] = ["request_id", "validate_only"];

/// Reads a secret from the file that a declaration names.
pub(crate) type ReadFile<'a> = &'a dyn Fn(&str) -> Result<Secret, String>;

/// An object in the shape of that message: names as the protos have them, enums by their full words, lengths of time in seconds.
/// Says at which field something is wrong.
pub(crate) fn shaped(
    object: &Object,
    message: &MessageDescriptor,
    at: &str,
    read: ReadFile<'_>,
) -> Result<Object, String> {
    let mut shaped = Object::new();
    for (name, value) in object {
        let at = match at {
            "" => name.clone(),
            at => format!("{at}.{name}"),
        };
        let (name, value) = match (find(message, name), name.strip_suffix(FROM_FILE)) {
            (Some(field), _) => (field.name().to_owned(), of_field(value, &field, &at, read)?),
            (None, Some(base)) if find(message, base).is_some_and(|field| field.kind() == Type::String) => {
                let path = value
                    .as_str()
                    .ok_or_else(|| format!("{at}: must be the path of a file"))?;
                let content = read(path).map_err(|problem| format!("{at}: {problem}"))?;
                (base.to_owned(), Json::String(content.expose().to_owned()))
            }
            (None, _) => {
                return Err(format!(
                    "{at}: there is no such field; there are {}",
                    names(message)
                ));
            }
        };
        if shaped.insert(name, value).is_some() {
            return Err(format!("{at}: is given twice"));
        }
    }
    Ok(shaped)
}

/// The field of that name. A message that wraps another one beside its secrets has the fields of both.
fn find(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    let known = |message: &MessageDescriptor| {
        let field = message.get_field_by_name(name);
        field.filter(|field| !OF_THE_REQUEST.contains(&field.name()))
    };
    match wrapped(message) {
        Some(inner) => known(&inner).or_else(|| known(message)),
        None => known(message),
    }
}

/// The message that a `New…` one holds beside what is never shown.
pub(super) fn wrapped(message: &MessageDescriptor) -> Option<MessageDescriptor> {
    let inner = message.name().strip_prefix("New")?;
    let mut fields = message.fields().filter_map(|field| match field.kind() {
        Type::Message(held) if held.name() == inner => Some(held),
        _ => None,
    });
    fields.next()
}

fn names(message: &MessageDescriptor) -> String {
    let inner = wrapped(message);
    let all = inner.iter().chain([message]).flat_map(MessageDescriptor::fields);
    let names = all.map(|field| field.name().to_owned());
    let known: Vec<_> = names.filter(|name| find(message, name).is_some()).collect();
    known.join(", ")
}

fn of_field(value: &Json, field: &FieldDescriptor, at: &str, read: ReadFile<'_>) -> Result<Json, String> {
    if value.is_null() {
        return Ok(Json::Null);
    }
    if field.is_map() {
        return Ok(value.clone());
    }
    if !field.is_list() {
        return of_type(value, &field.kind(), at, read);
    }
    let items = value.as_array().ok_or_else(|| format!("{at}: must be a list"))?;
    let items = items.iter().enumerate();
    let shaped = items.map(|(index, item)| of_type(item, &field.kind(), &format!("{at}[{index}]"), read));
    shaped.collect::<Result<Vec<_>, _>>().map(Json::Array)
}

fn of_type(value: &Json, kind: &Type, at: &str, read: ReadFile<'_>) -> Result<Json, String> {
    match kind {
        Type::Message(message) if message.full_name() == "google.protobuf.Duration" => duration(value, at),
        Type::Message(message) => {
            let object = value
                .as_object()
                .ok_or_else(|| format!("{at}: must have fields: {}", names(message)))?;
            shaped(object, message, at, read).map(Json::Object)
        }
        Type::Enum(words) => word(value, words, at),
        Type::String | Type::Bytes => match value {
            Json::String(_) => Ok(value.clone()),
            // YAML reads `no` and `12` as something else than what was meant.
            _ => Err(format!("{at}: must be a text: put it in quotes")),
        },
        Type::Bool => match value {
            Json::Bool(_) => Ok(value.clone()),
            _ => Err(format!("{at}: must be true or false")),
        },
        Type::Int64 | Type::Uint64 | Type::Sint64 | Type::Fixed64 | Type::Sfixed64 => match value {
            Json::Number(number) => Ok(Json::String(number.to_string())),
            _ => Err(format!("{at}: must be a number")),
        },
        _ => match value {
            Json::Number(_) => Ok(value.clone()),
            _ => Err(format!("{at}: must be a number")),
        },
    }
}

fn duration(value: &Json, at: &str) -> Result<Json, String> {
    let text = value
        .as_str()
        .ok_or_else(|| format!("{at}: must be a length of time, such as 90m"))?;
    let length = values::length(text).map_err(|problem| format!("{at}: {problem}"))?;
    Ok(Json::String(format!("{}s", length.as_secs())))
}

fn word(value: &Json, words: &EnumDescriptor, at: &str) -> Result<Json, String> {
    let prefix = prefix(words);
    let given = value.as_str().unwrap_or_default();
    let full = format!("{prefix}{}", given.to_uppercase().replace('-', "_"));
    for name in [given, &full] {
        if words
            .get_value_by_name(name)
            .is_some_and(|found| found.number() != 0)
        {
            return Ok(Json::String(name.to_owned()));
        }
    }
    let known = words.values().filter(|value| value.number() != 0);
    let known: Vec<_> = known.map(|value| short(value.name(), &prefix)).collect();
    Err(format!("{at}: must be one of {}", known.join(", ")))
}

/// What all words of an enum begin with: that of number 0 is `PREFIX_UNSPECIFIED`.
fn prefix(words: &EnumDescriptor) -> String {
    let zero = words.get_value(0);
    let name = zero.map(|zero| zero.name().to_owned()).unwrap_or_default();
    name.strip_suffix("UNSPECIFIED").unwrap_or_default().to_owned()
}

fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}

/// The object as a person writes it: with the short words of enums.
pub(crate) fn shortened(object: &Object, message: &MessageDescriptor) -> Object {
    let mut shortened = Object::new();
    for (name, value) in object {
        let field = message.get_field_by_name(name);
        let value = field.map_or_else(|| value.clone(), |field| shortened_value(value, &field.kind()));
        shortened.insert(name.clone(), value);
    }
    shortened
}

fn shortened_value(value: &Json, kind: &Type) -> Json {
    match (value, kind) {
        (Json::Array(items), _) => items.iter().map(|item| shortened_value(item, kind)).collect(),
        (Json::String(name), Type::Enum(words)) => Json::String(short(name, &prefix(words))),
        (Json::Object(object), Type::Message(message)) => Json::Object(shortened(object, message)),
        _ => value.clone(),
    }
}

/// What there is, with what is wanted laid over it. Of alternatives the wanted one stays.
pub(crate) fn merged(present: &Object, wanted: &Object, message: &MessageDescriptor) -> Object {
    let mut merged = present.clone();
    for (name, value) in wanted {
        let Some(field) = message.get_field_by_name(name) else {
            continue;
        };
        if let Some(choice) = field.containing_oneof() {
            for other in choice.fields().filter(|other| other.name() != name) {
                merged.remove(other.name());
            }
        }
        let value = match (merged.get(name), value, field.kind()) {
            (Some(Json::Object(before)), Json::Object(after), Type::Message(inner)) => {
                Json::Object(self::merged(before, after, &inner))
            }
            _ => value.clone(),
        };
        merged.insert(name.clone(), value);
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::declared::Kind;

    fn object(value: Json) -> Object {
        value.as_object().unwrap().clone()
    }

    fn job(value: Json) -> Result<Object, String> {
        let (_, request, _) = Kind::Job.method("Create").unwrap();
        shaped(&object(value), &request, "", &|path| {
            Ok(Secret::new(format!("content of {path}")))
        })
    }

    #[test]
    fn words_lengths_and_large_numbers_are_written_one_way() {
        let shaped = job(json!({
            "strategy": "replicate",
            "schedule": { "cron": "@daily", "jitter": "90m", "misfire_policy": "run-once" },
            "options": { "chunking": "CHUNKING_STREAM" },
        }));
        assert_eq!(
            Json::Object(shaped.unwrap()),
            json!({
                "strategy": "STRATEGY_REPLICATE",
                "schedule": { "cron": "@daily", "jitter": "5400s", "misfire_policy": "MISFIRE_POLICY_RUN_ONCE" },
                "options": { "chunking": "CHUNKING_STREAM" },
            })
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (wrong, says) in [
            (json!({ "request_id": "x" }), "request_id: there is no such field"),
            (json!({ "storages": "vault" }), "storages: must be a list"),
            (
                json!({ "storages": [12] }),
                "storages[0]: must be a text: put it in quotes",
            ),
            (
                json!({ "schedule": { "cron": true } }),
                "schedule.cron: must be a text",
            ),
            (
                json!({ "options": { "unencrypted": "yes" } }),
                "options.unencrypted: must be true or false",
            ),
            (
                json!({ "options": { "max_attempts": "3" } }),
                "options.max_attempts: must be a number",
            ),
            (
                json!({ "strategy": "unspecified" }),
                "strategy: must be one of fallback, replicate",
            ),
            (
                json!({ "retention": 7 }),
                "retention: must have fields: max_backups",
            ),
        ] {
            let error = job(wrong.clone()).unwrap_err();
            assert!(error.starts_with(says), "{wrong}: {error}");
        }
    }

    #[test]
    fn secrets_come_from_files_and_a_buckets_lie_beside_it() {
        let (_, request, _) = Kind::Storage.method("Create").unwrap();
        let given = json!({ "s3": { "bucket": "b", "access_key_id": "k", "secret_access_key_file": "f" } });
        let shaped = shaped(&object(given), &request, "", &|path| {
            Ok(Secret::new(format!("content of {path}")))
        });
        assert_eq!(
            Json::Object(shaped.unwrap()),
            json!({ "s3": { "bucket": "b", "access_key_id": "k", "secret_access_key": "content of f" } })
        );
    }

    #[test]
    fn of_alternatives_the_wanted_one_stays_and_the_rest_is_laid_over() {
        let shown = Kind::Job.shown().unwrap();
        let present = json!({
            "retention": { "gfs": { "keep_daily": 7 }, "timezone": "UTC" },
            "options": { "compression_level": 3, "max_attempts": 3 },
        });
        let wanted = json!({ "retention": { "max_backups": 5 }, "options": { "max_attempts": 1 } });
        assert_eq!(
            Json::Object(merged(&object(present), &object(wanted), &shown)),
            json!({
                "retention": { "max_backups": 5, "timezone": "UTC" },
                "options": { "compression_level": 3, "max_attempts": 1 },
            })
        );
    }
}
