//! The parameters of a call to a provider's own endpoints, read the way the connector's file says
//! they travel.

use crate::catalog::connector::{AuthOption, Request};

use super::{
    Sandbox,
    call::{Call, Params},
    cast::Part,
    consent::wire,
    reply::{Refusal, refusal},
    written,
};

/// A call whose method, format and own words are the file's.
pub(super) struct Sent<'a> {
    pub(super) sandbox: &'a Sandbox,
    pub(super) call: &'a Call,
    /// The parameters, from where the request puts them.
    pub(super) params: &'a Params,
    pub(super) part: &'a Part,
    /// The request of the file.
    pub(super) request: &'a Request,
}

impl<'a> Sent<'a> {
    /// Reads the call; refuses one that does not travel as the file writes it.
    pub(super) fn read(
        sandbox: &'a Sandbox,
        call: &'a Call,
        body: &'a Params,
        part: &'a Part,
        request: &'a Request,
    ) -> Result<Self, Refusal> {
        let bad = |why: String| refusal("invalid_request", why);
        written::right_way(request, call, body, true).map_err(bad)?;
        let params = written::params_of(request, call, body);
        written::check_params(request, part.option(), params).map_err(bad)?;
        Ok(Self { sandbox, call, params, part, request })
    }

    /// The auth option.
    pub(super) fn option(&self) -> &AuthOption {
        self.part.option()
    }

    /// A standard parameter under the provider's name; none when it is empty.
    pub(super) fn get(&self, standard: &str) -> Option<&str> {
        self.params.get(wire(self.option(), standard)?).filter(|text| !text.is_empty())
    }

    /// `grant_type` has this value, unless the provider knows no such parameter or writes its own.
    pub(super) fn check_grant(&self, grant: &str) -> Result<(), Refusal> {
        let Some(name) = wire(self.option(), "grant_type") else { return Ok(()) };
        let is_written = self.request.params.iter().any(|(param, _)| param == name);
        if is_written || self.params.get(name) == Some(grant) {
            return Ok(());
        }
        Err(refusal("unsupported_grant_type", "grant_type does not fit what is presented."))
    }

    /// The scopes asked for. A provider without scopes wants none.
    pub(super) fn scope(&self) -> Result<String, Refusal> {
        let scopes = &self.option().scopes;
        let asked = self.params.get(&scopes.param).unwrap_or("");
        if !asked.is_empty() && !scopes.supported {
            return Err(refusal("invalid_scope", "This provider knows no scopes."));
        }
        Ok(asked.to_owned())
    }
}
