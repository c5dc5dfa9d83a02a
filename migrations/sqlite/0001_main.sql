-- Times are milliseconds since 1970, UTC. Ids are UUID text. Columns named sealed_* hold what the
-- vault made of a secret; columns named *_hash hold SHA-256 of a handle that only a browser has.

create table installation (
    name text primary key,
    value blob not null
) strict;

create table workspace (
    id text primary key,
    key text not null unique,
    name text not null,
    settings text not null,
    revision integer not null,
    created_at integer not null,
    updated_at integer not null
) strict;

-- What signs customers' tokens: secrets (sealed) and public keys (PEM). Those the configuration
-- file owns are replaced by `apply`; others are left alone.
create table workspace_key (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    kind text not null check (kind in ('secret', 'public')),
    kid text,
    sealed_secret blob,
    pem text,
    from_file integer not null,
    created_at integer not null
) strict;
create index workspace_key_workspace on workspace_key (workspace_id);

create table integration (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    key text not null,
    connector text not null,
    connector_source text,
    settings text not null,
    sealed_client_secret blob,
    position integer not null,
    hidden integer not null,
    created_at integer not null,
    updated_at integer not null,
    unique (workspace_id, key)
) strict;

create table customer (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    internal_id text not null,
    name text,
    fields text not null,
    created_at integer not null,
    updated_at integer not null,
    unique (workspace_id, internal_id)
) strict;

create table page_session (
    session_hash blob primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    customer_id text not null references customer (id) on delete cascade,
    surface text not null,
    integrations text,
    expires_at integer not null,
    created_at integer not null
) strict;
create index page_session_expiry on page_session (expires_at);

create table link (
    ticket_hash blob primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    customer_id text not null references customer (id) on delete cascade,
    integrations text,
    demo integer not null,
    expires_at integer not null,
    created_at integer not null
) strict;

create table connection (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    customer_id text not null references customer (id) on delete cascade,
    integration_id text not null references integration (id),
    name text,
    auth_option text not null,
    state text not null check (state in ('ready', 'disconnected', 'archived')),
    reason text,
    input text not null,
    connector_parameters text not null,
    account_id text,
    account_label text,
    sealed_credentials blob,
    credential_version integer not null,
    expires_at integer,
    refresh_at integer,
    refresh_sent_version integer,
    retry_attempts integer not null,
    last_active_at integer,
    created_at integer not null,
    updated_at integer not null,
    archived_at integer
) strict;
create index connection_customer on connection (workspace_id, customer_id, id) where state <> 'archived';
create index connection_integration on connection (integration_id, customer_id, id) where state <> 'archived';
create index connection_refresh on connection (refresh_at) where state = 'ready' and refresh_at is not null;

create table attempt (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    customer_id text not null references customer (id) on delete cascade,
    integration_id text not null references integration (id),
    request_id text,
    state text not null check (state in ('pending', 'consumed', 'connected', 'failed')),
    request text not null,
    failure text,
    connection_id text,
    sealed_secret blob,
    ticket_hash blob unique,
    state_hash blob unique,
    binding_hash blob,
    result_hash blob unique,
    expires_at integer not null,
    created_at integer not null,
    updated_at integer not null
) strict;
create unique index attempt_request_id on attempt (workspace_id, customer_id, request_id) where request_id is not null;
create index attempt_request on attempt (request_id) where request_id is not null;
create index attempt_expiry on attempt (expires_at);
