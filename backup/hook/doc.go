// Package hook runs commands inside containers before they are held for a backup and after they are let go.
//
// # Labels
//
// They count when they are set on the container itself, not when it inherits them from its image; a job's
// configuration can say the same for a container by its name.
//
//   - davit.backup.pre, davit.backup.post: a command, run by the container's /bin/sh -c, or, written as a JSON list,
//     without a shell. It runs as the container's own user.
//   - davit.backup.app: postgres, mariadb, redis or sqlite, whose commands davit brings along; those of pre and post run between them.
//   - davit.backup.timeout: how long each command may take, 5m when it is not said.
//
// What runs in each app, and what that gives:
//
//   - postgres: CHECKPOINT. The frozen files are what a power cut would leave, which PostgreSQL recovers from by
//     itself; the checkpoint makes that short, and proves that the server answers.
//   - redis: BGSAVE, and the wait for it. What was written before the backup is in the dump also when the server
//     keeps no append-only file.
//   - mariadb: FLUSH TABLES. InnoDB recovers from what a power cut would leave; of tables that have no log, MyISAM's, the
//     files are whole if nobody writes to them between the flush and the freeze.
//   - sqlite: a checkpoint of every database in what the container mounts, by the container's own sqlite3, so that the
//     database file alone holds all. SQLite recovers from what a power cut would leave as well.
//
// # Guarantees
//
// A command that fails, or does not end in time, is an error of its hook; one that did not end is killed. Post runs
// whenever Pre was tried. That a post is due is on disk before Pre begins: [Recover] runs what a killed
// process left due.
package hook
