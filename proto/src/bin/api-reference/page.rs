//! A page of the reference, in Markdown.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::OnceLock;

use dataguardian_proto::access::{MethodAccess, Permission, methods};
use prost_reflect::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

use crate::comments::{comment, is_mark};
use crate::reasons::reasons;
use crate::types::{link, page_name, shown};

const MADE: &str = "<!-- Made from the protos by `make api-docs`. Change the comments there. -->\n\n";

const INDEX: &str = "\
# The API

The control plane speaks gRPC and grpc-web on one port. Reflection is on: `grpcurl HOST:8443 list` shows all of this. Calls are made
with a bearer token, `authorization: Bearer dg_…`; `dgctl token create` makes one. What is a field here is a member of the same
name in proto3 JSON, in lowerCamelCase, which is what `dgctl … -o json` writes.

## What every method may answer

Every error carries an `ErrorInfo` with a `reason` in capitals and the domain `dataguardian`, and a sentence with the next step. A
`BAD_REQUEST` (INVALID_ARGUMENT) lists every bad field; where trying again helps there is a `RetryInfo`. Besides what a method's own
page says:

| status | reasons | when |
|---|---|---|
| UNAUTHENTICATED | `BAD_TOKEN`, `BAD_SESSION`, `COOKIE_REFUSED` | it is not known who calls; not of the methods that are open to anybody |
| PERMISSION_DENIED | `PERMISSION_DENIED` | the caller lacks the permission that the method needs; the text names it |
| NOT_FOUND | `…_NOT_FOUND` | there is no such thing, or none that the caller may see |
| INVALID_ARGUMENT | `MALFORMED_CALL` | what was sent is no such request |
| RESOURCE_EXHAUSTED | `MESSAGE_TOO_LARGE`, `TOO_MANY_TRIES`, `TOO_MANY_CALLS`, `TOO_MANY_STREAMS` | the request is too long; too many calls without a good proof came from that address; too many are at work, or too many streams are open |
| UNAVAILABLE | `DATABASE_UNAVAILABLE`, `DATABASE_FULL`, `STOPPING` | the metadata database or this replica is away: try again |
| DEADLINE_EXCEEDED | `TIMED_OUT` | the call took longer than the server allows |
| INTERNAL | `INTERNAL`, `SECRETS`, `DATABASE_ERROR` | we are wrong; the server's log has the particulars |

Lists take `page_size` and `page_token`; the pages follow each other without gaps, whatever changes meanwhile.

## Methods

";

/// One page.
pub(crate) struct Page {
    /// Its file's name in the folder.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Page {
    /// What holds for all of it, and all methods.
    pub(crate) fn index(files: &[FileDescriptor]) -> Self {
        let mut text = MADE.to_owned() + INDEX;
        text += "| method | permission | audited | |\n|---|---|---|---|\n";
        let services = files.iter().flat_map(FileDescriptor::services);
        for method in services.flat_map(|service| service.methods().collect::<Vec<_>>()) {
            let service = method.parent_service();
            let file = service.parent_file();
            let (permission, audited) = access(&method);
            let told = comment(&file, method.path()).unwrap_or_default();
            let first = told.split_once(". ").map_or(told.as_str(), |(first, _)| first);
            // A row for a table that is read at a glance: the first sentence.
            row(
                &mut text,
                &format!(
                    "[{}/{}]({}#{}) | {permission} | {audited} | {}",
                    service.name(),
                    method.name(),
                    page_name(&file),
                    method.name().to_lowercase(),
                    first.trim_end_matches('.'),
                ),
            );
        }
        text += "\n## Types that several services share\n\n";
        for file in files.iter().filter(|file| Self::is_of_types(file)) {
            let names: Vec<_> = file
                .messages()
                .map(|message| message.name().to_owned())
                .chain(file.enums().map(|enumeration| enumeration.name().to_owned()))
                .collect();
            line(
                &mut text,
                &format!("- [{}]({}): {}", title(file), page_name(file), names.join(", ")),
            );
        }
        Self {
            name: "README.md".to_owned(),
            text,
        }
    }

    fn is_of_types(file: &FileDescriptor) -> bool {
        file.services().len() == 0 && file.messages().len() + file.enums().len() > 0
    }

    /// The page of a file; none if it declares nothing that is sent.
    pub(crate) fn of(file: &FileDescriptor) -> Option<Self> {
        if file.services().len() == 0 && !Self::is_of_types(file) {
            return None;
        }
        let mut text = MADE.to_owned();
        let mut shown_with_methods = Vec::new();
        line(&mut text, &format!("# {}\n", title(file)));
        for service in file.services() {
            told_service(&service, &mut text, &mut shown_with_methods);
        }
        let rest: Vec<_> = file
            .messages()
            .filter(|message| !shown_with_methods.contains(message))
            .collect();
        if file.services().len() > 0 && rest.len() + file.enums().len() > 0 {
            line(&mut text, "## Messages and enums\n");
        }
        for message in &rest {
            told_message(message, &mut text);
        }
        for enumeration in file.enums() {
            told_enum(&enumeration, &mut text);
        }
        Some(Self {
            name: page_name(file),
            text: text.trim_end().to_owned() + "\n",
        })
    }
}

fn title(file: &FileDescriptor) -> String {
    let service = file.services().next();
    service.map_or_else(
        || page_name(file).trim_end_matches(".md").to_owned(),
        |service| service.name().to_owned(),
    )
}

fn told_service(service: &ServiceDescriptor, text: &mut String, told: &mut Vec<MessageDescriptor>) {
    let file = service.parent_file();
    line(text, &format!("`{}`\n", service.full_name()));
    if let Some(comment) = comment(&file, service.path()) {
        line(text, &format!("{comment}\n"));
    }
    for method in service.methods() {
        told_method(&method, text);
        for message in [method.input(), method.output()] {
            if message.parent_file() == file && !told.contains(&message) {
                told_message(&message, text);
                told.push(message);
            }
        }
    }
}

fn told_method(method: &MethodDescriptor, text: &mut String) {
    let file = method.parent_service().parent_file();
    line(text, &format!("## {}\n", method.name()));
    if let Some(comment) = comment(&file, method.path()) {
        line(text, &format!("{comment}\n"));
    }
    let named =
        |message: MessageDescriptor| link(message.full_name(), message.name(), &message.parent_file(), &file);
    let stream = if method.is_server_streaming() {
        "a stream of "
    } else {
        ""
    };
    let (permission, audited) = access(method);
    line(
        text,
        &format!(
            "- Takes {}, answers with {stream}{}",
            named(method.input()),
            named(method.output())
        ),
    );
    line(text, &format!("- Permission: {permission}"));
    line(text, &format!("- Audited: {audited}"));
    let reasons: Vec<_> = reasons(method)
        .iter()
        .map(|reason| format!("`{reason}`"))
        .collect();
    if !reasons.is_empty() {
        line(text, &format!("- Errors: {}", reasons.join(", ")));
    }
    line(text, "");
}

static ALL: OnceLock<HashMap<String, MethodAccess>> = OnceLock::new();

/// The permission and whether calls are audited, in words.
fn access(method: &MethodDescriptor) -> (String, &'static str) {
    let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
    let all = ALL.get_or_init(|| methods().unwrap_or_default());
    let Some(found) = all.get(&path) else {
        return ("unknown".to_owned(), "unknown");
    };
    let permission = match &found.permission {
        Permission::Open => "none: open to anybody".to_owned(),
        Permission::Named(name) if name == "auth.self" => "none: everybody's own".to_owned(),
        Permission::Named(name) => format!("`{name}`"),
    };
    (permission, if found.audited { "yes" } else { "no" })
}

fn told_message(message: &MessageDescriptor, text: &mut String) {
    let file = message.parent_file();
    line(text, &format!("### {}\n", message.name()));
    if let Some(comment) = comment(&file, message.path()) {
        line(text, &format!("{comment}\n"));
    }
    if message.fields().len() == 0 {
        line(text, "No fields.\n");
        return;
    }
    line(text, "| field | type | |\n|---|---|---|");
    let mut fields: Vec<_> = message.fields().collect();
    fields.sort_by_key(|field| field.path().to_vec());
    for field in &fields {
        told_field(field, &file, text);
    }
    line(text, "");
}

fn told_field(field: &FieldDescriptor, file: &FileDescriptor, text: &mut String) {
    let mut words = comment(file, field.path())
        .unwrap_or_default()
        .replace('|', "\\|");
    if let Some(oneof) = field.containing_oneof().filter(|oneof| !is_mark(oneof)) {
        let _written = write!(words, " One of `{}`.", oneof.name());
    }
    if is_secret(field) {
        words += " Secret.";
    }
    row(
        text,
        &format!("`{}` | {} | {}", field.name(), shown(field, file), words.trim()),
    );
}

fn is_secret(field: &FieldDescriptor) -> bool {
    let extension = field
        .parent_message()
        .parent_pool()
        .get_extension_by_name("dataguardian.v1.secret");
    extension.is_some_and(|extension| field.options().get_extension(&extension).as_bool() == Some(true))
}

fn told_enum(enumeration: &EnumDescriptor, text: &mut String) {
    let file = enumeration.parent_file();
    line(text, &format!("### {}\n", enumeration.name()));
    if let Some(comment) = comment(&file, enumeration.path()) {
        line(text, &format!("{comment}\n"));
    }
    line(text, "| value | |\n|---|---|");
    for value in enumeration.values() {
        let words = comment(&file, value.path()).unwrap_or_default();
        row(text, &format!("`{}` | {words}", value.name()));
    }
    line(text, "");
}

fn line(text: &mut String, words: &str) {
    text.push_str(words);
    text.push('\n');
}

/// A row of a table, whose cells are divided by ` | `.
fn row(text: &mut String, cells: &str) {
    line(text, &format!("| {cells} |"));
}
