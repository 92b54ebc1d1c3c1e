//! What a verification found.

use dataguardian_proto::v1;

use super::table::{Field, List, Look, Tone};
use super::text::{self, bytes, count, counted};

const COPIES: List<4> = List {
    titles: ["storage", "objects", "read", "result"],
    spare: &[],
    none: "No copy was looked into.",
};

/// Faults of one copy that are shown by name.
const SHOWN: usize = 100;

/// One line for each copy, then what is damaged in it.
pub(crate) fn found(report: &v1::VerifyReport, look: Look) -> String {
    let row = |copy: &v1::VerifiedCopy| {
        [
            Field::text(&copy.storage),
            Field::number(count(copy.objects)),
            Field::number(bytes(copy.bytes)),
            result(copy),
        ]
    };
    let table = COPIES.show(look, &report.copies.iter().map(row).collect::<Vec<_>>());
    let faults: String = report.copies.iter().map(faults).collect();
    table + &faults
}

fn result(copy: &v1::VerifiedCopy) -> Field {
    match (&copy.failure, copy.good) {
        (Some(failure), _) => Field::text(&format!("not looked into: {}", failure.message)).toned(Tone::Bad),
        (None, true) => Field::text("whole").toned(Tone::Good),
        (None, false) => {
            let objects = counted(copy.fault_count, "object", "objects");
            Field::text(&format!("{objects} damaged or lost")).toned(Tone::Bad)
        }
    }
}

fn faults(copy: &v1::VerifiedCopy) -> String {
    let mut lines: String = copy
        .faults
        .iter()
        .take(SHOWN)
        .map(|fault| line(&copy.storage, fault))
        .collect();
    let shown = copy.faults.len().min(SHOWN) as u64;
    if copy.fault_count > shown {
        lines += &format!(
            "{}: {} more\n",
            text::cell(&copy.storage),
            count(copy.fault_count - shown)
        );
    }
    lines
}

/// `vault: <object>: it is missing; hurts rows of shop.public.orders`.
pub(crate) fn line(storage: &str, fault: &v1::ObjectFault) -> String {
    let hurts: Vec<_> = fault.hurts.iter().take(5).map(|hurt| text::cell(hurt)).collect();
    let more = fault.hurt_count.saturating_sub(hurts.len() as u64);
    let hurts = match (hurts.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!("; hurts {}", hurts.join(", ")),
        (false, more) => format!("; hurts {} and {} more", hurts.join(", "), count(more)),
    };
    format!(
        "{}: {}: {}{hurts}\n",
        text::cell(storage),
        text::cell(&fault.object),
        text::cell(&fault.problem)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_damaged_is_named_with_what_it_hurts() {
        let fault = v1::ObjectFault {
            object: "d/packs/0a/0a1b".into(),
            problem: "its contents do not have the SHA-256 that is its name".into(),
            hurts: vec!["rows of shop.public.orders".into()],
            hurt_count: 3,
        };
        let copy = |storage: &str, faults: Vec<v1::ObjectFault>| v1::VerifiedCopy {
            storage: storage.into(),
            good: faults.is_empty(),
            objects: 12,
            bytes: 3 << 20,
            fault_count: faults.len() as u64,
            faults,
            failure: None,
        };
        let away = v1::VerifiedCopy {
            storage: "far".into(),
            failure: Some(v1::Failure {
                reason: "STORAGE_UNREACHABLE".into(),
                message: "is its disk mounted?".into(),
                advice: String::new(),
            }),
            ..Default::default()
        };
        let report = v1::VerifyReport {
            level: 1,
            copies: vec![copy("vault", vec![fault]), copy("attic", vec![]), away],
        };
        insta::assert_snapshot!(found(&report, Look::PLAIN));
    }
}
