# Postgres with a database of its own; works in the official image and with Debian's packages.
set -eu
for bin in /usr/lib/postgresql/*/bin; do PATH="$bin:$PATH"; done
data=/var/lib/postgresql/data/pgdata
if [ ! -e "$data/PG_VERSION" ]; then
  rm -rf "$data.new" # of a start that was cut off
  initdb -D "$data.new" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" -A scram-sha-256 -E UTF8 --locale=C.UTF-8 >/dev/null
  echo 'host all all all scram-sha-256' >>"$data.new/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB;" | postgres --single -D "$data.new" postgres >/dev/null
  mv "$data.new" "$data"
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
