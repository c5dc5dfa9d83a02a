//! OAuth 1.0a: the temporary token, the token it becomes, and every signed call.
//!
//! A provider refuses timestamps that are far from its own clock, so how far it is off is learnt from
//! its answers and remembered per host.

use std::{collections::HashMap, sync::Mutex};

use super::{
    oauth::TokenError,
    provider::{Provider, ProviderError},
};
use crate::{
    catalog::connector::{Request, Signature},
    model::{HandleHash, IntegrationId, Progress, Secret, Timestamp},
    protocol::{
        Call, CallError, Reply,
        oauth1::{self, SignatureMethod, Signing, TemporaryToken, Token},
    },
};

/// Seconds a clock may be off before its offset is worth remembering.
const TOLERANCE_SECONDS: i64 = 30;
/// Hosts whose clocks are remembered; all are let go of when there are more.
const CLOCKS_MOST: usize = 1000;

/// By how many seconds the clocks of providers are ahead of ours.
#[derive(Default)]
pub(super) struct Clocks(Mutex<HashMap<String, i64>>);

impl Clocks {
    fn of(&self, host: &str) -> i64 {
        self.0.lock().expect("nothing panics while holding it").get(host).copied().unwrap_or(0)
    }

    /// Learns an offset; false when it is what is known, near enough.
    pub(super) fn corrected(&self, host: &str, offset: i64) -> bool {
        let is_news = (offset - self.of(host)).abs() > TOLERANCE_SECONDS;
        if is_news {
            self.learn(host, offset);
        }
        is_news
    }

    fn learn(&self, host: &str, offset: i64) {
        let mut clocks = self.0.lock().expect("nothing panics while holding it");
        if clocks.len() >= CLOCKS_MOST {
            clocks.clear();
        }
        clocks.insert(host.to_owned(), offset);
    }
}

/// What finds the attempt that a temporary token belongs to. Providers choose these tokens, so each
/// integration has a room of its own.
pub(super) fn awaited(integration: IntegrationId, token: &str) -> HandleHash {
    HandleHash::of(&format!("oauth1/{integration}/{token}"))
}

impl Provider<'_> {
    /// RFC 5849 §2.1: asks for a temporary token that comes back to `callback`.
    pub(super) async fn temporary_token(
        &self,
        request: &Request,
        callback: &str,
        now: Timestamp,
    ) -> Result<TemporaryToken, TokenError> {
        let params = oauth1::request_token_params(&self.option, &self.scopes);
        let call = self.endpoint(request)?.call_with(params).map_err(ProviderError::from)?;
        let reply = self.send_signed(&call, None, &[("oauth_callback", callback)]).await?;
        Ok(oauth1::temporary_reply(&reply, now)?)
    }

    /// RFC 5849 §2.3: trades the temporary token and the verifier for the token.
    pub(super) async fn redeem_verifier(
        &mut self,
        progress: &mut Progress,
        temporary: &(String, Secret<String>),
        verifier: &str,
        now: Timestamp,
    ) -> Result<(), TokenError> {
        let request = self.option.token.clone().ok_or(TokenError::NotOffered)?;
        let call = self.endpoint(&request)?.call().map_err(ProviderError::from)?;
        let reply = self.send_signed(&call, Some(temporary), &[("oauth_verifier", verifier)]).await?;
        let reply = oauth1::token_reply(&request, &reply, now)?;
        self.reap(progress, &request, &reply);
        Ok(())
    }

    /// The token that signs calls: what the provider gave, or what the customer typed.
    pub(super) fn oauth1_token(&self) -> Result<Option<(String, Secret<String>)>, ProviderError> {
        if let Some(fixed) = &self.option.token_static {
            let token = fixed.token.render(&self.names)?;
            return Ok(Some((token, Secret::new(fixed.secret.render(&self.names)?))));
        }
        let Some(secret) = &self.token_secret else { return Ok(None) };
        let token = crate::catalog::Template::parse("{{access_token}}").expect("a template");
        Ok(Some((token.render(&self.names)?, secret.clone())))
    }

    /// Signs a call and sends it; once more with a better clock when the provider's is far from ours.
    pub(super) async fn send_signed(
        &self,
        call: &Call,
        token: Option<&(String, Secret<String>)>,
        extra: &[(&str, &str)],
    ) -> Result<Reply, ProviderError> {
        let host = call.url.host_str().unwrap_or_default().to_owned();
        let clocks = &self.engine.inner.clocks;
        let known = clocks.of(&host);
        let reply = self.send(self.signed(call, token, extra, known)?).await?;
        if !matches!(reply.status.as_u16(), 400 | 401 | 403) {
            return Ok(reply);
        }
        match oauth1::clock_offset(&reply, self.engine.now()) {
            // Refused for its timestamp, it was not acted on.
            Some(offset) if (offset - known).abs() > TOLERANCE_SECONDS => {
                clocks.learn(&host, offset);
                self.send(self.signed(call, token, extra, offset)?).await
            }
            _ => Ok(reply),
        }
    }

    /// A call signed with the token, by what is known of the provider's clock.
    pub(super) fn signed_now(&self, call: &Call) -> Result<Call, ProviderError> {
        let known = self.engine.inner.clocks.of(call.url.host_str().unwrap_or_default());
        self.signed(call, self.oauth1_token()?.as_ref(), &[], known)
    }

    fn signed(
        &self,
        call: &Call,
        token: Option<&(String, Secret<String>)>,
        extra: &[(&str, &str)],
        offset: i64,
    ) -> Result<Call, ProviderError> {
        let (method, realm) = match &self.option.signature {
            Some(Signature { method, realm }) => {
                let realm = realm.as_ref().map(|realm| realm.render(&self.names)).transpose()?;
                let method = SignatureMethod::parse(method);
                (method.ok_or(CallError::Unsupported("this signature method"))?, realm)
            }
            None => (SignatureMethod::HmacSha1, None),
        };
        let nonce = self.engine.entropy().handle();
        let mut signed = Call {
            method: call.method.clone(),
            url: call.url.clone(),
            headers: call.headers.clone(),
            body: call.body.clone(),
        };
        let signing = Signing {
            method,
            realm: realm.as_deref(),
            client: self.client()?,
            token: token.map(|(token, secret)| Token { token, secret: secret.expose() }),
            nonce: nonce.expose(),
            timestamp: self.engine.now().seconds() + offset,
        };
        oauth1::sign(&mut signed, &signing, extra)?;
        Ok(signed)
    }
}
