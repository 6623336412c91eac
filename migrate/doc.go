// Package migrate moves the data of this host's engine to another folder or disk, proves that nothing was lost, and
// can undo it. What it is told to move comes from a survey: see [davit/migrate/preflight].
//
// # Words
//
//   - store: one tree that moves: the data-root, or containerd's root.
//   - old root, new root: a store before and after the move.
//   - journal: the file STATE/migrate/journal.json, outside both roots. It says which step has begun, what has been
//     changed on the host until then, and how it was before. It is written and fsynced before each step and each change.
//   - held: a container whose restart policy is "no" for the time of the move, so that the engine does not start it
//     before everything has been compared. Its own policy is in the journal.
//   - worker: the process that moves, in a transient unit of its own, so that no terminal's end ends it.
//
// # The steps
//
// In this order, with what is true when each has ended:
//
//   - copy: the new root has nearly everything. The engine runs on the old root, and nothing on the host has changed.
//   - hold: a unit is installed that sets things right after a reboot; policies are "no".
//   - stop containers: none runs; which did, and in which order they go, is in the journal.
//   - stop engine: the sockets and the service are stopped and masked until the next boot; nothing uses the old root.
//   - sync: the new root has everything, and nothing else, and it is on disk.
//   - verify: old and new root have been compared.
//   - configure: containers' definitions on the new root name that, where they named the old one (a container with a
//     named volume would not start otherwise once the old root is gone); the engine's next start would wait for the new
//     root's mount, and use the new root with the same storage driver as before.
//   - start: the engine runs on the new root, with all containers held.
//   - compare: it has the same images, containers, volumes, networks and plugins as before.
//   - release: policies are as before, and what ran runs again. This is the point of no return: containers write into
//     the new root now.
//   - health: containers with a health check have said how they are.
//
// A rollback with SyncBack goes the same way back: copy back makes warm passes from the new root to the old one while the
// containers run, sync back copies the rest, compares, and has the engine run on the old root.
//
// # Guarantees
//
//   - The old root is only read until [Commit] renames it aside or deletes it, or a rollback with SyncBack brings it up to
//     date. With method rename it is the new root, and a rollback renames it back.
//   - Anything that goes wrong before release, a signal and the end of the allowed downtime among them, is undone: the
//     engine runs on the old root, containers run as before. The words why are in the journal.
//   - When the worker dies, the unit's ExecStopPost does the same; when the host goes down, the installed unit
//     does it at boot. From release on it goes forward instead. Whatever undoes or goes on can die and be repeated.
//   - With NoHold containers run on the new root as soon as the engine does: the point of no return is start then, and
//     what differs afterwards is told, not undone.
//   - One migration at a time: a lock is held by whoever works on the journal. A run waits for backups that may have
//     containers paused before it holds any, and from then on nothing else of davit begins: see [CuttingOver].
//   - What has changed since the plan was made (daemon.json, the engine's root or driver, the disk that is mounted, what
//     mounts it at boot) ends the run, before anything is stopped if it was seen by then: a [ChangedError].
//   - Room for the journal is kept from the beginning on, for disks that are moved because they are full.
package migrate
