//! Takes the built web interface into the program: every file under `web/dist`, as it is and compressed.
//!
//! Without Node there is nothing there but the marker that keeps the folder; then the program has no interface, and says how
//! to get one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What is beside a file in a compressed form.
const ENCODINGS: [&str; 2] = ["br", "gz"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=web/dist");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("web/dist");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();

    let mut code = String::from("static FILES: &[File] = &[\n");
    for file in files.iter().filter(|file| is_served(file)) {
        let path = file.strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
        write!(code, "File {{ path: {path:?}, plain: include_bytes!({file:?})")?;
        for encoding in ENCODINGS {
            let beside = PathBuf::from(format!("{}.{encoding}", file.display()));
            if files.contains(&beside) {
                write!(code, ", {encoding}: Some(include_bytes!({beside:?}))")?;
            } else {
                write!(code, ", {encoding}: None")?;
            }
        }
        code.push_str(" },\n");
    }
    code.push_str("];\n");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("ui.rs"), code)?;
    Ok(())
}

/// Hidden files and the compressed forms are not served under names of their own.
fn is_served(file: &Path) -> bool {
    let hidden = file
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let compressed = file
        .extension()
        .is_some_and(|kind| ENCODINGS.iter().any(|encoding| kind == *encoding));
    !hidden && !compressed
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
