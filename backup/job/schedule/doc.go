// Package schedule has a job run by itself: by a timer of systemd, or by a file in /etc/cron.d on hosts without.
//
// # Words
//
// A plan is when a job runs: some times of the day, or a cron expression. An entry is what is installed
// for one job: its units, or its cron file. All of them are named davit-backup-JOB, those of
// drills davit-drill-JOB.
//
// # Guarantees
//
//   - Only files that this package wrote are replaced or removed: they begin with a mark.
//   - A plan that never comes due is refused before anything is written.
//   - A timer catches up after boot on what was missed; cron does not.
package schedule
