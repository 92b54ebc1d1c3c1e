//! Requests as the audit log keeps them: in JSON, without what their fields call secret.
//!
//! What is secret is said by the field's own option and not guessed from its name; a test names every field that looks like one.

use std::sync::OnceLock;

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, Kind, ReflectMessage as _, Value};

/// What stands in place of a secret that was given.
const HIDDEN: &str = "[secret]";

/// The request of that method in JSON, at most so many bytes, with what is secret left out. None for a method or a message that
/// is unknown.
pub fn request_json(path: &str, message: &[u8], most: usize) -> Option<String> {
    let (pool, secret) = known()?;
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    let service = pool.get_service_by_name(service)?;
    let method = service.methods().find(|known| known.name() == method)?;
    let mut request = DynamicMessage::decode(method.input(), message).ok()?;
    redact(&mut request, secret);
    let mut text = serde_json::to_string(&request).ok()?;
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Some(text)
}

pub(crate) fn known() -> Option<&'static (DescriptorPool, ExtensionDescriptor)> {
    static KNOWN: OnceLock<Option<(DescriptorPool, ExtensionDescriptor)>> = OnceLock::new();
    let load = || {
        let pool = DescriptorPool::decode(crate::DESCRIPTOR_SET).ok()?;
        let secret = pool.get_extension_by_name("dataguardian.v1.secret")?;
        Some((pool, secret))
    };
    KNOWN.get_or_init(load).as_ref()
}

pub(crate) fn redact(message: &mut DynamicMessage, secret: &ExtensionDescriptor) {
    let fields: Vec<_> = message.descriptor().fields().collect();
    for field in fields {
        if !message.has_field(&field) {
            continue;
        }
        if field.options().get_extension(secret).as_bool() == Some(true) {
            match field.kind() {
                Kind::String if !field.is_list() => {
                    message.set_field(&field, Value::String(HIDDEN.to_owned()));
                }
                _ => message.clear_field(&field),
            }
            continue;
        }
        match message.get_field_mut(&field) {
            Value::Message(inner) => redact(inner, secret),
            Value::List(values) => values.iter_mut().for_each(|value| redact_value(value, secret)),
            Value::Map(values) => values.values_mut().for_each(|value| redact_value(value, secret)),
            _ => {}
        }
    }
}

fn redact_value(value: &mut Value, secret: &ExtensionDescriptor) {
    if let Value::Message(inner) = value {
        redact(inner, secret);
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    #[test]
    fn a_secret_is_told_of_and_not_told() {
        let request = crate::v1::LoginRequest {
            username: "ada".to_owned(),
            password: "canary".to_owned(),
            ..Default::default()
        };
        let path = "/dataguardian.v1.AuthService/Login";
        let text = request_json(path, &request.encode_to_vec(), 4096).unwrap();
        assert_eq!(text, r#"{"username":"ada","password":"[secret]"}"#);
        assert_eq!(request_json("/no.Such/Method", &[], 10), None);
        assert_eq!(request_json(path, &request.encode_to_vec(), 3).unwrap().len(), 3);
    }

    /// Fields of requests whose names sound like secrets and that hold none.
    const HARMLESS: [&str; 6] = [
        "access_key_id",
        "api_token_id",
        "credential_ref",
        "delete_access_key_id",
        "expected_key_id",
        "page_token",
    ];

    #[test]
    fn every_field_that_sounds_like_a_secret_says_whether_it_is_one() {
        let (pool, secret) = known().unwrap();
        let mut messages = Vec::new();
        for service in pool
            .services()
            .filter(|service| service.full_name().starts_with("dataguardian."))
        {
            for method in service.methods().filter(|method| !method.is_client_streaming()) {
                collect(method.input(), &mut messages);
            }
        }
        for field in messages
            .iter()
            .flat_map(|message| message.fields().collect::<Vec<_>>())
        {
            let parts = ["password", "secret", "token", "_key", "credential", "passphrase"];
            let sounds = parts.iter().any(|part| field.name().contains(part));
            let is_text = field.kind() == Kind::String;
            let says = field.options().get_extension(secret).as_bool() == Some(true);
            assert!(
                !sounds || !is_text || says || HARMLESS.contains(&field.name()),
                "{} sounds like a secret",
                field.full_name()
            );
        }
    }

    /// The message and all that it holds.
    fn collect(message: prost_reflect::MessageDescriptor, into: &mut Vec<prost_reflect::MessageDescriptor>) {
        if into.contains(&message) {
            return;
        }
        into.push(message.clone());
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind() {
                collect(inner, into);
            }
        }
    }
}
