-- The settings of one transaction. Behind a transaction pooler those of a session, or of its start, reach some other backend.
select set_config(name, setting, true) from unnest(%(names)s::text[], %(settings)s::text[]) as s(name, setting)
