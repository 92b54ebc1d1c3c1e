//! HKDF-SHA256 (RFC 5869) over ring's HMAC, which, unlike ring's own HKDF, can't fail for lengths that are right by type.

use ring::hmac;
use zeroize::Zeroizing;

/// A symmetric key of 256 bits, wiped when dropped.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// 32 bytes for `info`, extracted from `secret` with `salt` (which may be empty).
pub(crate) fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Key {
    let mut key = Zeroizing::new([0; 32]);
    expand(&extract(secret, salt), info, key.as_mut());
    key
}

/// Fills `output`, at most 255 x 32 bytes, for `info`.
pub(crate) fn derive_into(secret: &[u8], salt: &[u8], info: &[u8], output: &mut [u8]) {
    debug_assert!(output.len() <= 255 * 32, "RFC 5869, section 2.3");
    expand(&extract(secret, salt), info, output);
}

fn extract(secret: &[u8], salt: &[u8]) -> hmac::Key {
    let pseudo_random_key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), secret);
    hmac::Key::new(hmac::HMAC_SHA256, pseudo_random_key.as_ref())
}

fn expand(key: &hmac::Key, info: &[u8], output: &mut [u8]) {
    let mut previous: Option<hmac::Tag> = None;
    for (block, counter) in output.chunks_mut(32).zip(1_u8..=255) {
        let mut context = hmac::Context::with_key(key);
        if let Some(previous) = &previous {
            context.update(previous.as_ref());
        }
        context.update(info);
        context.update(&[counter]);
        let tag = context.sign();
        block.copy_from_slice(&tag.as_ref()[..block.len()]);
        previous = Some(tag);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5869, appendix A.1 to A.3.
    #[test]
    fn the_rfc_test_vectors_hold() {
        let cases = [
            (
                vec![0x0b; 22],
                (0..=0x0c).collect::<Vec<u8>>(),
                (0xf0..=0xf9).collect::<Vec<u8>>(),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                (0..=0x4f).collect(),
                (0x60..=0xaf).collect(),
                (0xb0..=0xff).collect(),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                 da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
            (
                vec![0x0b; 22],
                vec![],
                vec![],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            ),
        ];
        for (secret, salt, info, expected) in cases {
            let mut output = vec![0; expected.len() / 2];
            derive_into(&secret, &salt, &info, &mut output);
            assert_eq!(hex::encode(output), expected);
        }
    }
}
