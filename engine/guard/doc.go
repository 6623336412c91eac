// Package guard undoes what davit did to containers, whatever happens to davit.
//
// A backup pauses or stops containers for a moment. davit thaws them itself, but davit can
// be killed in between: by SIGKILL, for memory, by a stop of its unit, by a time limit, by
// a power cut. So before the first container is touched a second, small process is
// started, the guard, which waits for davit's end and then does what davit can no longer
// do. What the guard cannot do either, because it was killed as well, [Recover] does at
// boot and before the next run.
//
// # Words
//
//   - owner: the process that freezes; davit.
//   - journal: the file STATE/RUN.jsonl. One JSON record a line; every deed is written and
//     fsynced before it is done, and written again once it is undone.
//   - freeze, thaw: to pause or stop the containers of a group, and to undo that.
//   - deed: one container paused, or one container stopped.
//   - outstanding: written as intended, and not yet as undone.
//   - hold: how long a freeze may last before the guard ends it although davit is alive,
//     because davit hangs.
//
// # Guarantees
//
//   - No container is touched before its deed is on disk and a guard waits for the owner's
//     end. With systemd and as root the guard is a transient unit, davit-guard-RUN.service,
//     and survives the stop of davit's unit and the kill of its control group; otherwise
//     it is a session of its own, outside davit's control group where that is allowed.
//   - The owner holds a lock on the journal for its whole life. The kernel lets go of it at
//     the owner's death, however that comes, so nobody has to judge by process ids. Whoever
//     undoes holds the same lock, so nothing is undone by two at once.
//   - Only what davit did is undone. A container that was paused or not running before is
//     never journalled. One that somebody removed, replaced, started or thawed meanwhile
//     is left as it is. A paused container that an engine's end took down is left to its
//     restart policy, as it would have been without davit; if it has one and the owner is
//     dead, it is started.
//   - Undoing is idempotent and goes by the container's state, not by the journal alone. A
//     request that was under way when davit died is waited for, so that a stop which takes
//     effect a moment later is undone too.
//   - An engine that does not answer is tried again for [Options.Limit]; after that the
//     journal stays for Recover.
//
// A guard is a backstop: the hold limit is looked at a few times a second, not to the
// millisecond.
package guard
