package archive

import (
	"bytes"
	"testing"
	"testing/iotest"
)

// A body that gives io.EOF together with its last bytes, as an HTTP body of
// known length does, has ended properly.
func TestImportEndsWithLastBytes(t *testing.T) {
	a, _ := twoImages(t)
	for name, parts := range map[string][]part{"20.10": docker20(t, a), "25": mixed25(t, a)} {
		data := pack(t, parts)
		r, err := Import(t.Context(), newStore(t), iotest.DataErrReader(bytes.NewReader(data)), ImportOptions{})
		if err != nil || len(r.Images) != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
