//! Types as the pages show them, each with a link to where it is told of.

use prost_reflect::{FieldDescriptor, FileDescriptor, Kind};

use crate::PACKAGE;

/// The page of a file: `job.md` of `dataguardian/v1/job.proto`.
pub(crate) fn page_name(file: &FileDescriptor) -> String {
    let name = file.name().rsplit('/').next().unwrap_or_default();
    format!("{}.md", name.strip_suffix(".proto").unwrap_or(name))
}

/// The type of a field, as on that page.
pub(crate) fn shown(field: &FieldDescriptor, on: &FileDescriptor) -> String {
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else {
            return "map".to_owned();
        };
        let of = |kind: Kind| linked(&kind, on);
        let key = of(entry.map_entry_key_field().kind());
        let value = of(entry.map_entry_value_field().kind());
        return format!("map of {key} to {value}");
    }
    let one = linked(&field.kind(), on);
    match (field.is_list(), field.field_descriptor_proto().proto3_optional()) {
        (true, _) => format!("list of {one}"),
        (false, true) => format!("{one}, optional"),
        (false, false) => one,
    }
}

fn linked(kind: &Kind, on: &FileDescriptor) -> String {
    match kind {
        Kind::Message(message) => link(message.full_name(), message.name(), &message.parent_file(), on),
        Kind::Enum(enumeration) => link(
            enumeration.full_name(),
            enumeration.name(),
            &enumeration.parent_file(),
            on,
        ),
        scalar => format!("{scalar:?}").to_lowercase(),
    }
}

/// A link to a type of ours; of others the name.
pub(crate) fn link(full_name: &str, name: &str, at: &FileDescriptor, on: &FileDescriptor) -> String {
    let anchor = name.to_lowercase();
    if at.package_name() != PACKAGE {
        return full_name
            .strip_prefix("google.protobuf.")
            .unwrap_or(full_name)
            .to_owned();
    }
    match at == on {
        true => format!("[{name}](#{anchor})"),
        false => format!("[{name}]({}#{anchor})", page_name(at)),
    }
}
