-- The next events of each watched task, in order. Created, started and ended are derived from the task's rows; a sequence is
-- attempt * 10,000,000 + n (core/sequence.py). type: 1 state, 2 stage, 3 step, 4 progress, 5 output.
-- One writer and one order of commits a task: what is visible now is never preceded by something that becomes visible later.
-- Who has seen a task made, or its last attempt handed back (n is 1 or 9,999,998), has seen all while it waits where that left it: a
-- thousand followers of tasks that wait cost a look at the place of each, and none at the seven tables of events.
select w.task, e.sequence, e.at, e.type, e.state, e.text, e.data, node.name, e.next_try_at, e.current, e.total, e.stream, e.dropped
from unnest(%(tasks)s::bigint[], %(afters)s::bigint[], %(timeline_only)s::bool[]) as w(task, after, timeline_only)
cross join lateral (
  select * from (
   select *, sum(octet_length(text) + coalesce(octet_length(data), 0)) over (order by sequence)
             - octet_length(text) - coalesce(octet_length(data), 0) as before
   from (
    (select sequence, at, type::int, case when type = 1 then 3 end as state, text, convert_to(data::text, 'UTF8') as data,
            null::bigint as node, null::timestamptz as next_try_at, null::bigint as current, null::bigint as total,
            null::int as stream, 0::bigint as dropped
     from windlass.step where task = w.task and sequence > w.after order by sequence limit %(limit)s)
    union all
    (select sequence, at, 5, null, '', data, null, null, null, null, stream::int, dropped
     from windlass.output where task = w.task and sequence > w.after and not w.timeline_only order by sequence limit %(limit)s)
    union all
    select 1, created_at, 1, 1, '', null, null, null, null, null, null, 0 from windlass.task where id = w.task and w.after < 1
    union all
    select attempt * 10000000::bigint, started_at, 1, 2, '', null, node, null, null, null, null, 0
    from windlass.running where id = w.task and started_at is not null and attempt * 10000000::bigint > w.after
    union all
    select progress_sequence, progress_at, 4, null, '', null, null, null, progress_current, progress_total, null, 0
    from windlass.running where id = w.task and progress_sequence > w.after and not w.timeline_only
    union all
    select s.sequence, s.at, 1, s.state, s.text, null, node, s.next_try_at, null, null, null, 0
    from windlass.attempt a, lateral (values
      (a.attempt * 10000000::bigint, a.started_at, 2, '', null::timestamptz),
      (a.attempt * 10000000::bigint + 9999998, a.ended_at, 1, a.message, a.next_try_at)) as s(sequence, at, state, text, next_try_at)
    where a.task = w.task and s.sequence > w.after and s.at is not null
    union all
    select s.sequence, s.at, 1, s.state, s.text, convert_to(s.result::text, 'UTF8'), node, null, null, null, null, 0
    from windlass.outcome o, lateral (values
      (o.attempt * 10000000::bigint, o.started_at, 2, '', null::jsonb),
      (o.attempt * 10000000::bigint + 9999999, o.ended_at, o.state::int, o.message, o.result)) as s(sequence, at, state, text, result)
    where o.id = w.task and s.sequence > w.after and s.at is not null
   ) as every
   order by sequence limit %(limit)s
  ) as next
  where %(portion)s::bigint is null or before < %(portion)s
) as e
left join windlass.node on node.id = e.node
where w.after %% 10000000 not in (1, 9999998)
   or not (exists (select from windlass.ready where id = w.task and attempt = w.after / 10000000)
           or exists (select from windlass.deferred where id = w.task and attempt = w.after / 10000000)
           or exists (select from windlass.blocked where id = w.task and attempt = w.after / 10000000))
order by w.task, e.sequence
