// Package logs turns the lines that a command says into records of a log: with a time, a level and the id of the run, as
// text, as JSON, or with the priorities that systemd's journal reads.
//
// # Words
//
// A line is what a command says to people, beside its answer. Its level is in its first word, which people read as well:
// "davit:" and "hint:" begin an error, "warning:", "problem:" and "left out" a warning, "debug:" what only -v shows;
// everything else informs. So nothing is said twice, and a line cannot be an error on the screen and something else in
// the log.
//
// # Guarantees
//
// Every record is one line and holds the run, whatever the text holds. A line that is cut by the end of the program is
// written by Close. Writers may be used by several goroutines. Nothing is added to what was said: a line without a
// secret makes a record without one.
package logs
