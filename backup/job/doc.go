// Package job makes backups that run by themselves: it reads the configuration, carries a job out from
// the lock to the last message, and says afterwards how well a host is protected.
//
// # Words
//
// A job is what the configuration says under one name: what is saved where, what is done after it
// (steps: verify, forget, gc), and who is told. A run is one time that a job is carried out; it
// leaves a record. The history is the records of a state folder. A volume is protected when a
// complete item of it is in a snapshot of its host; rpo is how old that may be.
//
// # Guarantees
//
//   - One run at a time for each state folder: two jobs would freeze the same containers.
//   - A record is written when a run begins and again when it ends; one that was never
//     ended is told as killed.
//   - Metrics named last_success only ever tell of runs in which all was well: a run that fails moves
//     none of them.
//   - What tells people (notifications, pings, metrics) never makes a run fail: it becomes a
//     warning in the record.
//   - Addresses of notifications hold secrets: they are in no message and no record.
package job
