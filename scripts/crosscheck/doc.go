// Command crosscheck looks whether a program compiles for other systems, without compiling it:
//
//	go run ./scripts/crosscheck ./cmd/davit darwin/amd64 darwin/arm64 windows/amd64
//
// It checks the types of all packages from their source, of this module's whole, of others' what they declare. That takes
// seconds where a build for a new system takes minutes. What it cannot see is what only a linker finds: make cross builds.
package main
