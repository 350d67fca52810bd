-- How long tasks were due before they started, over all that did: with `started`, how soon work is picked up.
alter table windlass.counter add column waited_ms bigint not null default 0;
