-- Connector parameters whose values are secret are sealed apart from the others.
alter table connection add column sealed_parameters blob;
alter table integration add column sealed_parameters blob;
-- What a session's token signed, for the connections it makes.
alter table page_session add column sealed_parameters blob;
