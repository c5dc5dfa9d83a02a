//! From a token or a link to a page session.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use super::{Act, Engine, EngineError, SessionRefusal, WorkspaceView, opening::Kept, tokens::Checked, trace};
use crate::{
    model::{
        Access, Aim, Customer, CustomerId, Handle, HandleHash, Opening, Secret, Session, Surface, Timestamp,
        WorkspaceId,
    },
    protocol::jwt::{self, Claims, Issuer, Rules, TokenError},
    store::{NewLink, NewSession},
};

/// How long a hosted page works before it needs a new token or link.
pub const PAGE_SESSION_LIFE: Duration = Duration::from_secs(8 * 60 * 60);
/// How long an embedded page works when nobody uses it; each use begins it anew, up to the life of a hosted
/// page.
pub const EMBED_SESSION_LIFE: Duration = Duration::from_secs(30 * 60);
/// A use moves an embed's end only when it is nearer than this, so that not each one is written down.
const EXTENDED_UNDER: Duration = Duration::from_secs(20 * 60);
/// Name of the customer that a demo signs in.
const DEMO_CUSTOMER: &str = "demo-customer";

/// How long a session is held in memory: only its end changes, but its customer's name may.
const HELD: Duration = Duration::from_secs(10);
/// Sessions held at most; all are let go of when there are more.
const HELD_MOST: usize = 10_000;

/// Sessions that were looked up a moment ago.
#[derive(Default)]
pub(super) struct Sessions(RwLock<HashMap<HandleHash, (Session, Timestamp)>>);

impl Sessions {
    fn recall(&self, hash: &HandleHash, now: Timestamp) -> Option<Session> {
        let held = self.0.read().expect("nothing panics while holding it");
        let (session, since) = held.get(hash)?;
        (session.expires_at > now && now >= *since && now.since(*since) < HELD).then(|| session.clone())
    }

    fn keep(&self, hash: HandleHash, session: &Session, now: Timestamp) {
        let mut held = self.0.write().expect("nothing panics while holding it");
        if held.len() >= HELD_MOST {
            held.clear();
        }
        held.insert(hash, (session.clone(), now));
    }

    /// A customer was changed or archived.
    pub(super) fn forget(&self) {
        self.0.write().expect("nothing panics while holding it").clear();
    }
}

/// The product's backend, whose token was checked.
pub struct Backend {
    /// The workspace it speaks for.
    pub workspace: WorkspaceId,
}

impl Engine {
    /// Checks a customer's token and says who it is. The customer is made at first sight.
    pub async fn authenticate(&self, token: &str, surface: Surface) -> Result<Session, EngineError> {
        self.signed_in(token, surface, None).await
    }

    async fn signed_in(
        &self,
        token: &str,
        surface: Surface,
        opening: Option<Opening>,
    ) -> Result<Session, EngineError> {
        let (workspace, claims) = self.claims(token).await?;
        let now = self.now();
        let customer = self.customer_of(workspace.workspace.id, &claims, now).await?;
        trace::caller(workspace.workspace.id, Some(customer.id));
        let kept = Kept { signed: claims.connector_parameters, opening };
        Ok(Session {
            workspace: workspace.workspace.id,
            customer,
            surface,
            sealed_parameters: self.seal_kept(workspace.workspace.id, &kept),
            is_admin: claims.is_admin,
            integrations: claims.integrations,
            aim: Aim { connection: claims.integration_id, name: claims.connection_name },
            expires_at: claims.expires_at.unwrap_or(now.plus(PAGE_SESSION_LIFE)),
        })
    }

    /// Checks a token of the API and says how far its bearer may go.
    pub async fn access(&self, token: &str) -> Result<Access, EngineError> {
        let (hash, now) = (HandleHash::of(token), self.now());
        if let Some((access, revision)) = self.inner.tokens.recall(&hash, now)
            && self.workspace(access.workspace).await?.workspace.revision == revision
        {
            trace::caller(access.workspace, access.customer.as_ref().map(|customer| customer.id));
            return Ok(access);
        }
        let (workspace, claims) = self.claims(token).await?;
        let (revision, expires_at) = (workspace.workspace.revision, claims.expires_at);
        let access = self.access_of(&workspace, claims).await?;
        trace::caller(access.workspace, access.customer.as_ref().map(|customer| customer.id));
        self.inner.tokens.keep(hash, Checked { access: access.clone(), revision, expires_at, since: now });
        Ok(access)
    }

    async fn access_of(&self, workspace: &WorkspaceView, claims: Claims) -> Result<Access, EngineError> {
        let id = workspace.workspace.id;
        let customer = match claims.is_admin && claims.customer.is_none() {
            true => None,
            false => Some(self.customer_of(id, &claims, self.now()).await?),
        };
        let kept = Kept { signed: claims.connector_parameters, opening: None };
        Ok(Access {
            workspace: id,
            customer,
            is_backend: claims.is_admin,
            sealed_parameters: self.seal_kept(id, &kept),
            integrations: claims.integrations,
        })
    }

    /// Checks a token of the product's backend (`isAdmin`).
    pub async fn authenticate_backend(&self, token: &str) -> Result<Backend, EngineError> {
        let (workspace, claims) = self.claims(token).await?;
        let workspace = workspace.workspace.id;
        claims.is_admin.then_some(Backend { workspace }).ok_or(EngineError::AccessDenied)
    }

    async fn claims(&self, token: &str) -> Result<(Arc<WorkspaceView>, Claims), EngineError> {
        let workspace = match jwt::issuer(token).map_err(SessionRefusal::from)? {
            Issuer::Key(key) => self.workspace_by_key(&key).await,
            Issuer::Id(id) => match WorkspaceId::parse(&id) {
                Some(id) => self.workspace(id).await,
                None => Err(EngineError::NotFound("workspace")),
            },
        };
        let workspace = workspace.map_err(|error| match error {
            EngineError::NotFound(_) => SessionRefusal::UnknownWorkspace.into(),
            other => other,
        })?;
        let settings = &workspace.workspace.settings;
        let rules = Rules {
            max_lifetime: Duration::from_secs(settings.max_token_lifetime_seconds),
            allow_without_exp: settings.allow_tokens_without_exp,
        };
        let claims = jwt::verify(token, &workspace.keys, &rules, self.now()).map_err(SessionRefusal::from)?;
        if let Some(row) = &claims.signed_by {
            self.note_key(row);
        }
        Ok((workspace, claims))
    }

    async fn customer_of(
        &self,
        workspace: WorkspaceId,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<Customer, EngineError> {
        let internal_id = claims.customer.clone().ok_or(SessionRefusal::NoCustomer)?;
        let seen = Customer {
            id: CustomerId::from_uuid(self.entropy().uuid(now)),
            internal_id,
            name: claims.name.clone(),
            fields: claims.fields.clone().unwrap_or_default(),
        };
        let customer = self.store().ensure_customer(&seen, workspace, now).await?;
        Ok(customer.ok_or(SessionRefusal::CustomerArchived)?)
    }

    /// Turns a token into a page session; a new one per token, never an adopted one.
    pub async fn open_session(
        &self,
        token: &str,
        surface: Surface,
    ) -> Result<(Session, Handle), EngineError> {
        let session = self.authenticate(token, surface).await?;
        self.let_in(session).await
    }

    /// Turns a token into the session of an embed, which keeps how it was opened.
    pub async fn open_embed(&self, token: &str, opening: Opening) -> Result<(Session, Handle), EngineError> {
        let session = self.signed_in(token, Surface::Embed, Some(opening)).await?;
        self.let_in(session).await
    }

    /// A page is for connecting: one that could not do what its token says does not open.
    async fn let_in(&self, session: Session) -> Result<(Session, Handle), EngineError> {
        if let Some(connection) = &session.aim.connection {
            self.renewable(&session, connection).await?;
        }
        self.remember(session).await
    }

    /// The session behind a handle.
    pub async fn session(&self, handle: &str) -> Result<Session, EngineError> {
        let hash = Handle::parse(handle).ok_or(SessionRefusal::Ended)?.hash();
        let now = self.now();
        if let Some(session) = self.inner.sessions.recall(&hash, now) {
            trace::caller(session.workspace, Some(session.customer.id));
            return Ok(session);
        }
        let mut session = self.store().session(hash, now).await?.ok_or(SessionRefusal::Ended)?;
        trace::caller(session.workspace, Some(session.customer.id));
        if session.surface == Surface::Embed && session.expires_at < now.plus(EXTENDED_UNDER) {
            self.extend(hash, &mut session, now).await;
        }
        self.inner.sessions.keep(hash, &session, now);
        Ok(session)
    }

    /// Whoever uses a page is not shut out of it. That this was not written down is no reason to be.
    async fn extend(&self, hash: HandleHash, session: &mut Session, now: Timestamp) {
        let until = now.plus(EMBED_SESSION_LIFE);
        match self.store().extend_session(hash, until, PAGE_SESSION_LIFE, now).await {
            Ok(extended) => session.expires_at = extended.unwrap_or(session.expires_at),
            Err(error) => tracing::warn!(%error, "A page session was not extended"),
        }
    }

    /// Follows a link: a page session for the customer it was made for.
    pub async fn follow_link(&self, ticket: &str) -> Result<(Session, Handle), EngineError> {
        let ticket = Handle::parse(ticket).ok_or(SessionRefusal::LinkEnded)?;
        let now = self.now();
        let link = self.store().link(ticket.hash(), now).await?.ok_or(SessionRefusal::LinkEnded)?;
        let customer = self.store().customer(link.workspace, link.customer).await?;
        let session = Session {
            workspace: link.workspace,
            customer: customer.ok_or(SessionRefusal::LinkEnded)?,
            surface: Surface::Page,
            integrations: link.integrations,
            sealed_parameters: None,
            aim: Aim::default(),
            is_admin: false,
            expires_at: now,
        };
        self.remember(session).await
    }

    async fn remember(&self, mut session: Session) -> Result<(Session, Handle), EngineError> {
        self.count_caller(Act::SignIn, session.workspace, Some(session.customer.id))?;
        let now = self.now();
        let handle = self.entropy().handle();
        session.expires_at = now.plus(match session.surface {
            Surface::Page => PAGE_SESSION_LIFE,
            Surface::Embed => EMBED_SESSION_LIFE,
        });
        let remembered = NewSession {
            hash: handle.hash(),
            workspace: session.workspace,
            customer: session.customer.id,
            surface: session.surface,
            integrations: session.integrations.clone(),
            sealed_parameters: session.sealed_parameters.clone(),
            aim: session.aim.clone(),
            expires_at: session.expires_at,
        };
        self.store().add_session(&remembered, now).await?;
        Ok((session, handle))
    }

    /// Makes a link for the demo's customer. It works until the next start.
    pub async fn demo_link(&self, workspace: WorkspaceId) -> Result<Handle, EngineError> {
        let now = self.now();
        let ticket = self.entropy().handle();
        let seen = Customer {
            id: CustomerId::from_uuid(self.entropy().uuid(now)),
            internal_id: DEMO_CUSTOMER.to_owned(),
            name: Some("Test customer".to_owned()),
            fields: serde_json::Map::new(),
        };
        let customer = self.store().ensure_customer(&seen, workspace, now).await?;
        let customer = customer.ok_or(SessionRefusal::CustomerArchived)?;
        let link = NewLink {
            hash: ticket.hash(),
            workspace,
            customer: customer.id,
            integrations: None,
            demo: true,
            expires_at: now.plus(Duration::from_secs(10 * 365 * 24 * 60 * 60)),
        };
        self.store().add_link(&link, now).await?;
        Ok(ticket)
    }

    /// A token for a workspace that has a secret, as `hitchpost token` prints it.
    pub async fn test_token(
        &self,
        workspace_key: &str,
        customer: Option<&str>,
        admin: bool,
        life: Duration,
    ) -> Result<Secret<String>, EngineError> {
        let view = self.workspace_by_key(workspace_key).await?;
        let secret = view.keys.secrets.first().ok_or(EngineError::NotFound("workspace secret"))?;
        let longest = Duration::from_secs(view.workspace.settings.max_token_lifetime_seconds);
        if life > longest {
            return Err(SessionRefusal::from(TokenError::LifetimeTooLong).into());
        }
        let now = self.now();
        let mut claims = serde_json::json!({
            "iss": workspace_key,
            "iat": now.seconds(),
            "exp": now.plus(life).seconds(),
            "test": true,
        });
        if let Some(customer) = customer {
            claims["id"] = customer.into();
        }
        if admin {
            claims["isAdmin"] = true.into();
        }
        Ok(jwt::sign_hs256(secret, &claims))
    }

    /// A token for the demo's customer, for pages of the sandbox that show the embed.
    pub async fn demo_token(&self, workspace_key: &str) -> Result<Secret<String>, EngineError> {
        self.test_token(workspace_key, Some(DEMO_CUSTOMER), false, Duration::from_secs(60 * 60)).await
    }

    /// The demo workspace's secret: the same after a restart, another for every installation.
    pub fn demo_secret(&self) -> Secret<String> {
        let bytes = self.vault().derive("demo workspace secret");
        Secret::new(bytes.expose().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// What signs the sandbox's tokens, so that they outlive a restart.
    pub fn sandbox_key(&self) -> Secret<[u8; 32]> {
        self.vault().derive("sandbox")
    }
}
