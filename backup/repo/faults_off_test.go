//go:build !integration

package repo

// faultStep is how many operations lie between those that go wrong.
const faultStep = 29
