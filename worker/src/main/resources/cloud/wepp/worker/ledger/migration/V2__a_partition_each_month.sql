-- Events and executions by month, so that old ones go by dropping a table. No row is copied: the tables that were there
-- become partitions. The time is inside the primary keys: the stream id of an event begins with Redis' time, and the
-- claim of an execution with its worker's, as 12 hex digits of milliseconds. So whoever writes a row again finds it in the
-- same partition, and the statements of older releases still work. The worker makes and drops the months.

set local lock_timeout = '20s'; -- workers that write wait behind this one
alter table event rename to event_before;
alter index event_pkey rename to event_before_pkey;
alter index event_job rename to event_before_job;
create table event (like event_before including defaults including comments) partition by range (stream_ms);
alter table event add primary key (source, stream_ms, stream_seq);
create index event_job on event using hash (job);
comment on table event is 'Every state change that this worker made, as it was written to the Redis stream. Never changed. One partition a month, by stream_ms; event_before has what was there before, event_rest what has no month.';
comment on column event.event is 'started, dropped, finished, failed, stopped, canceled, retried, requeued, found; dropped_events when too many waited; unreadable for an event that Postgres refused, which is kept as text in fields.';
create table event_rest partition of event default;

do $$
declare
  bound bigint := extract(epoch from date_trunc('month', now() at time zone 'UTC') + interval '1 month') * 1000;
begin
  execute format('with ahead as (delete from event_before where stream_ms >= %s returning *)'
    || ' insert into event_rest select * from ahead', bound);
  execute format('alter table event attach partition event_before for values from (minvalue) to (%s)', bound);
end $$;

-- Claims of older releases begin with no time: they stay in a partition of their own.
alter table execution rename to execution_rest;
alter index execution_pkey rename to execution_rest_pkey;
create table execution (like execution_rest including defaults including comments) partition by range (claim);
alter table execution add primary key (job, claim);
alter table execution attach partition execution_rest default;
comment on table execution is 'One row per claim: one time that a worker ran a job. One partition a month, by the time in the claim; execution_rest has the claims without one.';
comment on column execution.claim is 'Begins with the worker''s time of the start: 12 hex digits of milliseconds.';

create or replace view history as
select job.*, executions.count as executions, last.claim, last.worker, last.host, last.event,
       last.cause, last.error, last.exit, last.wall_s, last.user_s, last.system_s, last.peak_rss,
       last.processes, last.read_bytes, last.written_bytes
from job
left join lateral (
  select * from execution where execution.job = job.id order by last_ms desc, last_seq desc limit 1
) last on true
cross join lateral (select count(*) from execution where execution.job = job.id) executions;

-- Who may read the tables that were there may read those in their place.
do $$
declare
  given record;
begin
  for given in
    select replace(replace(table_name, '_before', ''), '_rest', '') as name, privilege_type as privilege, grantee
    from information_schema.role_table_grants
    where table_schema = current_schema and table_name in ('event_before', 'execution_rest') and grantee <> grantor
  loop
    execute format('grant %s on %I to %s', given.privilege, given.name,
      case given.grantee when 'PUBLIC' then 'public' else quote_ident(given.grantee) end);
  end loop;
end $$;
