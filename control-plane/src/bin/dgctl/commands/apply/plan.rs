//! What is to be done about one thing.

use std::fmt::Write as _;

use dataguardian_proto::v1;
use prost_reflect::DynamicMessage;

use super::update::update;
use crate::call::call;
use crate::connect::Api;
use crate::declared::{Change, Declared, Difference, Json, Kind, Object, difference, merged};
use crate::error::{Error, Result};
use crate::output::text::printable;

/// What is to be done about one thing.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is wanted.
    pub(super) declared: Declared,
    /// What makes it so.
    pub(super) step: Step,
    /// Whether its schedule is paused now.
    paused: bool,
    /// Whether secrets are sent again.
    secrets: bool,
}

/// What makes it so.
#[derive(Debug)]
pub(super) enum Step {
    /// It is not there.
    Create(Object),
    /// It is.
    Change {
        /// How it is shown.
        present: Object,
        /// How that differs.
        difference: Difference,
        /// What changes it; none if nothing does.
        request: Option<Object>,
    },
}

impl Plan {
    /// Looks whether it is there, and how it is.
    pub(super) async fn of(api: &Api, declared: Declared, secrets: bool) -> Result<Self> {
        let (kind, name) = (declared.kind, Json::from(declared.name.as_str()));
        let named = Object::from_iter([(kind.field().to_owned(), name.clone())]);
        let found = match call(api, kind, "Get", named).await {
            Ok(mut answer) => answer.remove(kind.field()),
            Err(error) if error.has_reason(kind.not_found()) => None,
            Err(error) => return Err(error),
        };
        let Some(Json::Object(present)) = found else {
            let mut request = declared.wanted.clone();
            request.insert("name".to_owned(), name);
            wrap_secrets(kind, &mut request);
            return Ok(Self {
                declared,
                step: Step::Create(request),
                paused: false,
                secrets,
            });
        };
        let difference = difference(&declared.wanted, &present, &kind.shown()?);
        let request = update(&declared, &present, &difference, secrets)?;
        Ok(Self {
            paused: present.get("paused") == Some(&Json::Bool(true)),
            declared,
            step: Step::Change {
                present,
                difference,
                request,
            },
            secrets,
        })
    }

    /// Refuses what can't be changed, before anything is.
    pub(super) fn check(&self) -> Result<()> {
        let fixed = self.declared.kind.fixed();
        match self
            .changes()
            .iter()
            .find(|change| fixed.contains(&change.at.as_str()))
        {
            None => Ok(()),
            Some(change) => Err(Error::usage(format!(
                "{} {}: {} is {} and can't be changed to {}: make another one under another name; nothing was done",
                self.declared.kind.noun(),
                self.declared.name,
                change.at,
                shown(&change.from),
                shown(&change.to)
            ))),
        }
    }

    /// What differs.
    pub(super) fn changes(&self) -> &[Change] {
        match &self.step {
            Step::Create(_) => &[],
            Step::Change { difference, .. } => &difference.changes,
        }
    }

    /// What it comes to, in a word.
    pub(super) fn action(&self) -> &'static str {
        match &self.step {
            Step::Create(_) => "created",
            Step::Change { request: None, .. } if self.pause().is_none() => "unchanged",
            Step::Change { .. } => "changed",
        }
    }

    /// Whether its schedule is to be paused or to go on.
    pub(super) fn pause(&self) -> Option<bool> {
        self.declared.paused.filter(|paused| *paused != self.paused)
    }

    /// Whether it has secrets that are not sent.
    pub(super) fn leaves_secrets(&self) -> bool {
        match &self.step {
            Step::Create(_) => false,
            Step::Change { difference, .. } => !difference.unseen.is_empty() && !self.secrets,
        }
    }

    /// The job as it is and the retention that it is to have, if that is another one.
    pub(super) fn new_retention(&self) -> Result<Option<(v1::Job, v1::Retention)>> {
        let Step::Change { present, .. } = &self.step else {
            return Ok(None);
        };
        let changes = self.changes().iter();
        let concerned = changes.filter(|change| change.at.split('.').next() == Some("retention"));
        if self.declared.kind != Kind::Job || concerned.count() == 0 {
            return Ok(None);
        }
        let shown = self.declared.kind.shown()?;
        let wanted = merged(present, &self.declared.wanted, &shown);
        let job = DynamicMessage::deserialize(shown, Json::Object(wanted));
        let job = job.map(|job| job.transcode_to::<v1::Job>());
        let job = job.map_err(|error| Error::usage(error.to_string()))?;
        let job = job.map_err(|error| Error::Json(error.to_string()))?;
        let retention = job.retention.clone();
        Ok(retention.map(|retention| (job, retention)))
    }

    /// For people: what is done, and each field that becomes another one.
    pub(super) fn text(&self, dry_run: bool) -> String {
        let declared = &self.declared;
        let word = match (self.action(), dry_run) {
            ("created", true) => "would be created",
            ("changed", true) => "would be changed",
            (action, _) => action,
        };
        let mut text = format!("{} {}: {word}", declared.kind.noun(), printable(&declared.name));
        for change in self.changes() {
            let (from, to) = (shown(&change.from), shown(&change.to));
            write!(text, "\n    {}: {from} -> {to}", change.at).ok();
        }
        if let Step::Change {
            difference,
            request: Some(_),
            ..
        } = &self.step
        {
            for secret in difference.unseen.iter().filter(|_| self.secrets) {
                write!(text, "\n    {secret}: sent again").ok();
            }
        }
        if let Some(paused) = self.pause() {
            write!(text, "\n    paused: {} -> {paused}", self.paused).ok();
        }
        text
    }
}

/// The secrets of a bucket go beside it, and not in it.
fn wrap_secrets(kind: Kind, request: &mut Object) {
    let Some(Json::Object(given)) = request.get_mut("s3").filter(|_| kind == Kind::Storage) else {
        return;
    };
    let mut wrapped = Object::new();
    for secret in ["secret_access_key", "delete_secret_access_key"] {
        if let Some(value) = given.remove(secret) {
            wrapped.insert(secret.to_owned(), value);
        }
    }
    wrapped.insert("s3".to_owned(), Json::Object(std::mem::take(given)));
    *given = wrapped;
}

/// A value on one line.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => "nothing".to_owned(),
        Json::String(text) if text.is_empty() => "nothing".to_owned(),
        Json::String(text) => printable(text).to_string(),
        value => printable(&value.to_string()).to_string(),
    }
}
