//! Where a relayed call goes, and with which headers: the caller's own without what ends here, and the
//! credentials over them.

use std::{borrow::Cow, collections::BTreeMap, sync::OnceLock};

use http::{HeaderMap, header};
use url::Url;

use super::{Behalf, Engine, Head, RelayError};
use crate::{
    catalog::{connector::Api, template::Values},
    engine::{
        EngineError,
        provider::{Provider, ProviderError, Subject, played},
    },
    model::Parameters,
    protocol::{
        Call,
        endpoint::EndpointError,
        hop,
        inject::{inject_relayed, merge_query},
        join::{self, Destination},
    },
};

/// Where a call goes.
pub(super) struct Route {
    /// The address that is meant, and the caller's query.
    meant: Destination,
    /// The address that is called: the same, or the sandbox's that plays it.
    pub(super) called: Url,
}

impl Route {
    /// The host that is meant; its calls share a limit.
    pub(super) fn host(&self) -> String {
        self.meant.url.host_str().unwrap_or_default().to_owned()
    }
}

impl Engine {
    /// Finds out where a call goes. It stays with the connector's own hosts.
    pub(super) fn route(&self, behalf: &Behalf, request: &Head) -> Result<Route, RelayError> {
        let none = Api::default();
        let api = behalf.api().unwrap_or(&none);
        let names = Names { engine: self, behalf, rest: OnceLock::new() };
        let base = match &api.base {
            Some(base) => Some(base.render_url(&names).map_err(ProviderError::from)?),
            None => None,
        };
        if base.as_ref().is_some_and(|base| !api.admits(base)) {
            return Err(ProviderError::from(EndpointError::HostNotAllowed).into());
        }
        let query = request.query.as_deref();
        let meant = match (join::absolute(&request.path), &base) {
            (Some(whole), base) => join::address(whole, query, api, base.as_ref())?,
            (None, Some(base)) => join::join(base, &request.path, query)?,
            (None, None) => return Err(RelayError::NoBase),
        };
        let called = match self.inner.addresses.sandbox_bound {
            Some(bound) if behalf.view.integration.settings.sandbox => {
                let base = Url::parse(&format!("http://{bound}/"));
                played(&base.expect("a socket address makes an address"), &meant.url)
            }
            _ => meant.url.clone(),
        };
        Ok(Route { meant, called })
    }

    /// Path and query, and the headers. `body` is what a signature covers, where it is at hand.
    pub(super) fn dress(
        &self,
        behalf: &Behalf,
        request: &Head,
        route: &Route,
        body: Option<&[u8]>,
    ) -> Result<(String, HeaderMap), RelayError> {
        let names = Names { engine: self, behalf, rest: OnceLock::new() };
        let option = behalf.option();
        let mut call = Call::new(request.method.clone(), route.meant.url.clone());
        call.headers = hop::forwarded(&request.headers);
        let none = Api::default();
        let defaults = &behalf.api().unwrap_or(&none).headers;
        inject_relayed(&option.usage, defaults, &names, &mut call).map_err(ProviderError::from)?;
        let query = merge_query(route.meant.query.as_deref(), call.url.query());
        if option.usage.sign {
            call.url.set_query(query.as_deref());
            if is_form(&call.headers) {
                call.body = body.unwrap_or_default().to_vec();
            }
            call = names.provider()?.signed_now(&call)?;
        }
        let mut target = route.called.path().to_owned();
        if let Some(query) = query {
            target.push('?');
            target.push_str(&query);
        }
        Ok((target, call.headers))
    }
}

/// Whether a body is a form, which OAuth 1 signs.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let label = headers.get(header::CONTENT_TYPE).and_then(|label| label.to_str().ok());
    let essence = label.and_then(|label| label.split(';').next()).unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The values of a connector's templates. Nearly every call needs a token and nothing else, so what is
/// dearer to make is made when it is asked for.
struct Names<'a> {
    engine: &'a Engine,
    behalf: &'a Behalf,
    rest: OnceLock<Option<Provider<'a>>>,
}

impl<'a> Names<'a> {
    fn provider(&self) -> Result<&Provider<'a>, RelayError> {
        let made = self.rest.get_or_init(|| {
            let made = self.made();
            made.inspect_err(|error| tracing::error!(%error, "A call could not be made ready")).ok()
        });
        made.as_ref().ok_or_else(|| RelayError::Unfit("the connection's settings cannot be read".to_owned()))
    }

    fn made(&self) -> Result<Provider<'a>, EngineError> {
        let behalf = self.behalf;
        let empty = BTreeMap::new();
        let parameters = match &behalf.connection {
            Some(connection) => self.engine.parameters_of_connection(connection)?,
            None => Parameters::default(),
        };
        let subject = Subject {
            customer: &behalf.customer,
            input: behalf.connection.as_ref().map_or(&empty, |connection| &connection.input),
            parameters: &parameters,
            credentials: &behalf.credentials,
        };
        Provider::new(self.engine, &behalf.workspace, &behalf.view, behalf.option(), &subject)
    }
}

impl Values for Names<'_> {
    /// In the order of `Provider`'s own namespace: tokens, what was typed in secret, what was kept.
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let credentials = &self.behalf.credentials;
        let token = match name {
            "access_token" => credentials.access_token.as_ref(),
            "refresh_token" => credentials.refresh_token.as_ref(),
            "jwt" => None,
            name => credentials.input.get(name),
        };
        if let Some(token) = token {
            return Some(Cow::Borrowed(token.expose()));
        }
        if let Some(kept) = credentials.kept.get(name).filter(|_| name != "jwt") {
            return Some(Cow::Borrowed(kept));
        }
        self.provider().ok()?.names.value(name)
    }
}
