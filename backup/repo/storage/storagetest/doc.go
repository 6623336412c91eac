// Package storagetest starts real servers for tests of repositories: versitygw, an S3 server, and
// OpenSSH's sshd. They listen on 127.0.0.1 and end with the test.
package storagetest
