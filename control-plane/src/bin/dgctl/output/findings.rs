//! Problems and warnings, each with its remedy, below what they belong to.

use dataguardian_proto::v1;

use super::text::printable;

/// Each problem with its advice.
pub(crate) fn problems(problems: &[v1::Failure]) -> String {
    problems
        .iter()
        .map(|problem| failure("problem", problem))
        .collect()
}

/// What went wrong, in the name of `what`, and what to do about it.
pub(crate) fn failure(what: &str, failure: &v1::Failure) -> String {
    let head = format!(
        "{what}: {} [{}]\n",
        printable(&failure.message),
        printable(&failure.reason)
    );
    match failure.advice.as_str() {
        "" => head,
        advice => format!("{head}  advice: {}\n", printable(advice)),
    }
}

/// Each database that a backup lacks, with the reason and the next step.
pub(crate) fn missing(databases: &[v1::MissingDatabase]) -> String {
    let told = |missing: &v1::MissingDatabase| {
        let reason = missing.failure.clone().unwrap_or_default();
        failure(&format!("missing: {}", printable(&missing.name)), &reason)
    };
    databases.iter().map(told).collect()
}

/// Each warning, with its database.
pub(crate) fn warnings(warnings: &[v1::Warning]) -> String {
    let told = |warning: &v1::Warning| match warning.database.as_str() {
        "" => format!("warning: {}\n", printable(&warning.message)),
        database => format!(
            "warning: {}: {}\n",
            printable(database),
            printable(&warning.message)
        ),
    };
    warnings.iter().map(told).collect()
}
