//! What there is, compared with what is wanted.

use prost_reflect::{Kind as Type, MessageDescriptor};

use super::shape::{Json, Object};

/// A field that is to be another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    /// Where: `options.compression_level`.
    pub(crate) at: String,
    /// What is there; null if nothing is.
    pub(crate) from: Json,
    /// What is wanted; null if nothing is.
    pub(crate) to: Json,
}

/// All that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Fields that are to be others.
    pub(crate) changes: Vec<Change>,
    /// Fields that are never shown, and so can't be compared.
    pub(crate) unseen: Vec<String>,
}

/// Compares what is wanted of a thing with how it is shown; what is not wanted does not count.
pub(crate) fn difference(wanted: &Object, present: &Object, shown: &MessageDescriptor) -> Difference {
    let mut difference = Difference::default();
    compare(wanted, present, shown, "", &mut difference);
    difference
}

fn compare(wanted: &Object, present: &Object, shown: &MessageDescriptor, at: &str, into: &mut Difference) {
    for (name, value) in wanted {
        let at = match at {
            "" => name.clone(),
            at => format!("{at}.{name}"),
        };
        let Some(field) = shown.get_field_by_name(name) else {
            into.unseen.push(at);
            continue;
        };
        let found = present.get(name).unwrap_or(&Json::Null);
        match (value, found, field.kind()) {
            (Json::Object(value), Json::Object(found), Type::Message(inner)) if !field.is_map() => {
                compare(value, found, &inner, &at, into);
            }
            // What holds secrets alone is never shown.
            (Json::Object(value), Json::Null, Type::Message(inner)) if is_unseen(value, &inner) => {
                into.unseen.push(at);
            }
            _ if is_same(value, found) => {}
            _ => into.changes.push(Change {
                at,
                from: found.clone(),
                to: value.clone(),
            }),
        }
    }
}

fn is_unseen(wanted: &Object, shown: &MessageDescriptor) -> bool {
    !wanted.is_empty() && wanted.keys().all(|name| shown.get_field_by_name(name).is_none())
}

/// Nothing is the same as nothing, however it is written.
fn is_same(wanted: &Json, found: &Json) -> bool {
    let is_nothing = |value: &Json| match value {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::String(text) => text.is_empty(),
        Json::Object(object) => object.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    };
    wanted == found || (is_nothing(wanted) && is_nothing(found))
}
