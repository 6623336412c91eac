// Command sbom writes what a Go program is made of, as a CycloneDX 1.5 document: each module that is linked into it, with
// its version and checksum, as the linker has recorded them in the program itself. Two calls for one program write the
// same bytes.
//
//	go run ./scripts/sbom davit > davit.cdx.json
package main
