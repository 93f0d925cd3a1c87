-- The past of all jobs that this worker took. Nothing here refers to anything else, because two
-- processes may write the events of one job in any order. Rows are merged so that every order, and
-- every repetition, ends in the same rows. Ids are compared as bytes (collation C): no language
-- orders them, and it is cheaper.

create table event (
  source     uuid   not null,
  stream_ms  bigint not null,
  stream_seq bigint not null,
  event      text,
  job        text collate "C",
  claim      text,
  worker     text,
  at         timestamptz,
  fields     jsonb  not null,
  primary key (source, stream_ms, stream_seq)
);
create index event_job on event using hash (job);

comment on table event is 'Every state change that this worker made, as it was written to the Redis stream. Never changed.';
comment on column event.source is 'The Redis data set that the event comes from; a flushed Redis has a new one.';
comment on column event.stream_ms is 'First part of the stream id: Redis time in ms.';
comment on column event.stream_seq is 'Second part of the stream id.';
comment on column event.event is 'started, dropped, finished, failed, stopped, canceled, retried, requeued; unreadable for an event that Postgres refused, which is kept as text in fields.';
comment on column event.at is 'When it happened, by the clock of the worker; null when it was not a time.';
comment on column event.fields is 'What the event says beyond the other columns.';

create table job (
  id          text collate "C" primary key,
  queue       text,
  function    text,
  run         text,
  description text,
  status      text,
  enqueued_at timestamptz,
  started_at  timestamptz,
  ended_at    timestamptz,
  last_ms     bigint not null,
  last_seq    bigint not null
) with (fillfactor = 80);
create index job_started on job (started_at desc nulls last);
create index job_run on job (run, started_at desc nulls last) where run is not null;

comment on table job is 'One row per job. Redis is the truth of the queue; this is what was last heard of it.';
comment on column job.queue is 'The queue that the job belongs to (rq: origin).';
comment on column job.function is 'The function''s full name; known once the job has ended.';
comment on column job.run is 'WEPPcloud''s run id; null when the job has none.';
comment on column job.status is 'rq''s word, after the event of last_ms and last_seq.';
comment on column job.started_at is 'When it last started.';
comment on column job.ended_at is 'When an execution last ended; while the job runs again, that of the one before.';
comment on column job.last_ms is 'Stream id of the event that set the status; an older one does not change it.';

create table execution (
  job           text collate "C" not null,
  claim         text collate "C" not null,
  queue         text,
  execution     text,
  worker        text,
  host          text,
  started_at    timestamptz,
  ended_at      timestamptz,
  event         text,
  cause         text,
  error         text,
  exit          bigint,
  wall_s        double precision,
  user_s        double precision,
  system_s      double precision,
  peak_rss      bigint,
  processes     bigint,
  read_bytes    bigint,
  written_bytes bigint,
  last_ms       bigint not null,
  last_seq      bigint not null,
  primary key (job, claim)
) with (fillfactor = 80);

comment on table execution is 'One row per claim: one time that a worker ran a job.';
comment on column execution.execution is 'rq''s execution id.';
comment on column execution.event is 'How it ended: the name of the event; null while it runs.';
comment on column execution.cause is 'Why it ended so, in one word.';
comment on column execution.error is 'What went wrong, in words.';
comment on column execution.exit is 'Exit status of the last process; null when there was none.';
comment on column execution.wall_s is 'Seconds from start to end.';
comment on column execution.user_s is 'CPU seconds of all processes in user mode.';
comment on column execution.system_s is 'CPU seconds of all processes in the kernel.';
comment on column execution.peak_rss is 'Most memory of one process, in bytes.';
comment on column execution.last_ms is 'Stream id of the newest event of this execution.';

create view history as
select job.*, executions.count as executions, last.claim, last.worker, last.host, last.event,
       last.cause, last.error, last.exit, last.wall_s, last.user_s, last.system_s, last.peak_rss,
       last.processes, last.read_bytes, last.written_bytes
from job
left join lateral (
  select * from execution where execution.job = job.id order by last_ms desc, last_seq desc limit 1
) last on true
cross join lateral (select count(*) from execution where execution.job = job.id) executions;

comment on view history is 'One row per job, with the number of its executions and the account of the latest.';
