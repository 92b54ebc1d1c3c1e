//! What these tests add to `target/faults.md`.

use dataguardian_tests::fault_report::{Line, Section};
use tokio::time::Instant;

/// A line of that section, in a part of its own.
pub(crate) fn tell(section: &str, fault: &str, outcome: &str, began: Instant) {
    let mut section = Section::begin_part(section, fault).unwrap();
    section
        .add(Line::new(fault, outcome, began.elapsed(), ""))
        .unwrap();
}
