// Package initscript starts and stops services on hosts that systemd does not run: by OpenRC, or by the scripts of
// System V's init. [Manager] answers in the words of [davit/engine/systemd], so that [davit/engine/service] works with
// either.
//
// # Words
//
//   - script: /etc/init.d/NAME. It starts and stops the service NAME.
//   - log: /var/log/NAME.log, where Debian's, Alpine's and Gentoo's scripts have the engine write to. It stands in for the
//     journal.
//
// # Guarantees
//
//   - Scripts run as service(8) runs them: in the root folder, with a PATH and a TERM and nothing else of the caller's.
//   - What a script has started outlives the caller, and so does a script that a caller no longer waits for.
//   - There are no sockets here that start a service, and nothing forbids a start after failures. A script does not tell
//     when its service is ready.
package initscript
