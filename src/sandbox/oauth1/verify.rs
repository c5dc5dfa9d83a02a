//! Reads and verifies a signed call (RFC 5849 §3).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

use super::problem::{Problem, problem};
use crate::{
    catalog::connector::{AuthOption, Format},
    protocol::oauth1::{SignatureMethod, base_string, signature},
    sandbox::{
        Sandbox,
        call::{Call, Params, decode},
        cast::Part,
        client::secret_of,
        person::Person,
        signed::{Purpose, Token},
        stats::Count,
    },
};

/// Seconds a timestamp may be away.
const SKEW: i64 = 300;
/// A typed token or key that is not good.
const WRONG: &str = "wrong";
/// How typed keys and tokens begin whose secret is known: `sandbox-known-X` has the secret
/// `sandbox-secret-known-X`.
const KNOWN: &str = "sandbox-known-";

/// The parameters of an `Authorization: OAuth` header, decoded.
pub(in crate::sandbox) struct Signed(Vec<(String, String)>);

impl Signed {
    /// Reads the header; none when there is no such header.
    pub(in crate::sandbox) fn read(call: &Call) -> Option<Self> {
        let (scheme, rest) = call.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("oauth") {
            return None;
        }
        let pair = |text: &str| {
            let (name, value) = text.trim().split_once('=')?;
            let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
            Some((decode(name.trim()), decode(value)))
        };
        rest.split(',').map(pair).collect::<Option<Vec<_>>>().map(Self)
    }

    /// A parameter; none when it is empty.
    pub(in crate::sandbox) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn is_repeated(&self) -> bool {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// What a call must be signed with.
pub(super) enum Secret {
    /// The token's secret, or nothing before there is a token.
    Token(String),
    /// A secret that only the customer knows.
    Typed,
}

/// Verifies a call. Returns its client.
pub(super) fn verify(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    signed: &Signed,
    secret: &Secret,
) -> Result<String, Problem> {
    let key = &part.connector.key;
    let client = signed.get("oauth_consumer_key");
    let client = client.ok_or(problem("parameter_absent", "oauth_consumer_key is missing."))?.to_owned();
    if client == WRONG || client.starts_with("sandbox-wrong") {
        return Err(problem("consumer_key_unknown", "The consumer key is wrong."));
    }
    let method = shape(part.option(), signed)?;
    let given =
        signed.get("oauth_signature").ok_or(problem("parameter_absent", "oauth_signature is missing."))?;
    let fits = match (secret, secret_of(&client)) {
        (Secret::Token(token), Some(client)) => signature_fits(call, body, signed, method, (&client, token)),
        _ => is_well_formed(method, given),
    };
    if !fits.ok_or(problem("parameter_rejected", "The address cannot be read."))? {
        sandbox.stats.add(key, Count::SignatureRefused);
        return Err(problem("signature_invalid", "The signature does not fit."));
    }
    // After the signature: nobody else may use a nonce up.
    check_freshness(sandbox, part, signed, &client)?;
    Ok(client)
}

/// Version, method and realm are the file's, and no parameter comes twice (§3.1, §3.5.1).
fn shape(option: &AuthOption, signed: &Signed) -> Result<SignatureMethod, Problem> {
    if signed.is_repeated() {
        return Err(problem("parameter_rejected", "A protocol parameter comes twice."));
    }
    if signed.get("oauth_version").is_some_and(|version| version != "1.0") {
        return Err(problem("version_rejected", "oauth_version is not 1.0."));
    }
    let wanted = option.signature.as_ref().map_or("HMAC-SHA1", |signature| signature.method.as_str());
    let unknown = problem("signature_method_rejected", "oauth_signature_method is not this provider's.");
    if signed.get("oauth_signature_method") != Some(wanted) {
        return Err(unknown);
    }
    let realm = option.signature.as_ref().and_then(|signature| signature.realm.as_ref());
    if let Some(realm) = realm {
        let fits = signed
            .get("realm")
            .is_some_and(|sent| crate::sandbox::pattern::Pattern::of(realm.source()).capture(sent).is_some());
        if !fits {
            return Err(problem("parameter_absent", "The realm is missing or not this provider's."));
        }
    }
    SignatureMethod::parse(wanted).ok_or(unknown)
}

/// The timestamp is now and the nonce is new (§3.3).
fn check_freshness(sandbox: &Sandbox, part: &Part, signed: &Signed, client: &str) -> Result<(), Problem> {
    let given = signed.get("oauth_timestamp").and_then(|text| text.parse::<i64>().ok());
    let stamp = given.ok_or(problem("parameter_absent", "oauth_timestamp is missing or no number."))?;
    if stamp.abs_diff(sandbox.clock.now().seconds()) > SKEW.unsigned_abs() {
        return Err(problem("timestamp_refused", "oauth_timestamp is more than 300 seconds away."));
    }
    let nonce = signed.get("oauth_nonce").ok_or(problem("parameter_absent", "oauth_nonce is missing."))?;
    let token = signed.get("oauth_token").unwrap_or("");
    let key = &part.connector.key;
    if !sandbox.memory.is_new(&["nonce", key, client, token, &stamp.to_string(), nonce]) {
        sandbox.stats.add(key, Count::NonceReplay);
        return Err(problem("nonce_used", "The nonce was used before."));
    }
    Ok(())
}

/// Computes the signature over what came (§3.4); none when the address cannot be read.
fn signature_fits(
    call: &Call,
    body: &Params,
    signed: &Signed,
    method: SignatureMethod,
    (client, token): (&str, &str),
) -> Option<bool> {
    let url = Url::parse(&call.url()).ok()?;
    let own = signed.0.iter().filter(|(name, _)| name != "oauth_signature" && name != "realm");
    let form: &[(String, String)] = if body.format == Some(Format::Form) { body.pairs() } else { &[] };
    let all: Vec<(String, String)> = own.chain(call.query.pairs()).chain(form).cloned().collect();
    let wanted = signature(method, &base_string(&call.method, &url, &all), client, token);
    let given = signed.get("oauth_signature").unwrap_or("");
    Some(verify_slices_are_equal(wanted.as_bytes(), given.as_bytes()).is_ok())
}

/// A signature by secrets that are not known here looks like one.
fn is_well_formed(method: SignatureMethod, given: &str) -> Option<bool> {
    let bytes = |length: usize| STANDARD.decode(given).is_ok_and(|tag| tag.len() == length);
    Some(match method {
        SignatureMethod::HmacSha1 => bytes(20),
        SignatureMethod::HmacSha256 => bytes(32),
        SignatureMethod::Plaintext => given.matches('&').count() == 1,
    })
}

/// Whose API call this is. Tokens that the sandbox made are verified; typed ones as far as they are
/// known.
pub(in crate::sandbox) fn api(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    part: &Part,
    signed: &Signed,
) -> Result<(Person, u8), Problem> {
    let text = signed.get("oauth_token").ok_or(problem("parameter_absent", "oauth_token is missing."))?;
    if part.option().token_static.is_some() {
        if text == WRONG || text.starts_with("sandbox-wrong") {
            return Err(problem("token_rejected", "The token is wrong."));
        }
        let key = signed.get("oauth_consumer_key").unwrap_or("");
        let known = secret_of(text).filter(|_| text.starts_with(KNOWN) && key.starts_with(KNOWN));
        let secret = known.map_or(Secret::Typed, Secret::Token);
        verify(sandbox, call, body, part, signed, &secret)?;
        let words = format!("{key} {text}");
        return Ok((Person::of_key(&words), Person::items_of_key(&words)));
    }
    let token = sandbox
        .signer
        .open(Purpose::Access, text)
        .filter(|token: &Token| part.takes(&token.connector, &token.option))
        .ok_or(problem("token_rejected", "The token is unknown here."))?;
    if sandbox.memory.is_revoked(&token.grant) {
        return Err(problem("token_revoked", "The access was revoked."));
    }
    if token.has_expired(sandbox.clock.now()) {
        return Err(problem("token_expired", "The token has expired."));
    }
    let secret = Secret::Token(sandbox.signer.secret_of(text));
    let client = verify(sandbox, call, body, part, signed, &secret)?;
    if client != token.client {
        return Err(problem("token_rejected", "The token belongs to another client."));
    }
    Ok((token.person, token.items))
}
