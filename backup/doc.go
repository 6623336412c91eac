// Package backup saves what a Docker host holds into a repository and brings it back.
//
// # Words
//
// A snapshot is one run's complete, immutable result. It holds items: the files
// of a volume, a bind mount, a path or a container's writable layer, an image,
// and the definitions of containers, networks and volumes. A group is a set of
// containers that write to overlapping paths: they freeze and thaw together.
// A warm pass reads while the containers run, the delta pass reads what changed
// since, while they are frozen.
//
// # Reading, deciding, doing
//
// Everything that changes something is two calls. PlanCreate and PlanRestore
// read the host and decide; the plan they return can be printed and is what a dry run
// shows. Apply does what the plan says and decides nothing new.
//
// # Guarantees
//
//   - What Apply pauses or stops runs again when it returns, whatever it returns;
//     the guard that Env names does the same when the process dies.
//   - A snapshot is published last: a run that is cut short leaves no half snapshot,
//     and the next run uses again what it wrote.
//   - A restore never writes over existing data unless InPlace is set, and then the old
//     data stays until CommitInPlace.
//   - Nothing here prints, prompts or exits; names and labels are passed on as
//     they are, and it is the caller who quotes them for a screen.
package backup
