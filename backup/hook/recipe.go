package hook

// Apps are the names that the label davit.backup.app may have.
func Apps() []string { return []string{"postgres", "redis"} }

// recipe is the command for an app.
func recipe(app string) (Command, bool) {
	switch app {
	case "postgres":
		return Command{Text: "postgres: CHECKPOINT", Args: []string{"/bin/sh", "-c", postgres}, User: "postgres"}, true
	case "redis":
		return Command{Text: "redis: BGSAVE", Args: []string{"/bin/sh", "-c", redis}}, true
	}
	return Command{}, false
}

// postgres asks over the server's own socket, where the superuser needs no password.
const postgres = `exec psql -X -q -w -v ON_ERROR_STOP=1 -U "${POSTGRES_USER:-postgres}" -d postgres -c CHECKPOINT`

// redis waits for a save that began after this moment: one that was on its way before would not do.
// redis-cli ends well also when the server answers with an error.
const redis = `
REDISCLI_AUTH=${REDISCLI_AUTH:-${REDIS_PASSWORD:-}}
if [ -n "$REDISCLI_AUTH" ]; then export REDISCLI_AUTH; else unset REDISCLI_AUTH; fi
while :; do
	said=$(redis-cli BGSAVE 2>&1)
	case $said in
	*started*) break ;;
	*progress* | *child*) sleep 1 ;;
	*) echo "$said"; exit 1 ;;
	esac
done
while redis-cli INFO persistence | grep -q '^rdb_bgsave_in_progress:1'; do sleep 0.2; done
if ! redis-cli INFO persistence | grep -q '^rdb_last_bgsave_status:ok'; then
	echo 'BGSAVE did not succeed'; exit 1
fi
`
