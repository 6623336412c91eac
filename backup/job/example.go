package job

import _ "embed"

//go:embed example.yaml
var example []byte

// Example is a configuration with comments, to begin one's own with.
func Example() []byte { return append([]byte(nil), example...) }
