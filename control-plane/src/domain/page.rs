//! Pages of lists: a size, and an opaque token that says after which item the next page begins (keyset pagination, AIP-158).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::field::BadField;

/// The page size when the caller names none.
pub const DEFAULT_PAGE_SIZE: u32 = 50;
/// The largest page; a caller who asks for more gets this many.
pub const MAX_PAGE_SIZE: u32 = 1000;
/// No token of ours is longer, in bytes.
const MAX_TOKEN: usize = 512;

/// The place of an item in its list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// In a list in order of names.
    Name(String),
    /// In a list in order of ids.
    Id(Uuid),
    /// In a list in order of numbers.
    Number(u64),
}

/// Which page is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// How many items at most: 1 to [`MAX_PAGE_SIZE`].
    pub size: u32,
    /// The last item of the page before; none for the first page.
    pub after: Option<Cursor>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            size: DEFAULT_PAGE_SIZE,
            after: None,
        }
    }
}

impl PageRequest {
    /// Reads the fields `page_size` and `page_token` of a request. Size 0 is the default, more than the cap is the cap.
    pub fn parse(page_size: i32, page_token: &str) -> Result<Self, BadField> {
        let size =
            u32::try_from(page_size).map_err(|_| BadField::new("page_size", "must not be negative"))?;
        let size = if size == 0 {
            DEFAULT_PAGE_SIZE
        } else {
            size.min(MAX_PAGE_SIZE)
        };
        let after = match page_token {
            "" => None,
            token => Some(Cursor::decode(token).ok_or_else(bad_token)?),
        };
        Ok(Self { size, after })
    }

    /// The name after which to begin, in a list in order of names.
    pub fn after_name(&self) -> Result<Option<&str>, BadField> {
        match &self.after {
            None => Ok(None),
            Some(Cursor::Name(name)) => Ok(Some(name)),
            Some(Cursor::Id(_) | Cursor::Number(_)) => Err(bad_token()),
        }
    }

    /// The id after which to begin, in a list in order of ids.
    pub fn after_id(&self) -> Result<Option<Uuid>, BadField> {
        match &self.after {
            None => Ok(None),
            Some(Cursor::Id(id)) => Ok(Some(*id)),
            Some(Cursor::Name(_) | Cursor::Number(_)) => Err(bad_token()),
        }
    }

    /// The number at which to begin, in a list in order of numbers.
    pub fn from_number(&self) -> Result<u64, BadField> {
        match &self.after {
            None => Ok(0),
            Some(Cursor::Number(number)) => Ok(*number),
            Some(Cursor::Name(_) | Cursor::Id(_)) => Err(bad_token()),
        }
    }
}

/// A token that was not given for this list.
pub fn bad_token() -> BadField {
    BadField::new("page_token", "is not a token that this list has given")
}

impl Cursor {
    fn encode(&self) -> String {
        let mut bytes = Vec::new();
        match self {
            Self::Name(name) => {
                bytes.push(1);
                bytes.extend_from_slice(name.as_bytes());
            }
            Self::Id(id) => {
                bytes.push(2);
                bytes.extend_from_slice(id.as_bytes());
            }
            Self::Number(number) => {
                bytes.push(3);
                bytes.extend_from_slice(&number.to_be_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn decode(token: &str) -> Option<Self> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        match bytes.split_first()? {
            (1, name) if !name.contains(&0) => Some(Self::Name(String::from_utf8(name.to_vec()).ok()?)),
            (2, id) => Some(Self::Id(Uuid::from_slice(id).ok()?)),
            (3, number) => Some(Self::Number(u64::from_be_bytes(number.try_into().ok()?))),
            _ => None,
        }
    }
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The token of the next page; empty after the last one.
    pub next_page_token: String,
}

impl<T> Page<T> {
    /// A page from up to `size + 1` items: the one too many tells that there is another page.
    pub fn from_overfull(mut items: Vec<T>, size: u32, cursor: impl Fn(&T) -> Cursor) -> Self {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = items.len() > size;
        items.truncate(size);
        let next_page_token = match items.last() {
            Some(last) if more => cursor(last).encode(),
            _ => String::new(),
        };
        Self {
            items,
            next_page_token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_have_a_default_and_a_cap() {
        assert_eq!(PageRequest::parse(0, "").unwrap().size, 50);
        assert_eq!(PageRequest::parse(7, "").unwrap().size, 7);
        assert_eq!(PageRequest::parse(i32::MAX, "").unwrap().size, 1000);
        assert_eq!(PageRequest::parse(-1, "").unwrap_err().field, "page_size");
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let page = Page::from_overfull(vec![1_u64, 2], 1, |n| Cursor::Number(*n));
        let request = PageRequest::parse(1, &page.next_page_token).unwrap();
        assert_eq!(request.from_number(), Ok(1));
        assert_eq!(request.after_id().unwrap_err().field, "page_token");
        assert_eq!(request.after_name().unwrap_err().field, "page_token");
    }

    #[test]
    fn the_last_page_has_no_token() {
        let page = Page::from_overfull(vec![1_u64], 1, |n| Cursor::Number(*n));
        assert_eq!((page.items, page.next_page_token.as_str()), (vec![1], ""));
    }

    proptest! {
        #[test]
        fn any_text_is_a_token_or_a_bad_field(text in ".{0,600}") {
            if let Err(bad) = PageRequest::parse(1, &text) {
                prop_assert_eq!(bad.field, "page_token");
            }
        }

        #[test]
        fn cursors_survive(name in "[a-z.]{0,63}", bits: u128, number: u64) {
            for cursor in [Cursor::Name(name.clone()), Cursor::Id(Uuid::from_u128(bits)), Cursor::Number(number)] {
                prop_assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
            }
        }
    }
}
