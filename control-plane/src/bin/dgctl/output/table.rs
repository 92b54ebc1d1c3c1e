//! Tables: one line per thing in a list, one line per property of a single thing.
//!
//! On a terminal a table fits the terminal's width; elsewhere nothing is wrapped or cut, and nothing is coloured.

mod columns;

use std::io::{self, IsTerminal as _};

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use self::columns::Columns;
use super::text;

/// The width that is taken for granted if a terminal does not tell its own.
const USUAL_WIDTH: u16 = 100;

/// Blanks between two columns.
const GAP: usize = 2;

/// What the place of output can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Columns; none where lines may be as long as they like.
    pub(crate) width: Option<u16>,
    /// Whether there are colours.
    pub(crate) colours: bool,
}

impl Look {
    /// Plain text of any width.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self {
        width: None,
        colours: false,
    };

    /// What standard output can show.
    pub(crate) fn detect() -> Self {
        if !io::stdout().is_terminal() {
            return Self {
                width: None,
                colours: false,
            };
        }
        Self {
            width: Some(Table::new().width().unwrap_or(USUAL_WIDTH)),
            colours: super::colours_are_welcome(),
        }
    }
}

/// How a field is to be felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As text.
    Plain,
    /// As it should be.
    Good,
    /// On its way.
    Busy,
    /// Not as it should be.
    Bad,
    /// Of less interest.
    Quiet,
}

/// One field of a table.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    text: String,
    tone: Tone,
    right: bool,
    whole: bool,
}

impl Field {
    /// Text from elsewhere; `-` if there is none.
    pub(crate) fn text(text: &str) -> Self {
        Self {
            text: text::cell(text),
            tone: Tone::Plain,
            right: false,
            whole: false,
        }
    }

    /// What people copy: never broken over lines, however narrow the terminal.
    pub(crate) fn id(text: &str) -> Self {
        Self {
            whole: true,
            ..Self::text(text)
        }
    }

    /// A number or size: to the right.
    pub(crate) fn number(text: String) -> Self {
        Self {
            text,
            right: true,
            ..Self::text("")
        }
    }

    /// A yes that is good, and a no that is worth a look.
    pub(crate) fn yes_or_no(yes: bool) -> Self {
        match yes {
            true => Self::text("yes").toned(Tone::Good),
            false => Self::text("no").toned(Tone::Busy),
        }
    }

    /// The same, with a tone.
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    fn cell(self, look: Look) -> Cell {
        let alignment = if self.right {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        };
        let cell = Cell::new(self.text).set_alignment(alignment);
        if !look.colours {
            return cell;
        }
        match self.tone {
            Tone::Plain => cell,
            Tone::Good => cell.fg(Color::Green),
            Tone::Busy => cell.fg(Color::Yellow),
            Tone::Bad => cell.fg(Color::Red),
            Tone::Quiet => cell.add_attribute(Attribute::Dim),
        }
    }
}

/// A list: one line per thing, below a line of titles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<const N: usize> {
    /// The columns' titles.
    pub(crate) titles: [&'static str; N],
    /// Titles of columns that a narrow terminal goes without, the first of them first. Each thing's own page has them.
    pub(crate) spare: &'static [&'static str],
    /// What is said instead of an empty table.
    pub(crate) none: &'static str,
}

impl<const N: usize> List<N> {
    /// The list as text.
    pub(crate) fn show(&self, look: Look, rows: &[[Field; N]]) -> String {
        if rows.is_empty() {
            return self.none.to_owned();
        }
        let columns = Columns::fit(self, look, rows);
        let mut table = blank(look);
        let title = |index: &usize| {
            let title = Field {
                right: rows.iter().any(|row| row[*index].right),
                ..Field::text(&self.titles[*index].to_uppercase())
            };
            let cell = title.cell(look);
            if look.colours {
                cell.add_attribute(Attribute::Bold)
            } else {
                cell
            }
        };
        table.set_header(columns.shown.iter().map(title).collect::<Vec<_>>());
        for row in rows {
            let cell = |index: &usize| row[*index].clone().cell(look);
            table.add_row(columns.shown.iter().map(cell).collect::<Vec<_>>());
        }
        columns.constrain(&mut table);
        rendered(table)
    }
}

/// One line per property of a thing. Properties without a value are left out.
pub(crate) fn details(look: Look, properties: Vec<(&str, Field)>) -> String {
    let mut table = blank(look);
    for (name, field) in properties
        .into_iter()
        .filter(|(_, field)| field.text != text::NONE)
    {
        let name = Field::text(name).toned(Tone::Quiet);
        table.add_row([name, field].map(|mut field| {
            field.right = false;
            field.cell(look)
        }));
    }
    rendered(table)
}

fn blank(look: Look) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match look.width {
        Some(width) => table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    if look.colours {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    table
}

/// The lines, without the blanks that fill the last column, and with the first column at the margin.
fn rendered(mut table: Table) -> String {
    let columns = table.column_count();
    for (index, column) in table.column_iter_mut().enumerate() {
        let after = if index + 1 == columns { 0 } else { GAP };
        column.set_padding((0, u16::try_from(after).unwrap_or_default()));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: List<3> = List {
        titles: ["name", "state", "rows"],
        spare: &["rows"],
        none: "No jobs.",
    };

    fn jobs(look: Look) -> String {
        let row = |name: &str, state: &str, rows: u64| {
            [
                Field::text(name),
                Field::text(state).toned(Tone::Bad),
                Field::number(text::count(rows)),
            ]
        };
        let rows = [
            row("nightly", "completed", 12),
            row("a-job-with-a-rather-long-name", "failed", 1_234_567),
        ];
        JOBS.show(look, &rows)
    }

    fn narrow(width: u16) -> Look {
        Look {
            width: Some(width),
            colours: false,
        }
    }

    #[test]
    fn a_list_lines_up() {
        insta::assert_snapshot!(jobs(Look::PLAIN));
    }

    #[test]
    fn a_list_fits_its_terminal() {
        let text: String = [52, 44, 30]
            .map(|width| format!("{}\n", jobs(narrow(width))))
            .concat();
        insta::assert_snapshot!(text);
        for width in 20..60 {
            let text = jobs(narrow(width));
            assert!(
                text.lines().all(|line| line.chars().count() <= width.into()),
                "{width}: {text}"
            );
        }
    }

    #[test]
    fn an_id_stays_whole_in_a_narrow_terminal() {
        const THINGS: List<3> = List {
            titles: ["id", "created", "state"],
            spare: &[],
            none: "",
        };
        let id = "0192f3a4-0000-7000-8000-000000000001";
        let row = [
            Field::id(id),
            Field::text("2026-11-24 04:08:46"),
            Field::text("completed"),
        ];
        let text = THINGS.show(narrow(50), &[row]);
        assert!(text.contains(id), "{text}");
    }

    #[test]
    fn colours_come_only_where_they_are_welcome() {
        assert!(!jobs(Look::PLAIN).contains('\u{1b}'));
        assert!(
            jobs(Look {
                width: Some(80),
                colours: true
            })
            .contains("\u{1b}[")
        );
    }

    #[test]
    fn an_empty_list_says_so() {
        assert_eq!(JOBS.show(Look::PLAIN, &[]), "No jobs.");
    }

    #[test]
    fn details_leave_out_what_is_not_there() {
        let text = details(
            Look::PLAIN,
            vec![
                ("Name", Field::text("shop")),
                ("Last run", Field::text("")),
                ("Rows", Field::number("12".into())),
            ],
        );
        insta::assert_snapshot!(text);
    }
}
