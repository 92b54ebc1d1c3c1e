//! Writes the reference of the API, `docs/api`, from the protos: one page for each of their files.
//!
//! Whatever stands there stands in the protos, in comments and options, and nowhere else: a test fails while the committed pages
//! say anything but what the protos say, and while a method, a field or an enum's value has no comment.
#![allow(
    clippy::print_stderr,
    reason = "a program for developers, which says what it has done"
)]

mod comments;
mod page;
mod reasons;
mod types;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

use prost_reflect::{DescriptorError, DescriptorPool};

use crate::page::Page;

/// What the pages tell of: the public API. What agents and the control plane say to each other is no promise to anybody.
const PACKAGE: &str = "dataguardian.v1";

/// Why the pages could not be written.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the protos can't be read")]
    Protos(#[from] DescriptorError),
    #[error("these have no comment: {}", .0.join(", "))]
    Silent(Vec<String>),
    #[error("{0} can't be written")]
    Write(PathBuf, #[source] io::Error),
}

fn main() -> ExitCode {
    match write(&folder()) {
        Ok(count) => {
            eprintln!("{count} pages in {}", folder().display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("api-reference: {error}");
            ExitCode::FAILURE
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api")
}

/// The pages by their names, in order.
fn pages() -> Result<Vec<Page>, DescriptorError> {
    let pool = DescriptorPool::decode(dataguardian_proto::DESCRIPTOR_SET)?;
    let mut files: Vec<_> = pool
        .files()
        .filter(|file| file.package_name() == PACKAGE)
        .collect();
    files.sort_by(|one, other| one.name().cmp(other.name()));
    let mut pages: Vec<_> = files.iter().filter_map(Page::of).collect();
    pages.insert(0, Page::index(&files));
    Ok(pages)
}

/// What of the API has no comment.
fn silent() -> Result<Vec<String>, DescriptorError> {
    let pool = DescriptorPool::decode(dataguardian_proto::DESCRIPTOR_SET)?;
    let ours = pool.files().filter(|file| file.package_name() == PACKAGE);
    Ok(ours.flat_map(|file| comments::silent(&file)).collect())
}

fn write(folder: &Path) -> Result<usize, Error> {
    let silent = silent()?;
    if !silent.is_empty() {
        return Err(Error::Silent(silent));
    }
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::Write(path, error)
    };
    // Pages of files that are gone go too.
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(failed(folder))?;
    }
    fs::create_dir_all(folder).map_err(failed(folder))?;
    let pages = pages()?;
    for page in &pages {
        let path = folder.join(&page.name);
        fs::write(&path, &page.text).map_err(failed(&path))?;
    }
    Ok(pages.len())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_committed_pages_say_what_the_protos_say() {
        let pages = pages().unwrap();
        for page in &pages {
            let committed = fs::read_to_string(folder().join(&page.name)).unwrap_or_default();
            assert!(
                committed == page.text,
                "docs/api/{} is not what the protos say: `make api-docs` writes it anew",
                page.name
            );
        }
        let made: BTreeSet<_> = pages.into_iter().map(|page| page.name).collect();
        let committed: BTreeSet<_> = fs::read_dir(folder())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(committed, made, "a page of a proto that is gone: `make api-docs`");
    }

    #[test]
    fn every_method_field_and_value_has_a_comment() {
        let silent = silent().unwrap();
        assert!(silent.is_empty(), "without a comment: {silent:#?}");
    }
}
