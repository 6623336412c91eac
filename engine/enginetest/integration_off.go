//go:build !integration

package enginetest

// Integration says that tests may take long.
const Integration = false
