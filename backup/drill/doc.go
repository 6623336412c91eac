// Package drill rehearses a restore: it brings a snapshot back beside what runs on a host, starts what it saved, asks
// whether it works, measures how long that took, and removes all of it again.
//
// # Words
//
//   - scratch: what a drill makes: volumes, networks, containers, tags of images. All of it has the label davit.drill
//     with the id of the run, and names that begin with davit-drill-.
//   - check: one question with one answer: pass, warning, fail or skip.
//   - probe: a command inside a container that proves that it works, by its exit code.
//   - RTO: how long it takes until all is back, here measured without what only the drill does (reading everything once
//     more). RPO: how old the data is that comes back.
//   - verdict: passed, partial (what could be rehearsed passed, something could not), failed, interrupted or killed.
//
// # Guarantees
//
//   - Nothing that was there before is changed, stopped or connected to. Images are loaded under tags of the drill's own,
//     so that no tag moves; only these are removed.
//   - Scratch volumes are plain local ones: driver options of the originals, such as NFS or o=bind, are never used. Bind
//     mounts become scratch volumes that are filled from the snapshot, or are left out; no path of the host is mounted
//     but files inside scratch volumes.
//   - Containers are made from a list of what is allowed, not from all that was saved less what is forbidden: no
//     privileges, added capabilities, devices, host namespaces, published ports, restart policy, sockets, other runtime or
//     relaxed security, no labels that other programs steer by. Limits stay. Each is looked at once more before it is
//     started, as the engine has it.
//   - Their networks are internal and have no address on the host: neither the host nor anything beyond is reached.
//   - A journal is on disk before the first object is made, locked by the run. What a killed run left is removed by the
//     next drill and by davit recover ([Recover]), which never touch what a living run made.
//   - A drill that has no room for bytes or inodes is refused before anything is made.
//   - A report is written whatever the outcome is, after the clean-up, and tells of that too.
//
// # The report
//
// [Report] as JSON has a version, [ReportVersion]: fields are only ever added within one. HTML and Markdown show the
// same. Values of environment variables are in none of them; what probes print and the last lines of containers that failed are.
package drill
