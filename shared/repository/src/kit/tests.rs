use super::*;
use crate::storage::s3::S3Settings;
use crate::testing::{DATASOURCE, installation_key, trusted};

fn kit() -> RecoveryKit {
    let key = Keyring::from(installation_key());
    RecoveryKit::new(ControlPlaneId::new(), DateTime::UNIX_EPOCH, &key, &trusted())
}

fn holds(kit: &RecoveryKit) {
    assert_eq!(kit.keys().unwrap().key_ids(), [installation_key().key_id()]);
    assert_eq!(kit.signers().unwrap(), trusted());
}

#[test]
fn a_passphrase_opens_the_kit_and_the_kit_those_in_the_repositories() {
    let (identity, recipient) = Recipient::generate();
    let passphrase = Secret::new("correct horse battery staple");
    let sealed = kit().with_identity(&identity).seal_with(&passphrase).unwrap();
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"));
    let opened = RecoveryKit::open(sealed.as_bytes(), &Opener::Passphrase(passphrase)).unwrap();
    holds(&opened);
    let later = kit().seal_for(&[recipient]).unwrap();
    holds(&RecoveryKit::open(later.as_bytes(), &opened.opener().unwrap()).unwrap());
}

#[test]
fn a_passphrase_is_as_hard_to_guess_however_busy_the_machine_was() {
    let sealed = kit()
        .seal_with(&Secret::new("correct horse battery staple"))
        .unwrap();
    let mut header = Vec::new();
    let mut beginning = ArmoredReader::new(sealed.as_bytes()).take(60);
    beginning.read_to_end(&mut header).unwrap();
    let header = String::from_utf8_lossy(&header);
    let stanza = header.lines().nth(1).unwrap();
    assert!(
        stanza.starts_with("-> scrypt ") && stanza.ends_with(" 17"),
        "{header}"
    );
}

#[test]
fn others_do_not_open_it() {
    let passphrase = Secret::new("correct horse battery staple");
    let sealed = kit().seal_with(&passphrase).unwrap();
    let wrong = Opener::Passphrase(Secret::new("wrong"));
    let told = RecoveryKit::open(sealed.as_bytes(), &wrong)
        .err()
        .unwrap()
        .to_string();
    assert!(told.contains("not the one that it was sealed for"), "{told}");
    let (_, recipient) = Recipient::generate();
    let other = Opener::Identities(Recipient::generate().0);
    let sealed = kit().seal_for(&[recipient]).unwrap();
    let opened = RecoveryKit::open(sealed.as_bytes(), &other);
    assert!(matches!(opened, Err(KitError::Unopenable(_))));
    assert!(matches!(kit().seal_for(&[]), Err(KitError::NoRecipient)));
    let told = RecoveryKit::open(b"not age", &other).err().unwrap().to_string();
    assert!(told.contains("no recovery kit"), "{told}");
}

#[test]
fn what_is_no_recipient_identity_or_kit_is_told() {
    assert!(matches!(
        Recipient::parse("ssh-ed25519 AAAA"),
        Err(KitError::Recipient(_))
    ));
    let nonsense = Opener::Identities(Secret::new("not an identity"));
    let sealed = kit().seal_with(&Secret::new("x")).unwrap();
    assert!(RecoveryKit::open(sealed.as_bytes(), &nonsense).is_err());
    assert!(matches!(
        RecoveryKit::parse(br#"{"format": 3}"#),
        Err(KitError::Newer(3))
    ));
    assert!(matches!(
        RecoveryKit::parse(br#"{"format": 1}"#),
        Err(KitError::Malformed(_))
    ));
}

#[test]
fn nothing_secret_is_printed() {
    let kit = kit()
        .with_identity(&Recipient::generate().0)
        .with_storages(vec![storage(Credentials::Included)]);
    let printed = format!("{kit:?} {:?} {:?}", kit.opener(), kit.storages());
    assert!(
        !printed.contains("0001020304") && !printed.contains("AGE-SECRET") && !printed.contains(SECRET),
        "{printed}"
    );
}

const SECRET: &str = "nobody-sees-this";

fn settings() -> S3Settings {
    S3Settings {
        endpoint: "https://s3.example.org".to_owned(),
        region: "eu-1".to_owned(),
        path_style: true,
        access_key_id: "reader".to_owned(),
        secret_access_key: Secret::new(SECRET),
        ..S3Settings::of("backups", "data/guardian")
    }
}

fn storage(credentials: Credentials) -> KitStorage {
    KitStorage::in_bucket("offsite", &settings(), credentials)
}

fn sealed_and_opened(kit: &RecoveryKit) -> RecoveryKit {
    let (identity, recipient) = Recipient::generate();
    let sealed = kit.seal_for(&[recipient]).unwrap();
    RecoveryKit::open(sealed.as_bytes(), &Opener::Identities(identity)).unwrap()
}

#[test]
fn a_kit_says_where_buckets_are_and_what_reads_them() {
    let kit = sealed_and_opened(&kit().with_storages(vec![storage(Credentials::Included)]));
    holds(&kit);
    let [storage] = kit.storages() else {
        panic!("one storage");
    };
    assert_eq!(storage.name(), "offsite");
    assert_eq!(storage.bucket(), Some(settings()));
}

#[test]
fn without_credentials_it_says_only_where_they_are() {
    let kit = sealed_and_opened(&kit().with_storages(vec![storage(Credentials::LeftOut)]));
    let bucket = kit.storages()[0].bucket().unwrap();
    assert_eq!(bucket.to_string(), settings().to_string());
    assert!(bucket.access_key_id.is_empty() && bucket.secret_access_key.is_empty());
}

#[test]
fn a_storage_of_a_kind_that_is_not_known_here_hides_no_other() {
    let json = r#"{"format": 1, "control_plane": "00000000-0000-0000-0000-00000000c0de",
        "created_at": "1970-01-01T00:00:00Z", "installation_keys": [], "signers": [],
        "storages": [{"name": "new", "tape": {"drive": 1}}, {"name": "old", "s3": {"bucket": "b"}}]}"#;
    let kit = RecoveryKit::parse(json.as_bytes()).unwrap();
    assert_eq!(kit.storages()[0].bucket(), None);
    assert_eq!(kit.storages()[1].bucket(), Some(S3Settings::of("b", "")));
}

#[test]
fn a_kit_that_nobody_would_open_is_not_sealed() {
    let large = S3Settings {
        ca_pem: "x".repeat(MAX_CONTENTS_LEN),
        ..settings()
    };
    let storage = KitStorage::in_bucket("offsite", &large, Credentials::Included);
    let kit = kit().with_storages(vec![storage]);
    assert!(matches!(
        kit.seal_with(&Secret::new("x")),
        Err(KitError::TooLarge(_))
    ));
    let half = S3Settings {
        ca_pem: "x".repeat(MAX_CONTENTS_LEN - 4096),
        ..settings()
    };
    let storage = KitStorage::in_bucket("offsite", &half, Credentials::Included);
    let sealed = self::kit()
        .with_storages(vec![storage])
        .seal_for(&[Recipient::generate().1])
        .unwrap();
    assert!(sealed.len() as u64 <= MAX_KIT_LEN);
}

/// Kits lie in safes for years: what the first release sealed opens for ever.
#[test]
fn the_first_form_of_a_kit_opens() {
    let sealed = include_bytes!("../../tests/golden/kits/v1.age");
    let identity = include_str!("../../tests/golden/kits/v1.identity");
    let kit = RecoveryKit::open(sealed, &Opener::Identities(Secret::new(identity))).unwrap();
    holds(&kit);
    assert!(kit.storages().is_empty() && kit.opener().is_none());
}

fn key(byte: u8) -> InstallationKey {
    InstallationKey::from_bytes(&[byte; 32]).unwrap()
}

fn kit_with(generations: &[(u8, u8)]) -> RecoveryKit {
    let generations = generations
        .iter()
        .map(|(data, ids)| (key(*data), key(*ids).key_id()));
    let keys = Keyring::new(generations.collect()).unwrap();
    RecoveryKit::new(ControlPlaneId::new(), DateTime::UNIX_EPOCH, &keys, &trusted())
}

#[test]
fn a_kit_brings_all_keys_back_as_they_belong_together() {
    for (generations, format) in [
        (&[(1, 1)][..], OWN_ID_KEYS),
        (&[(2, 2), (1, 1)], OWN_ID_KEYS),
        (&[(2, 1), (1, 1)], FORMAT),
        (&[(3, 3), (2, 1), (1, 1)], FORMAT),
    ] {
        let kit = kit_with(generations);
        assert_eq!(kit.format, format, "{generations:?}");
        let (before, after) = (kit.keys().unwrap(), sealed_and_opened(&kit).keys().unwrap());
        let bytes = |keys: &Keyring| keys.derive(DATASOURCE).to_bytes();
        assert_eq!(bytes(&before), bytes(&after), "{generations:?}");
    }
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let mut kit = kit_with(&[(2, 1), (1, 1)]);
    kit.id_keys_of.pop();
    assert!(matches!(kit.keys(), Err(KitError::Malformed(_))));
    kit.id_keys_of = vec![key(9).key_id(); 2];
    assert!(matches!(kit.keys(), Err(KitError::Malformed(_))));
    kit.installation_keys.clear();
    kit.id_keys_of.clear();
    assert!(matches!(kit.keys(), Err(KitError::Malformed(_))));
}
