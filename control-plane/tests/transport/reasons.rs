//! The reasons that methods name in the protos, against those that the control plane gives.

use std::fs;
use std::path::Path;

use prost_reflect::Value;

use crate::matrix::all_methods;

/// All that stands in Rust files below that folder.
fn source(folder: &Path, all: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_reason_that_a_method_names_is_one_that_is_given() {
    let mut code = String::new();
    source(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let mut named = 0;
    for (path, method) in all_methods() {
        let reasons = method
            .parent_pool()
            .get_extension_by_name("dataguardian.v1.reasons")
            .unwrap();
        let Value::List(values) = method.options().get_extension(&reasons).into_owned() else {
            panic!("{path}: reasons are a list");
        };
        for reason in values {
            let reason = reason.as_str().unwrap().to_owned();
            assert!(code.contains(&format!("\"{reason}\"")), "{path} names {reason}");
            named += 1;
        }
    }
    assert!(named > 100, "{named} are named");
}
