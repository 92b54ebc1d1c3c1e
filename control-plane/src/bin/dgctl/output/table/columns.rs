//! Which columns of a list a terminal has room for, and how narrow each may become.

use comfy_table::{ColumnConstraint, Table, Width};

use super::{Field, GAP, List, Look};

/// The columns that are shown.
pub(super) struct Columns {
    /// Their places in the list.
    pub(super) shown: Vec<usize>,
    /// How narrow each may become; none where width is no matter.
    bounds: Vec<usize>,
}

impl Columns {
    /// Leaves out spare columns until every word fits. If that does not do, words are broken, but never an id.
    pub(super) fn fit<const N: usize>(list: &List<N>, look: Look, rows: &[[Field; N]]) -> Self {
        let mut shown: Vec<usize> = (0..N).collect();
        let Some(width) = look.width.map(usize::from) else {
            return Self {
                shown,
                bounds: Vec::new(),
            };
        };
        let words: [usize; N] = std::array::from_fn(|column| {
            let fields = rows.iter().map(|row| &row[column]);
            let longest = fields.map(Field::longest_word).max().unwrap_or(1);
            longest.max(list.titles[column].len())
        });
        let mut spare = list.spare.iter();
        while needed(&shown, &words) > width {
            let Some(title) = spare.next() else {
                let least = |column: &usize| rows.iter().map(|row| row[*column].least()).max().unwrap_or(1);
                let bounds = shown.iter().map(least).collect();
                return Self { shown, bounds };
            };
            shown.retain(|column| list.titles[*column] != *title);
        }
        let bounds = shown.iter().map(|column| words[*column]).collect();
        Self { shown, bounds }
    }

    /// Tells the table how narrow its columns may become.
    pub(super) fn constrain(&self, table: &mut Table) {
        for (index, bound) in self.bounds.iter().enumerate() {
            let gap = if index + 1 == self.shown.len() { 0 } else { GAP };
            if let (Some(column), Ok(bound)) = (table.column_mut(index), u16::try_from(bound + gap)) {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(bound)));
            }
        }
    }
}

fn needed(shown: &[usize], words: &[usize]) -> usize {
    let words: usize = shown.iter().map(|column| words[*column]).sum();
    words + GAP * shown.len().saturating_sub(1)
}

impl Field {
    /// The length of its longest part that is better not broken.
    fn longest_word(&self) -> usize {
        if self.whole {
            return self.least();
        }
        let words = self.text.split_whitespace().map(|word| word.chars().count());
        words.max().unwrap_or(1)
    }

    /// The length of what must not be broken.
    fn least(&self) -> usize {
        if self.whole { self.text.chars().count() } else { 1 }
    }
}
