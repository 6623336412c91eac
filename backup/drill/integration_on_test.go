//go:build integration

package drill

// integration says that tests may take long.
const integration = true
