use std::fs;

use chrono::DateTime;
use clap::Parser;
use dataguardian_core::ids::ControlPlaneId;
use dataguardian_repository::keys::{InstallationKey, Keyring};
use dataguardian_repository::kit::{Credentials, KitStorage};

use super::*;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    source: Source,
}

fn parse(words: &[&str]) -> Result<Source, clap::Error> {
    let line = Line::try_parse_from([&["rescue"], words].concat())?;
    Ok(line.source)
}

fn of_the_kit() -> S3Settings {
    S3Settings {
        endpoint: "https://s3.example.org".to_owned(),
        region: "eu-1".to_owned(),
        access_key_id: "reader".to_owned(),
        secret_access_key: Secret::new("the kit's"),
        ..S3Settings::of("backups", "dataguardian")
    }
}

fn empty_kit() -> RecoveryKit {
    let keys = Keyring::from(InstallationKey::generate().unwrap());
    RecoveryKit::new(ControlPlaneId::new(), DateTime::UNIX_EPOCH, &keys, &[])
}

fn kit(credentials: Credentials) -> RecoveryKit {
    empty_kit().with_storages(vec![KitStorage::in_bucket("offsite", &of_the_kit(), credentials)])
}

fn never_asked(_: Option<&Path>) -> anyhow::Result<Secret> {
    panic!("nobody is to be asked for a secret")
}

#[test]
fn a_bucket_and_its_folder_are_read() {
    for (text, bucket, prefix) in [
        ("backups", "backups", ""),
        ("backups/", "backups", ""),
        ("s3://backups/a/b/", "backups", "a/b"),
    ] {
        let read: BucketFolder = text.parse().unwrap();
        assert_eq!((read.bucket.as_str(), read.prefix.as_str()), (bucket, prefix));
    }
    for wrong in ["", "/", "s3://", "/a", "backups//a", "backups/../a", "."] {
        assert!(wrong.parse::<BucketFolder>().is_err(), "{wrong:?}");
    }
}

#[test]
fn one_place_is_read_and_a_folder_has_no_endpoint() {
    assert!(parse(&["--repository", "a"]).is_ok());
    assert!(parse(&["--s3", "a/b", "--endpoint", "https://s3.example.org"]).is_ok());
    for wrong in [
        &["--repository", "a", "--s3", "b"][..],
        &["--s3", "a", "--storage", "b", "--kit", "c"],
        &["--storage", "a"],
        &["--repository", "a", "--endpoint", "https://s3.example.org"],
        &["--s3", "a", "--secret-key-file", "b"],
    ] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn the_kit_is_enough_and_what_is_given_counts_more() {
    let known = named(&kit(Credentials::Included), "offsite").unwrap();
    let settings = BucketArgs::default().over(known.clone(), never_asked).unwrap();
    assert_eq!(settings, of_the_kit());

    let given = BucketArgs {
        endpoint: Some("https://elsewhere.example.org".to_owned()),
        path_style: true,
        access_key_id: Some("other".to_owned()),
        ..BucketArgs::default()
    };
    let settings = given.over(known, |_| Ok(Secret::new("given"))).unwrap();
    let expected = S3Settings {
        endpoint: "https://elsewhere.example.org".to_owned(),
        path_style: true,
        access_key_id: "other".to_owned(),
        secret_access_key: Secret::new("given"),
        ..of_the_kit()
    };
    assert_eq!(settings, expected);
}

#[test]
fn a_key_that_is_nowhere_is_asked_for() {
    let known = named(&kit(Credentials::LeftOut), "offsite").unwrap();
    let error = BucketArgs::default().over(known, never_asked).unwrap_err();
    let told = error.to_string();
    assert!(
        told.contains("--access-key-id") && told.contains("s3://backups/dataguardian"),
        "{told}"
    );
}

#[test]
fn a_storage_that_the_kit_does_not_name_is_told_with_those_it_does() {
    let told = named(&kit(Credentials::Included), "vault")
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("offsite (s3://backups/dataguardian at https://s3.example.org)"),
        "{told}"
    );
    assert!(told.contains("1970-01-01") && told.contains("--s3"), "{told}");
    let told = named(&empty_kit(), "vault").unwrap_err().to_string();
    assert!(told.contains("names no storage"), "{told}");
    let told = parse(&["--repository", "x"]).map(|source| Source {
        repository: None,
        ..source
    });
    let told = told
        .unwrap()
        .storage(Some(&kit(Credentials::Included)))
        .unwrap_err();
    assert!(told.to_string().contains("offsite"), "{told}");
}

#[test]
fn a_file_of_authorities_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    fs::write(&file, " \n").unwrap();
    assert!(read_authorities(&file).is_err());
    fs::write(&file, "x".repeat((128 << 10) + 1)).unwrap();
    assert!(read_authorities(&file).is_err());
    fs::write(&file, "x").unwrap();
    assert_eq!(read_authorities(&file).unwrap(), "x");
    assert!(read_authorities(&folder.path().join("none")).is_err());
}
