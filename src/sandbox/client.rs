//! Who calls a token endpoint, and whether they prove it the way the connector's file says.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::catalog::connector::{AuthOption, Basic, ClientAuth, Target};

use super::{
    assertion::Assertion,
    call::decode_form,
    consent::wire,
    pattern::{Captured, Pattern},
    reply::{Refusal, refusal},
    sent::Sent,
    stats::Count,
};

/// RFC 7521 §4.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Sent<'_> {
    /// The client that proved itself; none where the provider wants no client id.
    pub(super) fn prove(&self) -> Result<Option<String>, Refusal> {
        let raw = self.call.basic();
        if let Some(basic) = &self.request.basic {
            return self.by_written_basic(basic, raw);
        }
        let (id, secret) = match self.option().client_auth {
            ClientAuth::Basic => {
                raw.map(|(id, secret)| (decode_form(&id), decode_form(&secret))).ok_or_else(unproven)?
            }
            ClientAuth::BasicRaw => raw.ok_or_else(unproven)?,
            ClientAuth::None => return Ok(self.get("client_id").map(str::to_owned)),
            ClientAuth::PrivateKeyJwt => return self.by_assertion().map(Some),
            ClientAuth::Body if raw.is_some() => return Err(unproven()),
            ClientAuth::Body => {
                let sent = |name| match wire(self.option(), name) {
                    None => Some(String::new()),
                    Some(_) => self.get(name).map(str::to_owned),
                };
                let id = sent("client_id").ok_or_else(unproven)?;
                if !wants_secret(self.option()) {
                    return Ok(wire(self.option(), "client_id").map(|_| id));
                }
                (id, sent("client_secret").ok_or_else(unproven)?)
            }
        };
        if wire(self.option(), "client_secret").is_some() {
            self.check_secret(&id, &secret)?;
        }
        Ok(wire(self.option(), "client_id").map(|_| id))
    }

    fn by_written_basic(
        &self,
        basic: &Basic,
        raw: Option<(String, String)>,
    ) -> Result<Option<String>, Refusal> {
        let (name, word) = raw.ok_or_else(unproven)?;
        let mut found: Captured = Pattern::of(basic.username.source()).capture(&name).ok_or_else(unproven)?;
        found.extend(Pattern::of(basic.password.source()).capture(&word).ok_or_else(unproven)?);
        let id = found.get("client.id").cloned();
        if let (Some(id), Some(secret)) = (&id, found.get("client.secret")) {
            self.check_secret(id, secret)?;
        }
        Ok(id)
    }

    /// The secret fits the client, or is signed as the file says.
    fn check_secret(&self, id: &str, secret: &str) -> Result<(), Refusal> {
        let option = self.option();
        if let Some(jwt) = option.jwt.as_ref().filter(|_| signs_secret(option)) {
            let assertion = Assertion::read(secret)
                .ok_or_else(|| refusal("invalid_client", "The client secret is no signed token (JWT)."))?;
            let found = assertion.check(option, jwt, self.sandbox.clock.now()).map_err(|why| {
                self.sandbox.stats.add(&self.part.connector.key, Count::SignatureRefused);
                refusal("invalid_client", why)
            })?;
            let other = found.get("client.id").is_some_and(|client| client != id);
            return if other { Err(unproven()) } else { Ok(()) };
        }
        let good = if is_own(option) { is_accepted(secret) } else { proves(id, secret) };
        if good { Ok(()) } else { Err(unproven()) }
    }

    /// `private_key_jwt`.
    fn by_assertion(&self) -> Result<String, Refusal> {
        let bad = |why: String| refusal("invalid_client", why);
        if self.params.get("client_assertion_type") != Some(ASSERTION_TYPE) {
            return Err(bad("client_assertion_type is not the one of RFC 7523.".to_owned()));
        }
        let text = self.params.get("client_assertion").unwrap_or("");
        let assertion = Assertion::read(text)
            .ok_or_else(|| bad("client_assertion is missing or no signed token (JWT).".to_owned()))?;
        let now = self.sandbox.clock.now();
        let key = &self.part.connector.key;
        let client =
            assertion.check_client(self.get("client_id"), &self.audiences(), now).map_err(|why| {
                self.sandbox.stats.add(key, Count::SignatureRefused);
                bad(why)
            })?;
        let id = assertion.claim("jti").unwrap_or_default();
        if !self.sandbox.memory.is_new(&["assertion", key, &client, &id]) {
            self.sandbox.stats.add(key, Count::AssertionReplay);
            return Err(bad("The client assertion was used before (jti).".to_owned()));
        }
        Ok(client)
    }

    /// Whom an assertion may be for: this address, the token endpoint, the issuer, or what the file
    /// writes out.
    fn audiences(&self) -> Vec<String> {
        let option = self.option();
        let token = option.token.as_ref().and_then(|token| match &token.target {
            Target::Url(url) => url.render(&self.part.captured).ok(),
            Target::Path(_) => None,
        });
        let claims = option.jwt.iter().flat_map(|jwt| &jwt.claims);
        let written = claims.filter(|(name, _)| name == "aud").filter_map(|(_, value)| value.literal());
        std::iter::once(self.call.url())
            .chain(token)
            .chain(option.issuer.clone())
            .chain(written.map(str::to_owned))
            .collect()
    }
}

fn unproven() -> Refusal {
    refusal("invalid_client", "The client did not prove itself the way this provider wants.")
}

/// The option's client is typed by the customer, not the integration's.
pub(super) fn is_own(option: &AuthOption) -> bool {
    option.client.as_ref().is_some_and(|client| client.id.names().all(|name| name != "client.id"))
}

/// The file's client may have an id and nothing else.
fn wants_secret(option: &AuthOption) -> bool {
    wire(option, "client_secret").is_some()
        && !(is_own(option) && option.client.as_ref().is_some_and(|client| client.secret.is_none()))
}

fn signs_secret(option: &AuthOption) -> bool {
    let secret = option.client.as_ref().and_then(|client| client.secret.as_ref());
    secret.is_some_and(|secret| secret.names().any(|name| name == "jwt"))
}

/// A client's own id and secret, where a request writes them out, are those of `client`.
pub(super) fn check_written(captured: &Captured, client: &str) -> Result<(), Refusal> {
    let other = captured.get("client.id").is_some_and(|id| id != client);
    let wrong = captured.get("client.secret").is_some_and(|secret| !proves(client, secret));
    if other || wrong { Err(unproven()) } else { Ok(()) }
}

/// What somebody types is taken, unless it says that it is wrong.
pub(super) fn is_accepted(secret: &str) -> bool {
    !secret.is_empty() && secret != "wrong" && !secret.starts_with("sandbox-wrong")
}

/// The secret of a client of the sandbox; none of anybody else's.
pub(super) fn secret_of(id: &str) -> Option<String> {
    id.strip_prefix("sandbox-").map(|rest| format!("sandbox-secret-{rest}"))
}

/// `sandbox-X` has the secret `sandbox-secret-X`; any other client has any secret but none.
fn proves(id: &str, secret: &str) -> bool {
    match secret_of(id) {
        Some(own) => verify_slices_are_equal(own.as_bytes(), secret.as_bytes()).is_ok(),
        None => is_accepted(secret),
    }
}
