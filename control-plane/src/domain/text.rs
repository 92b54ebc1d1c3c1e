//! Limits on texts. Every text that comes from outside is bounded, and none holds a zero byte: PostgreSQL can't store one.

use chrono::{DateTime, Utc};

use super::field::BadField;

/// The longest text in bytes, where nothing else is said.
pub const MAX_TEXT: usize = 255;
/// The longest path or password, in bytes.
pub const MAX_LONG_TEXT: usize = 4096;
/// The longest message from an agent that is kept, in bytes.
pub const MAX_MESSAGE: usize = 4096;
/// The last second of the year 9999, in seconds since 1970.
const END_OF_9999: i64 = 253_402_300_799;

/// A text of at most `most` bytes without zero bytes; may be empty.
pub fn bounded(field: &str, text: &str, most: usize) -> Result<(), BadField> {
    if text.len() > most {
        return Err(BadField::new(
            field,
            format!("is {} bytes long; at most {most} are allowed", text.len()),
        ));
    }
    if text.contains('\0') {
        return Err(BadField::new(field, "must not hold a zero byte"));
    }
    Ok(())
}

/// The same, and not empty.
pub fn required(field: &str, text: &str, most: usize) -> Result<(), BadField> {
    if text.is_empty() {
        return Err(BadField::new(field, "must not be empty"));
    }
    bounded(field, text, most)
}

/// What is kept of a text that is not ours to refuse, such as a failure's message: cut at a character's border to `most`
/// bytes, zero bytes replaced.
pub fn kept(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let cut = &text[..end];
    if cut.contains('\0') {
        cut.replace('\0', "\u{2400}")
    } else {
        cut.to_owned()
    }
}

/// What is kept of a time that somebody else's clock gave: within the years 1970 to 9999, which every database and format can
/// show.
pub fn kept_time(time: DateTime<Utc>) -> DateTime<Utc> {
    let last = DateTime::from_timestamp(END_OF_9999, 0).unwrap_or(DateTime::UNIX_EPOCH);
    time.clamp(DateTime::UNIX_EPOCH, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_bounded_and_hold_no_zero_byte() {
        assert!(bounded("host", &"x".repeat(255), MAX_TEXT).is_ok());
        assert!(bounded("host", &"x".repeat(256), MAX_TEXT).is_err());
        assert!(bounded("host", "a\0b", MAX_TEXT).is_err());
        assert!(required("host", "", MAX_TEXT).is_err());
    }

    #[test]
    fn a_kept_text_is_cut_between_characters() {
        assert_eq!(kept("äää", 3), "ä");
        assert_eq!(kept("a\0b", 10), "a\u{2400}b");
        assert_eq!(kept("short", 10), "short");
    }

    #[test]
    fn a_kept_time_can_be_shown_anywhere() {
        assert_eq!(
            kept_time(DateTime::<Utc>::MAX_UTC).to_rfc3339(),
            "9999-12-31T23:59:59+00:00"
        );
        assert_eq!(kept_time(DateTime::<Utc>::MIN_UTC), DateTime::UNIX_EPOCH);
        let now = DateTime::from_timestamp(1_800_000_000, 5).unwrap();
        assert_eq!(kept_time(now), now);
    }
}
