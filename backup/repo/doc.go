// Package repo is the repository: an OCI image layout that holds snapshots.
package repo
