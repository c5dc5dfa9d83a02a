-- A connection's own key, and what a backend keeps with it.
alter table connection add column key text;
alter table connection add column meta text;
-- Who renews the credential right now: a process, until when, and a number that grows with every lease,
-- so that one that was asleep cannot store what it got (fencing).
alter table connection add column refresh_owner text;
alter table connection add column refresh_until integer;
alter table connection add column refresh_generation integer not null default 0;
-- How often the version that was sent was sent by somebody who never said what came of it.
alter table connection add column refresh_unreported integer not null default 0;
-- When these credentials were last tried to be renewed.
alter table connection add column refresh_tried_at integer;

create unique index connection_key on connection (workspace_id, key, customer_id)
    where key is not null and state <> 'archived';
-- Lists go on below the last id; each filter that leaves few of many has an index to walk.
create index connection_workspace on connection (workspace_id, id) where state <> 'archived';
create index connection_of_integration on connection (integration_id, id) where state <> 'archived';
create index connection_broken on connection (workspace_id, id) where state = 'disconnected';
create index connection_broken_customer on connection (workspace_id, customer_id, id)
    where state = 'disconnected';
create index connection_any on connection (workspace_id, id);
create index connection_any_customer on connection (workspace_id, customer_id, id);

alter table customer add column meta text;
alter table customer add column archived_at integer;
alter table customer add column last_active_at integer;
create index customer_workspace on customer (workspace_id, id);

-- What opens the product's own API for one customer; the life of it is as a connection's.
create table app_credential (
    customer_id text primary key references customer (id) on delete cascade,
    workspace_id text not null references workspace (id) on delete cascade,
    state text not null check (state in ('ready', 'disconnected')),
    reason text,
    sealed_credentials blob not null,
    credential_version integer not null,
    expires_at integer,
    refresh_sent_version integer,
    refresh_owner text,
    refresh_until integer,
    refresh_generation integer not null default 0,
    refresh_unreported integer not null default 0,
    refresh_tried_at integer,
    retry_attempts integer not null default 0,
    created_at integer not null,
    updated_at integer not null
) strict;

-- What the API made is not hidden when a configuration file does not name it.
alter table integration add column origin text not null default 'file' check (origin in ('file', 'api'));
alter table integration add column meta text;
alter table integration add column archived_at integer;

-- The secret half of the settings for the product's own API, sealed.
alter table workspace add column sealed_your_app blob;

-- Those that wait are bounded: the oldest of a customer and of a workspace are found by these.
create index attempt_waiting on attempt (workspace_id, id) where state = 'pending';
create index attempt_waiting_customer on attempt (customer_id, id) where state = 'pending';

alter table attempt add column confirmation_hash blob;
create unique index attempt_confirmation on attempt (confirmation_hash) where confirmation_hash is not null;

-- Where events go: an address of the product, or its own API.
create table webhook (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    kind text not null check (kind in ('url', 'your_app')),
    url text not null,
    events text,
    sealed_secret blob,
    -- The secret before the last rotation signs too, until this time.
    sealed_previous_secret blob,
    previous_until integer,
    origin text not null check (origin in ('file', 'api')),
    created_at integer not null,
    updated_at integer not null
) strict;
create index webhook_workspace on webhook (workspace_id, id);

-- What happened to a connection, told in the transaction in which it happened.
create table event (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    -- None for the event of a test.
    customer_id text,
    connection_id text,
    type text not null,
    data text not null,
    created_at integer not null
) strict;
create index event_workspace on event (workspace_id, id);
create index event_connection on event (connection_id, id);
create index event_age on event (created_at);

create table delivery (
    id text primary key,
    workspace_id text not null references workspace (id) on delete cascade,
    event_id text not null references event (id) on delete cascade,
    webhook_id text not null references webhook (id) on delete cascade,
    state text not null check (state in ('pending', 'delivered', 'dead')),
    attempts integer not null,
    -- While a process tries, the end of its claim: whoever claims it after that tries again.
    next_at integer,
    -- The same for the process that claimed it: what it reports counts while this is unchanged.
    claimed_until integer,
    last_status integer,
    last_error text,
    delivered_at integer,
    created_at integer not null,
    updated_at integer not null
) strict;
create index delivery_due on delivery (webhook_id, next_at) where state = 'pending';
create index delivery_dead on delivery (workspace_id, id) where state = 'dead';
create index delivery_workspace on delivery (workspace_id, id);
create index delivery_event on delivery (event_id);
create index delivery_webhook on delivery (webhook_id);

-- Who did what. Append-only: the triggers keep it so.
create table audit (
    id text primary key,
    workspace_id text not null,
    actor text not null,
    customer_id text,
    action text not null,
    subject text not null,
    detail text not null,
    created_at integer not null
) strict;
create index audit_workspace on audit (workspace_id, id);
create index audit_subject on audit (workspace_id, subject, id);
create trigger audit_is_not_changed before update on audit
begin
    select raise(abort, 'the audit log is append-only');
end;
create trigger audit_is_not_shortened before delete on audit
begin
    select raise(abort, 'the audit log is append-only');
end;
