//! What a method refuses calls with: what its options say, and what follows from the fields of its request.

use prost_reflect::{Kind, MethodDescriptor, Value};

/// Fields of requests that name a thing, and the reason when there is no such thing.
const NAMES: [(&str, &str); 17] = [
    ("agent", "AGENT_NOT_FOUND"),
    ("api_token_id", "API_TOKEN_NOT_FOUND"),
    ("backup", "BACKUP_NOT_FOUND"),
    ("backup_id", "BACKUP_NOT_FOUND"),
    ("binding_id", "ROLE_BINDING_NOT_FOUND"),
    ("channel", "NOTIFICATION_CHANNEL_NOT_FOUND"),
    ("channels", "NOTIFICATION_CHANNEL_NOT_FOUND"),
    ("datasource", "DATASOURCE_NOT_FOUND"),
    ("execution_id", "EXECUTION_NOT_FOUND"),
    ("id", "EXECUTION_NOT_FOUND"),
    ("job", "JOB_NOT_FOUND"),
    ("role", "ROLE_NOT_FOUND"),
    ("rule", "NOTIFICATION_RULE_NOT_FOUND"),
    ("session_id", "SESSION_NOT_FOUND"),
    ("storage", "STORAGE_NOT_FOUND"),
    ("storages", "STORAGE_NOT_FOUND"),
    ("user", "USER_NOT_FOUND"),
];

/// The reasons, each once, in order: those of the fields, then the method's own.
pub(crate) fn reasons(method: &MethodDescriptor) -> Vec<String> {
    let input = method.input();
    let mut reasons: Vec<String> = Vec::new();
    if input.fields().len() > 0 {
        reasons.push("BAD_REQUEST".to_owned());
    }
    for field in input.fields() {
        // What a field of a message names, it says itself.
        let is_text = field.kind() == Kind::String;
        let found = NAMES.iter().find(|(name, _)| is_text && *name == field.name());
        reasons.extend(found.map(|(_, reason)| (*reason).to_owned()));
    }
    let named = |name: &str| input.get_field_by_name(name).is_some();
    if method.name().starts_with("Create") && (named("name") || named("username")) {
        reasons.push("NAME_TAKEN".to_owned());
    }
    if named("etag") {
        reasons.push("ETAG_MISMATCH".to_owned());
    }
    if named("request_id") {
        reasons.extend(["REQUEST_ID_REUSED".to_owned(), "REQUEST_IN_PROGRESS".to_owned()]);
    }
    reasons.extend(own(method));
    let mut seen = std::collections::HashSet::new();
    reasons.retain(|reason| seen.insert(reason.clone()));
    reasons
}

fn own(method: &MethodDescriptor) -> Vec<String> {
    let Some(extension) = method
        .parent_pool()
        .get_extension_by_name("dataguardian.v1.reasons")
    else {
        return Vec::new();
    };
    match method.options().get_extension(&extension).as_ref() {
        Value::List(values) => values
            .iter()
            .filter_map(|value| value.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
