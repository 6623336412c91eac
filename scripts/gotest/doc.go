// Gotest runs `go test -json` with its own arguments and says in the end what really
// ran:
//
//	gotest [-allow-skips] [ARGUMENTS OF go test]
//
// A green run in which the tests against a real engine were skipped proves nothing, so
// as root, or with CI=true, a skipped test fails the run. The one way out is a reason
// that begins with "optional:", for what a machine may truly lack (a kernel feature, a
// file system). Without root, skipped tests are listed with their reasons.
//
// Shown are the package lines of go test as they are, the whole output of tests that
// failed, the skipped tests, and a closing line "N passed, N failed, N skipped", which
// counts tests and subtests. The exit code is 0 only if go test ended with 0, at least one
// test ran, and no skip was out of place.
package main
