-- A key that is being retired counts until then. Tokens signed with it are seen in last_used_at.
alter table workspace_key add column retires_at integer;
alter table workspace_key add column last_used_at integer;

-- What a session's token says of the connection it is for.
alter table page_session add column aim text;
