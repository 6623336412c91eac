//go:build integration

package transfer

// faultStep is how many operations lie between those that go wrong: each one does.
const faultStep = 1
