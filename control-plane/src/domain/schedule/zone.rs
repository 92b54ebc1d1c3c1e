//! Time zones by their names in the IANA database.

use chrono_tz::{TZ_VARIANTS, Tz};

use crate::domain::field::BadField;

/// More letters wrong than this, and another zone was meant.
const MOST_WRONG: usize = 3;

/// The zone of that name, or what was wrong with it and which one may have been meant.
pub(super) fn parse(field: &str, name: &str) -> Result<Tz, BadField> {
    name.parse().map_err(|_| {
        let shown: String = name.chars().take(64).collect();
        let hint = near(&shown).map_or_else(
            || "give one as in `Europe/Berlin`, or `UTC`".to_owned(),
            |zone| format!("did you mean {zone}?"),
        );
        BadField::new(field, format!("there is no time zone {shown:?}: {hint}"))
    })
}

/// The zone whose name is nearest, or whose city is: `europe/berlin`, `Berlin` and `Europe/Berln` all mean `Europe/Berlin`.
fn near(name: &str) -> Option<&'static str> {
    let wanted = plain(name);
    if wanted.is_empty() {
        return None;
    }
    let distance = |zone: &&'static str| {
        let whole = distance(&wanted, &plain(zone));
        let city = zone.rsplit_once('/').map_or(whole, |(_, city)| {
            // A city alone is less than was asked for: of two as near, the whole name wins.
            distance(&wanted, &plain(city)).saturating_add(1)
        });
        whole.min(city)
    };
    let nearest = TZ_VARIANTS.iter().map(|zone| zone.name()).min_by_key(distance)?;
    (distance(&nearest) <= MOST_WRONG).then_some(nearest)
}

/// Without what people write one way or another.
fn plain(name: &str) -> Vec<char> {
    let letters = name.chars().flat_map(char::to_lowercase);
    letters
        .map(|letter| {
            if letter == ' ' || letter == '-' {
                '_'
            } else {
                letter
            }
        })
        .collect()
}

/// How many letters have to be changed, added or left out (Levenshtein).
fn distance(one: &[char], other: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, other_letter) in row.iter_mut().skip(1).zip(other) {
            let changed = diagonal + usize::from(letter != other_letter);
            diagonal = *cell;
            left = changed.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_is_misspelt_is_guessed() {
        for (given, meant) in [
            ("Europe/Berln", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("Berlin", "Europe/Berlin"),
            ("America/New York", "America/New_York"),
            ("new york", "America/New_York"),
            ("Asia/Tokio", "Asia/Tokyo"),
            ("utc", "UTC"),
        ] {
            let bad = parse("schedule.timezone", given).unwrap_err();
            assert_eq!(
                bad.description,
                format!("there is no time zone {given:?}: did you mean {meant}?")
            );
        }
    }

    #[test]
    fn nothing_is_guessed_at_what_is_no_zone() {
        for given in ["", "Middle-earth/Hobbiton", &"x".repeat(4000)] {
            let bad = parse("schedule.timezone", given).unwrap_err();
            assert!(bad.description.contains("give one as in"), "{bad}");
            assert!(bad.description.len() < 200);
        }
        assert_eq!(
            parse("schedule.timezone", "Europe/Berlin"),
            Ok(Tz::Europe__Berlin)
        );
    }
}
