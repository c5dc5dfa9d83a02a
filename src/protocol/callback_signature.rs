//! Checks the signature a provider puts over the parameters of a callback.
//!
//! It proves where the callback comes from, not whose it is: that is the state's work.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::catalog::connector::CallbackSignature;

/// Whether `params`, as the callback brought them, are signed with `key`.
///
/// Signed are all parameters but the signature's own, sorted by name, `name=value` joined by `&`,
/// with the joints escaped inside names and values: otherwise one parameter could pass for two.
/// The comparison takes the same time wherever the first difference is.
pub fn is_genuine(signature: &CallbackSignature, key: &str, params: &[(String, String)]) -> bool {
    let algorithm = match signature.algorithm.as_str() {
        "HMAC-SHA256" => hmac::HMAC_SHA256,
        _ => return false,
    };
    let (given, signed): (Vec<_>, Vec<_>) = params.iter().partition(|(name, _)| *name == signature.param);
    let [(_, given)] = given.as_slice() else { return false };
    let given = match signature.encoding.as_str() {
        "hex" => from_hex(given),
        "base64" => STANDARD.decode(given).ok(),
        _ => None,
    };
    let Some(given) = given.filter(|_| !key.is_empty()) else { return false };
    hmac::verify(&hmac::Key::new(algorithm, key.as_bytes()), message(signed).as_bytes(), &given).is_ok()
}

fn message(mut params: Vec<&(String, String)>) -> String {
    params.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut message = String::new();
    for (name, value) in params {
        let joint = if message.is_empty() { "" } else { "&" };
        write!(message, "{joint}{}={}", escaped(name).replace('=', "%3D"), escaped(value))
            .expect("writing to a string never fails");
    }
    message
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('&', "%26")
}

/// Hexadecimal digits of either case.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| match pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
#[path = "callback_signature_tests.rs"]
mod tests;
