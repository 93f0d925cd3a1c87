-- What each process of a job used, and what is needed to know how much memory a function takes.

set local lock_timeout = '20s'; -- workers that write wait behind this one
alter table execution add column function text;
alter table execution add column memory bigint;
-- Claims begin with their time, so that recent rows are found by ranges of blocks; costs next to nothing when written.
create index execution_claim on execution using brin (claim);

comment on column execution.function is 'As in job; known once the execution has ended.';
comment on column execution.memory is 'The most that processes of the job which ran at the same time can have held: the sum of their peaks, in bytes.';
comment on column execution.cause is 'Why it ended so, in one word: succeeded, failed, timeout, stopped, killed, drained, claim_lost, lost, or the cause of the process that made it fail.';

create table process (
  claim         text collate "C" not null,
  n             bigint not null,
  job           text collate "C",
  name          text,
  cause         text,
  exit          bigint,
  started_s     double precision,
  wall_s        double precision,
  user_s        double precision,
  system_s      double precision,
  peak_rss      bigint,
  read_bytes    bigint,
  written_bytes bigint,
  waits         bigint,
  preemptions   bigint,
  last_ms       bigint not null,
  last_seq      bigint not null,
  primary key (claim, n)
) partition by range (claim);
create table process_rest partition of process default;

comment on table process is 'One row per process that a job ran, such as one attempt at a hillslope. One partition a month, as execution; process_rest has what has no month.';
comment on column process.n is 'In the order in which they ended, from 1 for each claim.';
comment on column process.cause is 'exited, signal (not by this worker), timed_out, memory (its own limit), container_memory (the kernel, for the whole container), cpu_time, file_size, stopped.';
comment on column process.exit is 'Exit code, or minus the signal.';
comment on column process.started_s is 'Seconds after the start of the execution.';
comment on column process.peak_rss is 'Most memory, in bytes; 0 when it ended before it was looked at.';
comment on column process.waits is 'Voluntary context switches.';
comment on column process.preemptions is 'Involuntary context switches.';
comment on column event.event is 'started, dropped, finished, failed, stopped, canceled, retried, requeued, found; processes and survivor while a job runs; dropped_events when too many waited; unreadable for an event that Postgres refused, which is kept as text in fields.';
