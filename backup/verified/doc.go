// Package verified remembers when each blob of a repository was last read from this machine and found
// good, so that a little can be read each night until all was, and a run that was cut short goes on.
//
// # Words
//
// A log is what is remembered of one repository at one place. A share is the part of all bytes that a run
// reads, in percent. Due is the blob that was read the longest time ago, or never.
//
// # Guarantees
//
//   - Runs of a share of P percent have read everything, and nothing twice, after 100/P of them, as long as
//     nothing is added: what one reads too much, because blobs cannot be parted, the next reads less.
//   - A blob counts as read only when a run of this log has found it good. What was found damaged is read by
//     every run until it is good again, beside its share.
//   - A log that is lost, damaged or of another repository is an empty one: everything is due. It is
//     replaced as a whole or not at all, and one of a newer davit is left as it is.
//   - Times that are ahead of the clock count for nothing.
//
// Logs are for one process each; of two that verify at once, what the one remembered that saved first is
// read again.
package verified
