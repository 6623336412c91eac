package hostfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// The record of a POSIX ACL in an extended attribute: a 32-bit version, then entries of tag, permissions and id.
const (
	aclVersion   = 2
	aclEntrySize = 8
)

// ErrACL is the error for an attribute that is no POSIX ACL of the known version.
var ErrACL = errors.New("not a POSIX ACL record")

// ACLText turns the value of system.posix_acl_access or system.posix_acl_default into the text libacl and GNU tar read
// (SCHILY.acl.*): `user::rw-,user:1000:r--,group::r--,mask::r--,other::r--`, owners as numbers.
func ACLText(raw []byte) (string, error) {
	if len(raw) < 4 || (len(raw)-4)%aclEntrySize != 0 || binary.LittleEndian.Uint32(raw) != aclVersion {
		return "", fmt.Errorf("read acl of %d bytes: %w", len(raw), ErrACL)
	}
	var text []byte
	for e := raw[4:]; len(e) > 0; e = e[aclEntrySize:] {
		tag, ok := aclTag(binary.LittleEndian.Uint16(e), binary.LittleEndian.Uint32(e[4:]))
		perm := binary.LittleEndian.Uint16(e[2:])
		if !ok || perm > 7 {
			return "", fmt.Errorf("read acl entry % x: %w", e[:aclEntrySize], ErrACL)
		}
		if len(text) > 0 {
			text = append(text, ',')
		}
		text = append(append(text, tag...), ':')
		text = appendPerm(text, perm)
	}
	return string(text), nil
}

func aclTag(tag uint16, id uint32) (string, bool) {
	switch tag {
	case 0x01:
		return "user:", true
	case 0x02:
		return "user:" + strconv.FormatUint(uint64(id), 10), true
	case 0x04:
		return "group:", true
	case 0x08:
		return "group:" + strconv.FormatUint(uint64(id), 10), true
	case 0x10:
		return "mask:", true
	case 0x20:
		return "other:", true
	}
	return "", false
}

func appendPerm(text []byte, perm uint16) []byte {
	for i, letter := range []byte("rwx") {
		if perm&(4>>i) == 0 {
			letter = '-'
		}
		text = append(text, letter)
	}
	return text
}
