//go:build integration

package main

// integration says that tests may take long.
const integration = true
