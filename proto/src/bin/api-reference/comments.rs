//! What the protos say in their comments.

use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor, OneofDescriptor};

/// The comment before what is at that place of the file, on one line; none if there is none.
pub(crate) fn comment(file: &FileDescriptor, path: &[i32]) -> Option<String> {
    let info = file.file_descriptor_proto().source_code_info.as_ref()?;
    let location = info.location.iter().find(|location| location.path == path)?;
    let words: Vec<_> = location.leading_comments().split_whitespace().collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// What of a file has no comment, by its full name: services, methods, enums and their values, fields, and oneofs that are no
/// mere mark of an optional field.
pub(crate) fn silent(file: &FileDescriptor) -> Vec<String> {
    let mut all = Vec::new();
    for service in file.services() {
        all.push((service.full_name().to_owned(), service.path().to_vec()));
        all.extend(
            service
                .methods()
                .map(|method| (method.full_name().to_owned(), method.path().to_vec())),
        );
    }
    file.enums()
        .for_each(|enumeration| values(&enumeration, &mut all));
    file.messages().for_each(|message| members(&message, &mut all));
    all.into_iter()
        .filter(|(_, path)| comment(file, path).is_none())
        .map(|(name, _)| name)
        .collect()
}

fn values(enumeration: &EnumDescriptor, all: &mut Vec<(String, Vec<i32>)>) {
    all.push((enumeration.full_name().to_owned(), enumeration.path().to_vec()));
    all.extend(
        enumeration
            .values()
            .map(|value| (value.full_name().to_owned(), value.path().to_vec())),
    );
}

fn members(message: &MessageDescriptor, all: &mut Vec<(String, Vec<i32>)>) {
    // What stands for a map's entries is written nowhere.
    if message.is_map_entry() {
        return;
    }
    all.extend(
        message
            .fields()
            .map(|field| (field.full_name().to_owned(), field.path().to_vec())),
    );
    let choices = message.oneofs().filter(|oneof| !is_mark(oneof));
    all.extend(choices.map(|oneof| (oneof.full_name().to_owned(), oneof.path().to_vec())));
    message
        .child_enums()
        .for_each(|enumeration| values(&enumeration, all));
    message.child_messages().for_each(|child| members(&child, all));
}

/// Whether it only marks an optional field.
pub(crate) fn is_mark(oneof: &OneofDescriptor) -> bool {
    oneof.is_synthetic()
}
