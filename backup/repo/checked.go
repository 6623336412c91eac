package repo

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A checked document is a JSON object whose last key is "check": the SHA-256 of what is before that key. So
// a bit that a disk flips is noticed also where nothing is signed. Documents of before have none.
const (
	checkKey = `,"check":"`
	checkEnd = `"}` + "\n"
)

// encodeChecked writes a checked document. The object must have a key.
func encodeChecked(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	data = data[:len(data)-1]
	sum := DigestOf(data)
	return append(data, checkKey+sum.Hex()+checkEnd...), nil
}

var errChecksum = errors.New("its checksum is another: it is not as it was written")

// parted is a document without its check, and whether it had one.
func parted(data []byte) (body []byte, checked bool) {
	at := len(data) - len(checkKey) - 2*len(Digest{}) - len(checkEnd)
	if at < 0 || !bytes.HasPrefix(data[at:], []byte(checkKey)) || !bytes.HasSuffix(data, []byte(checkEnd)) {
		return data, false
	}
	return data[:at], true
}

// sumIsRight refuses a checked document that is not as it was written.
func sumIsRight(data []byte) error {
	body, checked := parted(data)
	if checked && string(data[len(body)+len(checkKey):len(data)-len(checkEnd)]) != DigestOf(body).Hex() {
		return errChecksum
	}
	return nil
}

// asWritten tells whether a document of the type of v, to which it is decoded, is byte for byte as this davit
// writes it.
func asWritten(data []byte, v any) error {
	if err := sumIsRight(data); err != nil {
		return err
	}
	body, checked := parted(data)
	if checked {
		body = append(bytes.Clone(body), '}')
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return fmt.Errorf("is not as davit writes it: %w", err)
	}
	again, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(bytes.TrimSuffix(body, []byte("\n")), again) {
		return errors.New("is not as davit writes it")
	}
	return nil
}
