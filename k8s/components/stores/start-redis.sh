# Redis as a queue needs it: what was acknowledged survives a crash, and nothing is ever evicted.
# Passwords come from files and go into one, as hashes: arguments can be seen by others, and a quote in one would end a word.
set -eu
umask 077
hash() {
  password=$(cat "$1")
  printf %s "$password" | sha256sum | cut -d ' ' -f 1
}
default=$(hash "$REDIS_PASSWORD_FILE")
cat >/tmp/redis.conf <<END
dir /data
appendonly yes
appendfsync everysec
maxmemory ${REDIS_MAXMEMORY:-0}
maxmemory-policy noeviction
tcp-keepalive 60
notify-keyspace-events "${REDIS_KEYSPACE_EVENTS:-}"
user default on resetpass #$default ~* &* +@all
END
# More users: a file each, whose password is beside the default one's.
for acl in /acl/*.acl; do
  [ -e "$acl" ] || continue
  password=$(hash "$(dirname "$REDIS_PASSWORD_FILE")/redis-$(basename "$acl" .acl)")
  sed "s/>change-this/#$password/" "$acl" >>/tmp/redis.conf
done
exec redis-server /tmp/redis.conf
