package hostfs_test

import (
	"errors"
	"testing"

	"davit/engine/hostfs"
)

// The record becomes the text libacl reads; what is no ACL is refused.
func TestACLText(t *testing.T) {
	const (
		head  = "\x02\x00\x00\x00"
		none  = "\xff\xff\xff\xff"
		owner = "\x01\x00\x06\x00" + none
		user  = "\x02\x00\x04\x00\xe8\x03\x00\x00"
		group = "\x04\x00\x04\x00" + none
		named = "\x08\x00\x05\x00\x00\x00\x00\xff"
		mask  = "\x10\x00\x04\x00" + none
		other = "\x20\x00\x00\x00" + none
	)
	for what, c := range map[string]struct {
		raw, text string
		bad       bool
	}{
		"minimal":       {raw: head + owner + group + other, text: "user::rw-,group::r--,other::---"},
		"user and mask": {raw: head + owner + user + group + mask + other, text: "user::rw-,user:1000:r--,group::r--,mask::r--,other::---"},
		"large group":   {raw: head + owner + group + named + mask + other, text: "user::rw-,group::r--,group:4278190080:r-x,mask::r--,other::---"},
		"no entries":    {raw: head},
		"empty":         {raw: "", bad: true},
		"cut":           {raw: head + owner[:7], bad: true},
		"version":       {raw: "\x03\x00\x00\x00" + owner, bad: true},
		"unknown tag":   {raw: head + "\x40\x00\x06\x00" + none, bad: true},
		"unknown bit":   {raw: head + "\x01\x00\x08\x00" + none, bad: true},
	} {
		text, err := hostfs.ACLText([]byte(c.raw))
		if text != c.text || errors.Is(err, hostfs.ErrACL) != c.bad {
			t.Errorf("%s: %q, %v; want %q", what, text, err, c.text)
		}
	}
}
