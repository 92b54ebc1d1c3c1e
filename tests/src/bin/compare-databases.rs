//! Compares two PostgreSQL databases: `compare-databases postgresql://... postgresql://...`.
//!
//! Ends with status 0 if they are equal, 1 if they differ, 2 if they could not be read or hold no table at all.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use comfy_table::Table;
use dataguardian_tests::compare::{Aspect, Comparison, Database, Report};

/// Compares two PostgreSQL databases by schema, rows, sequences, large objects and settings.
#[derive(Debug, Parser)]
struct Arguments {
    /// postgresql://user:password@host:port/database; what is left out comes from PGHOST, PGPASSWORD and the like.
    left: String,
    /// Likewise.
    right: String,
    /// Leave out what belongs to the database itself: owner, grants, comment, settings.
    #[arg(long)]
    without_database_properties: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(report) => show(&report),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn run(arguments: &Arguments) -> Result<Report> {
    let comparison = Comparison::new(
        Database::parse(&arguments.left)?,
        Database::parse(&arguments.right)?,
    );
    match arguments.without_database_properties {
        true => comparison.without(Aspect::Database).run().await,
        false => comparison.run().await,
    }
}

fn show(report: &Report) -> ExitCode {
    let mut table = Table::new();
    table.set_header(["", "tables", "rows", "sequences", "large objects"]);
    for (side, summary) in ["left", "right"].iter().zip(report.summaries()) {
        table.add_row([
            (*side).to_owned(),
            summary.tables.to_string(),
            summary.rows.to_string(),
            summary.sequences.to_string(),
            summary.large_objects.to_string(),
        ]);
    }
    println!("{table}");
    if report.is_equal() {
        let [summary, _] = report.summaries();
        if summary.tables == 0 {
            // Nothing against nothing proves nothing: more likely a wrong name than a success.
            println!("no tables on either side: nothing was compared");
            return ExitCode::from(2);
        }
        println!(
            "databases equal: {} tables, {} rows compared",
            summary.tables, summary.rows
        );
        return ExitCode::SUCCESS;
    }
    for difference in report.differences() {
        println!("- {difference}");
    }
    println!("databases differ: {} differences", report.differences().len());
    ExitCode::FAILURE
}
