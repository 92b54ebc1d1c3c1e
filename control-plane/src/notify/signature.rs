//! Signatures of requests, by which a receiver knows that they are ours and not old ones sent again.
//!
//! `X-DataGuardian-Signature: v1=HEX`, the HMAC-SHA256 (RFC 2104) under the channel's secret of the value of
//! `X-DataGuardian-Timestamp` (seconds since 1970), a full stop, and the body. The version leaves room for another way later.

use dataguardian_core::secret::Secret;
use ring::hmac;

/// The header with the time.
pub(super) const TIMESTAMP: &str = "x-dataguardian-timestamp";
/// The header with the signature.
pub(super) const SIGNATURE: &str = "x-dataguardian-signature";

/// The signature of a body that is sent at that time.
pub(super) fn sign(secret: &Secret, at: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{at}.").as_bytes());
    context.update(body);
    format!("v1={}", hex::encode(context.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same as `printf '1800000000.{"a":1}' | openssl dgst -sha256 -hmac 'a secret of some length'`.
    #[test]
    fn a_signature_is_what_others_compute() {
        let signature = sign(
            &Secret::new("a secret of some length"),
            1_800_000_000,
            b"{\"a\":1}",
        );
        assert_eq!(
            signature,
            "v1=107a6fae5b2201c22462186ccbcbaf7c072a800b8e525490330dd7e353e475df"
        );
    }
}
