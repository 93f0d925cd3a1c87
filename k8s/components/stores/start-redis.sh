# Redis as a queue needs it: what was acknowledged survives a crash, and nothing is ever evicted.
# The password comes from a file and goes into one: arguments can be seen by others.
umask 077
cat >/tmp/redis.conf <<END
dir /data
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
tcp-keepalive 60
requirepass $(cat "$REDIS_PASSWORD_FILE")
END
exec redis-server /tmp/redis.conf
