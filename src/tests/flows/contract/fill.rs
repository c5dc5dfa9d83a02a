//! One request of a file with everything filled in: where it goes, what it carries, who proves to be who,
//! and where the credential stands.

use hitchpost::catalog::connector::{ClientAuth, Format, Request, Target, Templates};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    call::{Body, Call, Pairs},
    known::{ANY, names},
    script::{Made, Script},
};

/// RFC 7523 §2.2.
const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl Script<'_> {
    pub(super) fn wire(&self, standard: &str) -> Option<String> {
        let name = self.option.names.get(standard).map_or(standard, String::as_str);
        (!name.is_empty()).then(|| name.to_owned())
    }

    pub(super) fn put(&self, pairs: &mut Pairs, standard: &str, value: &str) {
        pairs.extend(self.wire(standard).map(|name| (name, value.to_owned())));
    }

    pub(super) fn put_scopes(&self, pairs: &mut Pairs) {
        let rules = &self.option.scopes;
        let further = rules.params.iter();
        let all = std::iter::once((&rules.param, &self.scopes)).chain(further);
        let sent = all.filter(|(name, scopes)| rules.supported && !name.is_empty() && !scopes.is_empty());
        pairs.extend(sent.map(|(name, scopes)| (name.clone(), scopes.join(&rules.separator))));
    }

    pub(super) fn put_resource(&self, pairs: &mut Pairs) {
        if let Some(resource) = &self.option.resource {
            self.put(pairs, "resource", resource);
        }
    }

    pub(super) fn filled(&self, templates: &Templates) -> Made<Pairs> {
        templates.iter().map(|(name, one)| Ok((name.clone(), self.known.text(one.source())?))).collect()
    }

    pub(super) fn address(&self, request: &Request) -> Made<String> {
        let source = match &request.target {
            Target::Url(url) => url.source().to_owned(),
            Target::Path(path) => {
                let base = self.api.and_then(|api| api.base.as_ref()).ok_or("a path without a base")?;
                format!("{}{}", base.source().trim_end_matches('/'), path.source())
            }
        };
        self.known.text(&source)
    }

    /// A request of the file with standard parameters in front of its own.
    pub(super) fn request(&self, what: &str, request: &Request, standard: Pairs, proof: bool) -> Made<Call> {
        let mut call = Call::new(what, request.method.as_str(), &self.address(request)?)?;
        let mut standard = standard;
        if proof {
            self.prove(request, &mut standard, &mut call)?;
        }
        let own = self.filled(&request.params)?;
        let is_own = |name: &String| own.iter().any(|(other, _)| other == name);
        let mut params: Pairs = standard.into_iter().filter(|(name, _)| !is_own(name)).collect();
        params.extend(own);
        self.load(&mut call, request, params)?;
        if let Some(api) = self.api {
            for (name, value) in self.filled(&api.headers)? {
                call.head(&name, value);
            }
        }
        for (name, value) in self.filled(&request.headers)? {
            call.head(&name, value);
        }
        if let Some(basic) = &request.basic {
            let name = self.known.text(basic.username.source())?;
            call.basic = Some((name, self.known.text(basic.password.source())?));
        }
        Ok(call)
    }

    /// Puts parameters where the request's format has them.
    pub(super) fn load(&self, call: &mut Call, request: &Request, params: Pairs) -> Made<()> {
        let in_address = request.format == Format::Query || matches!(request.method.as_str(), "GET" | "HEAD");
        match &request.body {
            Some(body) => {
                let mut body = self.json(body)?;
                if let (Value::Object(members), Format::Json) = (&mut body, request.format) {
                    for (name, value) in params {
                        members.entry(name).or_insert(Value::String(value));
                    }
                }
                call.body = Body::Json(body);
            }
            None if params.is_empty() => {}
            None if in_address => call.query.extend(params),
            None if request.format == Format::Json => {
                let members = params.into_iter().map(|(name, value)| (name, Value::String(value)));
                call.body = Body::Json(Value::Object(members.collect()));
            }
            None => call.body = Body::Form(params),
        }
        Ok(())
    }

    pub(super) fn json(&self, body: &Value) -> Made<Value> {
        Ok(match body {
            Value::String(source) => Value::String(self.known.text(source)?),
            Value::Array(items) => {
                Value::Array(items.iter().map(|item| self.json(item)).collect::<Made<_>>()?)
            }
            Value::Object(members) => Value::Object(
                members.iter().map(|(name, one)| Ok((name.clone(), self.json(one)?))).collect::<Made<_>>()?,
            ),
            other => other.clone(),
        })
    }

    /// How the client shows who it is: RFC 6749 §2.3, RFC 7523 §2.2.
    pub(super) fn prove(&self, request: &Request, params: &mut Pairs, call: &mut Call) -> Made<()> {
        if request.basic.is_some() {
            return Ok(());
        }
        let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let id = &self.client.id;
        match (self.option.client_auth, &self.client.secret) {
            (ClientAuth::PrivateKeyJwt, _) => {
                self.name_client(params);
                self.put(params, "client_assertion_type", ASSERTION);
                self.put(params, "client_assertion", ANY);
            }
            (ClientAuth::Basic, Some(secret)) => call.basic = Some((form(id), form(secret))),
            (ClientAuth::BasicRaw, Some(secret)) => call.basic = Some((id.clone(), secret.clone())),
            (ClientAuth::Body, Some(secret)) => {
                self.name_client(params);
                self.put(params, "client_secret", secret);
            }
            (ClientAuth::None, _) | (_, None) => self.name_client(params),
        }
        Ok(())
    }

    pub(super) fn name_client(&self, params: &mut Pairs) {
        let name = self.wire("client_id");
        if !params.iter().any(|(other, _)| Some(other) == name.as_ref()) {
            self.put(params, "client_id", &self.client.id);
        }
    }

    /// A request of the file with the credential where `use` has it.
    pub(super) fn placed(&self, what: &str, request: &Request) -> Made<Call> {
        let mut call = self.request(what, request, Pairs::new(), false)?;
        self.place(&mut call)?;
        for (name, value) in self.filled(&request.headers)? {
            if name.eq_ignore_ascii_case("authorization") {
                call.basic = None;
            }
            call.head(&name, value);
        }
        if self.option.usage.sign { self.signed_now(call) } else { Ok(call) }
    }

    pub(super) fn place(&self, call: &mut Call) -> Made<()> {
        let usage = &self.option.usage;
        for (name, template) in &usage.headers {
            if self.known.is_filled(template.source()) {
                call.head(name, self.known.text(template.source())?);
            }
        }
        for (name, template) in &usage.query {
            if self.known.is_filled(template.source()) {
                call.query.retain(|(other, _)| other != name);
                call.query.push((name.clone(), self.known.text(template.source())?));
            }
        }
        if let Some(basic) = &usage.basic {
            let name = self.known.text(basic.username.source())?;
            call.basic = Some((name, self.known.text(basic.password.source())?));
        }
        Ok(())
    }

    pub(super) fn signed_now(&self, call: Call) -> Made<Call> {
        let token = match &self.option.token_static {
            Some(fixed) => self.known.text(fixed.token.source())?,
            None => self.known.text("{{access_token}}")?,
        };
        self.signed(call, Some(&token), &[])
    }

    /// RFC 5849 §3.5.1.
    pub(super) fn signed(&self, mut call: Call, token: Option<&str>, more: &[(&str, String)]) -> Made<Call> {
        let signature = self.option.signature.as_ref();
        let method = signature.map_or("HMAC-SHA1", |signature| signature.method.as_str());
        let mut pairs = vec![
            ("oauth_consumer_key".to_owned(), self.client.id.clone()),
            ("oauth_signature_method".to_owned(), method.to_owned()),
        ];
        if let Some(realm) = signature.and_then(|signature| signature.realm.as_ref()) {
            pairs.push(("realm".to_owned(), self.known.text(realm.source())?));
        }
        pairs.extend(token.map(|token| ("oauth_token".to_owned(), token.to_owned())));
        pairs.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        call.signed = Some(pairs);
        Ok(call)
    }
}

/// The names in a request's own words.
pub(super) fn used(request: &Request) -> Vec<String> {
    let (Target::Url(target) | Target::Path(target)) = &request.target;
    let basic = request.basic.iter().flat_map(|basic| [&basic.username, &basic.password]);
    let templates = request.params.iter().chain(&request.headers).map(|(_, template)| template);
    let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
    let sources = templates.chain(basic).chain([target]).map(|template| template.source().to_owned());
    let sources: Vec<_> = sources.chain([body]).collect();
    sources.iter().flat_map(|source| names(source)).map(str::to_owned).collect()
}
