//! Tokens that a client signs: assertions, app tokens and signed client secrets.
//!
//! The sandbox verifies what is signed with its own well-known keys, whose private halves the
//! engine gives to an integration that has no client of its own. Of anybody else's tokens it checks
//! shape and claims.

use aws_lc_rs::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
        RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Map, Value};

use crate::{
    catalog::connector::{AuthOption, Jwt},
    model::Timestamp,
};

use super::{
    client::secret_of,
    pattern::{Captured, Pattern},
};

/// The public halves of the well-known keys.
const ES256: &str = include_str!("keys/es256.pub.pem");
const RS256: &str = include_str!("keys/rs256.pub.pem");
/// Seconds a token signed for one call may live.
const HOUR: i64 = 3_600;
/// Seconds a client assertion may live.
const ASSERTION_LIFE: i64 = 300;
/// Seconds that clocks may differ.
const SKEW: i64 = 60;
/// Seconds a token of a workspace may live.
pub(super) const DAY: i64 = 86_400;

/// Algorithms a client may sign with; its secret is for proving itself otherwise.
const ASYMMETRIC: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// A JWT, taken apart; nothing in it is believed yet.
pub(super) struct Assertion {
    alg: String,
    claims: Map<String, Value>,
    message: String,
    signature: String,
}

/// A well-formed JWT that is not good, and why.
pub(super) type Doubt = String;

impl Assertion {
    /// Reads the three parts; none when the text is no JWT.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let object = |part: &str| -> Option<Map<String, Value>> {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
        };
        URL_SAFE_NO_PAD.decode(signature).ok()?;
        let alg = object(header)?.get("alg")?.as_str()?.to_owned();
        let (message, signature) = (message.to_owned(), signature.to_owned());
        Some(Self { alg, claims: object(claims)?, message, signature })
    }

    /// A claim as text, a number included.
    pub(super) fn claim(&self, name: &str) -> Option<String> {
        text(self.claims.get(name)?)
    }

    /// What the claims say, for telling whose token it is; chance is left out.
    pub(super) fn words(&self) -> String {
        let said =
            self.claims.iter().filter(|(name, _)| !["jti", "exp", "iat", "nbf"].contains(&name.as_str()));
        said.map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(" ")
    }

    fn audiences(&self) -> Vec<String> {
        match self.claims.get("aud") {
            Some(Value::Array(many)) => many.iter().filter_map(text).collect(),
            Some(one) => text(one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// `exp` is ahead, by no more than `longest` seconds, and `iat` and `nbf` are not.
    pub(super) fn check_time(&self, now: Timestamp, longest: i64) -> Result<(), Doubt> {
        let seconds = |name: &str| self.claims.get(name).and_then(Value::as_i64);
        let now = now.seconds();
        let until = seconds("exp").ok_or("The signed token has no exp (seconds since 1970).")?;
        if until <= now {
            return Err("The signed token has expired.".to_owned());
        }
        if until > now + longest + SKEW {
            return Err(format!("The signed token lives longer than {longest} seconds."));
        }
        if ["iat", "nbf"].into_iter().filter_map(seconds).any(|time| time > now + SKEW) {
            return Err("The signed token is from the future (iat, nbf).".to_owned());
        }
        Ok(())
    }

    /// Algorithm and claims are what the file writes. Returns what was filled in.
    pub(super) fn fits(&self, option: &AuthOption, jwt: &Jwt) -> Result<Captured, Doubt> {
        let optional = |name: &str| {
            name == "scopes" || option.fields.iter().any(|field| field.name == name && !field.required)
        };
        if self.alg != jwt.algorithm {
            return Err(format!("The signed token's alg is not {}.", jwt.algorithm));
        }
        let mut captured = Captured::new();
        for (name, template) in &jwt.claims {
            let pattern = Pattern::of(template.source());
            let wrong = || format!("The signed token's claim {name} is not what this provider wants.");
            let value = self.claims.get(name).and_then(text).unwrap_or_default();
            if value.is_empty() && template.literal().is_none() && template.names().all(optional) {
                continue;
            }
            captured.extend(pattern.capture(&value).ok_or_else(wrong)?);
        }
        Ok(captured)
    }

    /// A token for one call of this option's API or token endpoint.
    pub(super) fn check(&self, option: &AuthOption, jwt: &Jwt, now: Timestamp) -> Result<Captured, Doubt> {
        let captured = self.fits(option, jwt)?;
        let longest = i64::try_from(jwt.expires_in).unwrap_or(HOUR).max(HOUR);
        self.check_time(now, longest)?;
        let by_client = jwt.key.names().any(|name| name == "client.secret");
        let named = captured.get("client.id").cloned().or_else(|| self.claim("iss"));
        if let Some(client) = named.filter(|_| by_client) {
            self.check_signature(&client)?;
        }
        Ok(captured)
    }

    /// RFC 7523 §3, as a client proves itself with it. `client` is the one the call names.
    pub(super) fn check_client(
        &self,
        client: Option<&str>,
        audiences: &[String],
        now: Timestamp,
    ) -> Result<String, Doubt> {
        if !ASYMMETRIC.contains(&self.alg.as_str()) {
            return Err("The client assertion's alg is no asymmetric one.".to_owned());
        }
        let issuer = self.claim("iss").ok_or("The client assertion has no iss.")?;
        if self.claim("sub").as_deref() != Some(&issuer) {
            return Err("The client assertion's iss and sub differ.".to_owned());
        }
        if client.is_some_and(|client| client != issuer) {
            return Err("The client assertion is another client's than client_id.".to_owned());
        }
        if !self.audiences().iter().any(|one| audiences.contains(one)) {
            return Err("The client assertion's aud is not this provider's.".to_owned());
        }
        if self.claim("jti").is_none_or(|id| id.is_empty()) {
            return Err("The client assertion has no jti.".to_owned());
        }
        self.check_time(now, ASSERTION_LIFE)?;
        self.check_signature(&issuer)?;
        Ok(issuer)
    }

    /// A client of the sandbox signs with the sandbox's well-known key of that algorithm.
    fn check_signature(&self, client: &str) -> Result<(), Doubt> {
        let Some(secret) = secret_of(client) else { return Ok(()) };
        let message = self.message.as_bytes();
        let signature = URL_SAFE_NO_PAD.decode(&self.signature).unwrap_or_default();
        let by_secret = |algorithm| {
            hmac::verify(&hmac::Key::new(algorithm, secret.as_bytes()), message, &signature).is_ok()
        };
        let by_key = |algorithm, pem| known_key(algorithm, pem).verify_sig(message, &signature).is_ok();
        let fits = match self.alg.as_str() {
            "ES256" => by_key(&ECDSA_P256_SHA256_FIXED, ES256),
            "RS256" => by_key(&RSA_PKCS1_2048_8192_SHA256, RS256),
            "RS384" => by_key(&RSA_PKCS1_2048_8192_SHA384, RS256),
            "RS512" => by_key(&RSA_PKCS1_2048_8192_SHA512, RS256),
            "PS256" => by_key(&RSA_PSS_2048_8192_SHA256, RS256),
            "PS384" => by_key(&RSA_PSS_2048_8192_SHA384, RS256),
            "PS512" => by_key(&RSA_PSS_2048_8192_SHA512, RS256),
            "HS256" => by_secret(hmac::HMAC_SHA256),
            "HS384" => by_secret(hmac::HMAC_SHA384),
            "HS512" => by_secret(hmac::HMAC_SHA512),
            // There is no well-known key of these.
            "ES384" | "EdDSA" => true,
            _ => false,
        };
        if fits {
            return Ok(());
        }
        Err("The signature does not fit the sandbox's well-known key.".to_owned())
    }
}

/// One of the two keys beside this file.
fn known_key(algorithm: &'static dyn VerificationAlgorithm, pem: &str) -> ParsedPublicKey {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).expect("the key is part of the program and tested");
    ParsedPublicKey::new(algorithm, der).expect("the key is part of the program and tested")
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        model::Secret,
        protocol::jwt::{Minting, mint},
    };

    #[test]
    fn what_is_signed_with_a_well_known_key_is_recognised_by_every_algorithm() {
        let (es, rs) = (include_str!("keys/es256.pem"), include_str!("keys/rs256.pem"));
        let cases = [
            ("ES256", es),
            ("RS256", rs),
            ("RS384", rs),
            ("RS512", rs),
            ("PS256", rs),
            ("PS384", rs),
            ("PS512", rs),
            ("HS256", "sandbox-secret-app"),
            ("HS384", "sandbox-secret-app"),
            ("HS512", "sandbox-secret-app"),
        ];

        for (algorithm, key) in cases {
            let claims = json!({ "iss": "sandbox-app" }).as_object().cloned().unwrap_or_default();
            let minting = Minting {
                algorithm,
                key: &Secret::from(key),
                header: &[],
                claims: &claims,
                now: Timestamp::from_seconds(1_700_000_000),
                expires_in: 60,
                id: "1",
            };
            let mut assertion = Assertion::read(mint(&minting).expect("a token").expose()).expect("a JWT");

            assert_eq!(assertion.check_signature("sandbox-app"), Ok(()), "{algorithm}");
            assertion.message.push('x');
            assert!(assertion.check_signature("sandbox-app").is_err(), "{algorithm}");
            assert_eq!(assertion.check_signature("another"), Ok(()), "{algorithm}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        for text in ["", "a.b", "a.b.c", "e30.e30.!", "e30.e30.e30"] {
            assert!(Assertion::read(text).is_none(), "{text}");
        }
    }
}
