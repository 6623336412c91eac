package agent

import "time"

// Rules are what the agent's program decides about a tree.
type Rules struct {
	// Skip returns what leaves entries out of a walk by the patterns of the client.
	Skip func(patterns []string) func(dir, name string) bool
	// Enter says why a folder on which something is mounted is not entered; "" enters it.
	Enter func(path string) (reason string)
	Now   func() time.Time
}
