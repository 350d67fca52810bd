-- A new priority for a task in the queue; for a running one it counts from its next attempt. A row that is on its way elsewhere is
-- passed over: the caller looks again. It arrives anew, so that claims which are past its place look back.
with ready as (
  update windlass.ready set priority = %(priority)s, arrived = pg_current_xact_id()
  where ctid = any(array(select ctid from windlass.ready where id = %(task)s for update skip locked)) returning 1 as state
), deferred as (
  update windlass.deferred set priority = %(priority)s
  where ctid = any(array(select ctid from windlass.deferred where id = %(task)s for update skip locked)) returning 1 as state
), blocked as (
  update windlass.blocked set priority = %(priority)s
  where ctid = any(array(select ctid from windlass.blocked where id = %(task)s for update skip locked)) returning 1 as state
), running as (
  update windlass.running set priority = %(priority)s
  where id = %(task)s returning case when interrupt_at is null then 2 else 3 end as state
)
select state from ready union all select state from deferred union all select state from blocked union all select state from running
