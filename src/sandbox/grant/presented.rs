//! What a token call presents, and the option it belongs to.

use crate::{
    catalog::connector::{AuthType, Request},
    model::HandleHash,
    sandbox::{
        Sandbox,
        assertion::Assertion,
        call::{Call, Params},
        cast::{Part, Role},
        consent::wire,
        pattern::Captured,
        reply::{Refusal, refusal},
        signed::is_token,
        stats::Count,
        written,
    },
};

/// `grant_type` of RFC 7523 §2.1.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What a token call presents.
pub(super) enum Presented {
    /// An authorization code.
    Code(String),
    /// A token to be renewed.
    Refresh(String),
    /// Nothing but who the client is.
    Client,
    /// A token the client signed.
    Assertion(String),
    /// What the customer typed.
    Typed(Captured),
    /// A fresh token to be swapped, and what else the request writes out.
    Fresh(Captured),
    /// No token of ours: a call that gets one by what it writes out, such as a token signed for it.
    Anew(Captured),
}

impl Presented {
    pub(super) const fn count(&self, role: Role) -> Count {
        match self {
            Self::Anew(_) if matches!(role, Role::Refresh) => Count::TokenRefresh,
            Self::Code(_) => Count::TokenCode,
            Self::Refresh(_) => Count::TokenRefresh,
            Self::Client => Count::ClientCredentials,
            Self::Assertion(_) => Count::Jwt,
            Self::Typed(_) => Count::TokenExchange,
            Self::Fresh(_) | Self::Anew(_) => Count::Exchange,
        }
    }
}

/// A call in the light of one option.
struct Look<'a> {
    sandbox: &'a Sandbox,
    call: &'a Call,
    body: &'a Params,
    parts: &'a [Part],
}

/// What is presented, and the part it belongs to.
pub(super) fn presented(
    sandbox: &Sandbox,
    call: &Call,
    body: &Params,
    parts: &[Part],
) -> (Part, Result<Presented, Refusal>) {
    let look = Look { sandbox, call, body, parts };
    let found = look
        .fresh()
        .or_else(|| look.code())
        .or_else(|| look.refresh())
        .or_else(|| look.assertion())
        .or_else(|| look.client())
        .or_else(|| look.typed())
        .or_else(|| look.anew());
    match found {
        Some((part, presented)) => (part, Ok(presented)),
        None => (parts[0].clone(), Err(look.nothing())),
    }
}

impl Look<'_> {
    fn find(&self, part: &Part, standard: &str) -> Option<String> {
        let name = wire(part.option(), standard)?;
        let text = self.body.get(name).or_else(|| self.call.query.get(name));
        text.filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn of_kind(&self, kind: AuthType, role: Role) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.option().kind == kind && part.role == role)
    }

    fn same(&self, connector: &str, option: &str) -> Option<Part> {
        self.parts.iter().find(|part| part.is(connector, option)).cloned()
    }

    fn written(&self, part: &Part, request: Option<&Request>) -> Option<Result<Captured, String>> {
        request.map(|request| written::capture(request, part.option(), self.call, self.body))
    }

    /// The second call of an option that swaps its fresh token.
    fn fresh(&self) -> Option<(Part, Presented)> {
        let swaps = self.parts.iter().filter(|part| part.role == Role::Exchange);
        let mut found: Vec<(Part, Captured)> = swaps
            .filter_map(|part| {
                let captured = self.written(part, part.option().exchange.as_ref())?.ok()?;
                captured.contains_key("access_token").then(|| (part.clone(), captured))
            })
            .collect();
        let owned = found.iter().position(|(part, captured)| {
            let token = self.sandbox.signer.open_any(&captured["access_token"]);
            token.is_some_and(|token| part.is(&token.connector, &token.option))
        });
        let at = owned.or((!found.is_empty()).then_some(0))?;
        let (part, captured) = found.swap_remove(at);
        Some((part, Presented::Fresh(captured)))
    }

    fn code(&self) -> Option<(Part, Presented)> {
        for part in self.of_kind(AuthType::OAuth2, Role::Token) {
            // Some providers call the code in the token call as they do in the callback.
            let other_name = part.option().callback.code.as_str();
            let other = || self.body.get(other_name).filter(|text| !text.is_empty()).map(str::to_owned);
            if let Some(code) = self.find(part, "code").or_else(other) {
                let owner = self.sandbox.memory.code(HandleHash::of(&code)).map(|code| code.part);
                let owner = owner.and_then(|owner| self.same(&owner.connector.key, &owner.option().key));
                return Some((owner.unwrap_or_else(|| part.clone()), Presented::Code(code)));
            }
        }
        None
    }

    fn refresh(&self) -> Option<(Part, Presented)> {
        let values = || self.body.values().chain(self.call.query.values());
        for part in self.parts.iter().filter(|part| part.role != Role::Exchange) {
            // A refresh written out in the file may carry the token under any name, or in a header.
            let any = || values().find(|text| is_token(text)).map(str::to_owned);
            let in_header = || self.call.bearer().filter(|text| is_token(text)).map(str::to_owned);
            if let Some(token) = self.find(part, "refresh_token").or_else(any).or_else(in_header) {
                // A token that the customer typed is none of ours, whatever its name is.
                if let Some(typed) = (!is_token(&token)).then(|| self.typed()).flatten() {
                    return Some(typed);
                }
                let owner = self.sandbox.signer.open_any(&token);
                let owner = owner.and_then(|owner| {
                    let mut own = self.parts.iter().filter(|part| part.is(&owner.connector, &owner.option));
                    let first = own.clone().next();
                    own.find(|part| part.role == Role::Refresh).or(first).cloned()
                });
                return Some((owner.unwrap_or_else(|| part.clone()), Presented::Refresh(token)));
            }
        }
        None
    }

    fn assertion(&self) -> Option<(Part, Presented)> {
        let mut found: Vec<(u8, Part, String)> = self
            .of_kind(AuthType::Jwt, Role::Token)
            .filter_map(|part| {
                let option = part.option();
                let token = option.token.as_ref()?;
                let text = if written::places(token, &["jwt"]) {
                    self.written(part, Some(token))?.ok()?.remove("jwt")?
                } else {
                    self.find(part, "assertion")
                        .filter(|_| self.find(part, "grant_type").is_none_or(|grant| grant == JWT_BEARER))?
                };
                let assertion = Assertion::read(&text);
                let fits = assertion
                    .as_ref()
                    .zip(option.jwt.as_ref())
                    .is_some_and(|(it, jwt)| it.fits(option, jwt).is_ok());
                let words = assertion.map(|assertion| assertion.words()).unwrap_or_default();
                let asks = option.scopes.default.iter().any(|scope| words.contains(scope.as_str()));
                Some((2 * u8::from(fits) + u8::from(asks), part.clone(), text))
            })
            .collect();
        // The first of the best.
        found.reverse();
        let (_, part, text) = found.into_iter().max_by_key(|(rank, ..)| *rank)?;
        Some((part, Presented::Assertion(text)))
    }

    fn client(&self) -> Option<(Part, Presented)> {
        let mut candidates = self.of_kind(AuthType::ClientCredentials, Role::Token).filter(|part| {
            let writes = part.option().token.as_ref().is_some_and(|token| {
                token.params.iter().any(|(name, _)| Some(name.as_str()) == wire(part.option(), "grant_type"))
            });
            let grant = self.find(part, "grant_type");
            writes
                || grant.as_deref() == Some("client_credentials")
                || wire(part.option(), "grant_type").is_none()
                || self.parts.len() == 1
        });
        let named = |part: &&Part| {
            let basic = self.call.basic().map(|(name, _)| name);
            let id = self.find(part, "client_id").or(basic).unwrap_or_default();
            id.strip_prefix("sandbox-") == Some(part.connector.key.as_str())
        };
        let first = candidates.next()?;
        let part = if named(&first) { first } else { candidates.find(named).unwrap_or(first) };
        Some((part.clone(), Presented::Client))
    }

    fn typed(&self) -> Option<(Part, Presented)> {
        self.of_kind(AuthType::TokenExchange, Role::Token).find_map(|part| {
            let captured = self.written(part, part.option().token.as_ref())?.ok()?;
            Some((part.clone(), Presented::Typed(captured)))
        })
    }

    /// A swap or a refresh that carries no token of ours, as the file writes it.
    fn anew(&self) -> Option<(Part, Presented)> {
        let written = |part: &Part| match part.role {
            Role::Exchange => part.option().exchange.clone(),
            Role::Refresh => {
                let refresh = part.option().refresh.as_ref().filter(|refresh| refresh.template)?;
                refresh.request.clone()
            }
            _ => None,
        };
        self.parts.iter().find_map(|part| {
            let request = written(part)?;
            if written::places(&request, &["access_token", "refresh_token"]) {
                return None;
            }
            let captured = self.written(part, Some(&request))?.ok()?;
            Some((part.clone(), Presented::Anew(captured)))
        })
    }

    /// Why nothing was found.
    fn nothing(&self) -> Refusal {
        let part = &self.parts[0];
        let option = part.option();
        let request = super::request_of(part);
        let as_written = part.role == Role::Exchange
            || option.kind == AuthType::TokenExchange
            || (option.kind == AuthType::Jwt
                && request.is_some_and(|request| written::places(request, &["jwt"])));
        if let Some(Err(why)) = self.written(part, request).filter(|_| as_written) {
            return refusal("invalid_request", why);
        }
        match (self.find(part, "grant_type").as_deref(), option.kind) {
            (Some("authorization_code" | "refresh_token"), AuthType::OAuth2) => {
                refusal("invalid_request", "The code or refresh token is missing.")
            }
            (Some(JWT_BEARER), AuthType::Jwt) => refusal("invalid_request", "The assertion is missing."),
            (None, _) if wire(option, "grant_type").is_some() => {
                refusal("invalid_request", "grant_type is missing.")
            }
            _ => refusal("unsupported_grant_type", "This connector's file has no such grant here."),
        }
    }
}
