//! The program itself: what it says before it starts.

use std::process::{Command, Output};

fn dataguardian(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dataguardian"))
        .args(arguments)
        .env_clear()
        .output()
        .expect("the program runs")
}

fn refusal(arguments: &[&str]) -> String {
    let output = dataguardian(arguments);
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_unknown_key_in_the_file_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dataguardian.toml");
    std::fs::write(&file, "[api]\nlissen = '127.0.0.1:1'\n").unwrap();
    let told = refusal(&["serve", "--config", &file.display().to_string()]);
    assert!(told.contains("lissen"), "{told}");
}

#[test]
fn a_password_on_the_command_line_is_refused() {
    let told = refusal(&["serve", "--database-url", "postgres://dg:hunter2@localhost/dg"]);
    assert!(
        told.contains("DATAGUARDIAN_DATABASE_URL") && !told.contains("hunter2"),
        "{told}"
    );
}

#[test]
fn no_plain_text_beyond_loopback() {
    let told = refusal(&["serve", "--plaintext", "--api-listen", "0.0.0.0:0"]);
    assert!(told.contains("api.plaintext"), "{told}");
}

#[test]
fn migrate_makes_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let output = dataguardian(&["migrate", "--data-dir", &data.display().to_string()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(data.join("dataguardian.db").exists());
}

#[test]
fn an_administrator_that_is_not_there_can_not_be_reset() {
    let dir = tempfile::tempdir().unwrap();
    let (data, file) = (dir.path().join("data"), dir.path().join("password"));
    let (data, password) = (data.display().to_string(), file.display().to_string());
    assert!(dataguardian(&["migrate", "--data-dir", &data]).status.success());
    std::fs::write(&file, "short\n").unwrap();
    let reset = ["reset-admin", "--data-dir", &data, "--password-file", &password];
    let told = refusal(&reset);
    assert!(told.contains("password") && !told.contains("short\n"), "{told}");
    std::fs::write(&file, "a new long password\n").unwrap();
    let told = refusal(&reset);
    assert!(told.contains("dgctl setup"), "{told}");
}
