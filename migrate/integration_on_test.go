//go:build integration

package migrate_test

// integration says that tests may take long.
const integration = true
