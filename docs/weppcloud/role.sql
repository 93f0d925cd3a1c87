-- The history's own role and schema in WEPPcloud's database, once, by a superuser; again does no harm:
--   psql -d wepppy -f role.sql, then psql -d wepppy -c '\password rq_worker'
-- The role owns what is in its schema and has no right on any other table. Its workers need
-- RQ_WORKER_POSTGRES_USER=rq_worker and RQ_WORKER_POSTGRES_PASSWORD_FILE, which win over POSTGRES_USER and so on.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rq_worker') then
    -- A worker opens four connections at most.
    create role rq_worker login nosuperuser nocreatedb nocreaterole noreplication connection limit 40;
  end if;
end
$$;
create schema if not exists rq_worker authorization rq_worker;
