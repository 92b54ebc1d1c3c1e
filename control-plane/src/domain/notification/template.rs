//! Bodies of webhooks by template: [Jinja](https://jinja.palletsprojects.com/en/stable/templates/), as minijinja has it.
//!
//! A template is tried when a channel is made, on everything that may be told and in awkward words; so what is saved works.

use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};

use super::message::Fields;
use super::{EventKind, Notification, Phase};
use crate::domain::field::BadField;

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 16 << 10;
/// The longest body, in bytes.
const MAX_BODY: usize = 256 << 10;
/// Steps that one body may take.
const FUEL: u64 = 200_000;

/// Why a template gives no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// It can't be read, or names what there is not.
    #[error("line {line}: {problem}")]
    Jinja {
        /// Where.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Its body is too long.
    #[error("the body is longer than {MAX_BODY} bytes")]
    TooLong,
    /// Its body is not JSON where it should be.
    #[error("the body is not JSON ({0}): write texts as {{{{ title | tojson }}}}, with no quotes around")]
    NotJson(String),
}

/// The body of a message: by the template, or all fields as JSON if it is empty.
pub fn body(template: &str, fields: &Fields) -> Result<String, BadTemplate> {
    if template.is_empty() {
        return serde_json::to_string(fields).map_err(|error| BadTemplate::NotJson(error.to_string()));
    }
    let mut jinja = Environment::new();
    jinja.set_undefined_behavior(UndefinedBehavior::Strict);
    jinja.set_fuel(Some(FUEL));
    // The name ends in nothing that would have values escaped behind the author's back: JSON goes through `tojson`.
    let body = jinja
        .render_named_str("body", template, Value::from(Serde(fields)))
        .map_err(|error| BadTemplate::Jinja {
            line: error.line().unwrap_or(1),
            problem: error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned),
        })?;
    match body.len() <= MAX_BODY {
        true => Ok(body),
        false => Err(BadTemplate::TooLong),
    }
}

/// Tries a template on whatever may be told.
pub fn check(field: &str, template: &str, content_type: &str) -> Result<(), BadField> {
    if template.len() > MAX_TEMPLATE {
        return Err(BadField::new(
            field,
            format!("is longer than {MAX_TEMPLATE} bytes"),
        ));
    }
    for fields in samples() {
        let checked = body(template, &fields).and_then(|body| match is_json(content_type) {
            true => serde_json::from_str::<serde::de::IgnoredAny>(&body)
                .map(drop)
                .map_err(|error| BadTemplate::NotJson(error.to_string())),
            false => Ok(()),
        });
        checked.map_err(|bad| BadField::new(field, bad.to_string()))?;
    }
    Ok(())
}

/// Whether a body of that type has to be JSON.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json") || kind.to_ascii_lowercase().ends_with("+json")
}

/// Of each kind and phase one, in words with quotes, breaks and backslashes.
fn samples() -> impl Iterator<Item = Fields> {
    let phases = [Phase::Began, Phase::Reminder, Phase::Recovered, Phase::Happened];
    let all = EventKind::ALL
        .into_iter()
        .flat_map(move |kind| phases.map(|phase| (kind, phase)));
    all.map(|(kind, phase)| {
        let notification = Notification {
            kind,
            phase,
            summary: "Backup of \"shop\" \\ ünwise 'names' failed".to_owned(),
            details: "first line\nsecond\tline </script> {{ }}".to_owned(),
            ..Notification::test("sample", chrono::DateTime::UNIX_EPOCH)
        };
        super::message::fields(&notification, "00000000-0000-0000-0000-000000000000")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    #[test]
    fn without_a_template_all_fields_are_json() {
        let fields = samples().next().unwrap();
        let body: serde_json::Value = serde_json::from_str(&body("", &fields).unwrap()).unwrap();
        assert_eq!(body["event"], "backup_failed");
        assert_eq!(body["title"], fields.title);
    }

    #[test]
    fn templates_of_the_documentation_are_right() {
        for template in [
            "{\"text\": {{ text | tojson }}}",
            "{\"topic\": \"backups\", \"title\": {{ title | tojson }}, \"message\": {{ details | tojson }}, \"priority\": {{ 5 if severity == 'error' else 3 }}}",
        ] {
            assert_eq!(check("body_template", template, JSON), Ok(()), "{template}");
        }
        assert_eq!(
            check("body_template", "{{ title }}: {{ details }}", "text/plain"),
            Ok(())
        );
    }

    #[test]
    fn what_would_fail_later_is_refused_now() {
        for (template, told) in [
            ("{\"text\": \"{{ title }}\"}", "tojson"),
            ("{{ titel }}", "line 1"),
            ("\n{% if %}", "line 2"),
            (
                "{% for i in range(9999) %}{% for j in range(9999) %}x{% endfor %}{% endfor %}",
                "fuel",
            ),
        ] {
            let bad = check("body_template", template, JSON).unwrap_err();
            assert!(bad.description.contains(told), "{template}: {bad}");
        }
        let long = "x".repeat(MAX_TEMPLATE + 1);
        assert!(check("body_template", &long, "text/plain").is_err());
    }

    #[test]
    fn files_and_other_templates_are_out_of_reach() {
        for template in ["{% include 'x' %}", "{% extends 'x' %}", "{% import 'x' as y %}"] {
            assert!(
                check("body_template", template, "text/plain").is_err(),
                "{template}"
            );
        }
    }
}
