//go:build !integration

package transfer

// faultStep is how many operations lie between those that go wrong.
const faultStep = 43
