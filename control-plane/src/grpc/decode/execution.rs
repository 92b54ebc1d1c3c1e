use dataguardian_core::execution::ExecutionState;
use dataguardian_proto::v1;

use super::{BadFields, bad, checked, known};
use crate::domain::execution::ExecutionFilter;
use crate::domain::field::{BadField, Checks};
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;

/// Which executions to list, and which page of them.
pub(in crate::grpc) fn execution_filter(
    request: &v1::ListExecutionsRequest,
) -> Result<(ExecutionFilter, PageRequest), BadFields> {
    let mut checks = Checks::new();
    let page = checks.take(PageRequest::parse(request.page_size, &request.page_token));
    let filter = ExecutionFilter {
        job: checks.take(optional("job", &request.job)).flatten(),
        datasource: checks.take(optional("datasource", &request.datasource)).flatten(),
        states: checks.take(states(&request.states)).unwrap_or_default(),
        ..ExecutionFilter::default()
    };
    Ok((filter, checked(checks, page)?))
}

fn states(given: &[i32]) -> Result<Vec<ExecutionState>, BadField> {
    let state =
        |&number| ExecutionState::try_from(known::<v1::ExecutionState>("states", number)?).map_err(bad);
    if given.len() > 64 {
        return Err(BadField::new("states", "has more than 64 entries"));
    }
    given.iter().map(state).collect()
}

/// A reference, or none for an empty text.
pub(in crate::grpc) fn optional<Id: std::str::FromStr>(
    field: &str,
    text: &str,
) -> Result<Option<Reference<Id>>, BadField> {
    match text {
        "" => Ok(None),
        text => Reference::parse(field, text).map(Some),
    }
}
