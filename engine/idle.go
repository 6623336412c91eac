package engine

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// idleLayer is the layer of an image with one file: /idle, a program that waits for a
// signal that never comes. It is made by hand because no image can be counted on to be
// there, and a name on the host may not be readable in a container.
func idleLayer(arch string) ([]byte, error) {
	program, err := idleProgram(arch)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "idle", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	return buf.Bytes(), w.Close()
}

// idleProgram is a static ELF executable: one header, one segment, and a loop around the
// system call ppoll(NULL, 0, NULL, NULL).
func idleProgram(arch string) ([]byte, error) {
	const base, headers = 0x400000, 64 + 56
	var machine uint16
	var code []byte
	switch arch {
	case "x86_64", "amd64":
		machine = 62
		code = []byte{
			0x31, 0xff, // xor edi, edi
			0x31, 0xf6, // xor esi, esi
			0x31, 0xd2, // xor edx, edx
			0x45, 0x31, 0xd2, // xor r10d, r10d
			0xb8, 0x0f, 0x01, 0x00, 0x00, // mov eax, 271
			0x0f, 0x05, // syscall
			0xeb, 0xee, // jmp to the beginning
		}
	case "aarch64", "arm64":
		machine = 183
		for _, op := range []uint32{
			0xd2800000, // mov x0, #0
			0xd2800001, // mov x1, #0
			0xd2800002, // mov x2, #0
			0xd2800003, // mov x3, #0
			0xd2800928, // mov x8, #73
			0xd4000001, // svc #0
			0x17fffffa, // b to the beginning
		} {
			code = binary.LittleEndian.AppendUint32(code, op)
		}
	default:
		return nil, fmt.Errorf("no helper program for architecture %s", arch)
	}
	le := binary.LittleEndian
	size := uint64(headers + len(code))
	p := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	p = le.AppendUint16(p, 2) // executable
	p = le.AppendUint16(p, machine)
	p = le.AppendUint32(p, 1)
	p = le.AppendUint64(p, base+headers) // entry
	p = le.AppendUint64(p, 64)           // program headers
	p = le.AppendUint64(p, 0)            // no section headers
	p = le.AppendUint32(p, 0)
	for _, n := range []uint16{64, 56, 1, 64, 0, 0} {
		p = le.AppendUint16(p, n)
	}
	p = le.AppendUint32(p, 1) // load
	p = le.AppendUint32(p, 5) // read, execute
	for _, n := range []uint64{0, base, base, size, size, 0x1000} {
		p = le.AppendUint64(p, n)
	}
	return append(p, code...), nil
}

// readImport reads the answer to an import: the new image's id, or what went wrong.
func readImport(r io.Reader) (string, error) {
	dec := json.NewDecoder(r)
	id := ""
	for {
		var m struct{ Status, Error string }
		err := dec.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("read the engine's answer: %w", err)
		}
		if m.Error != "" {
			return "", errors.New(m.Error)
		}
		if s := strings.TrimSpace(m.Status); strings.HasPrefix(s, "sha256:") {
			id = s
		}
	}
	if id == "" {
		return "", errors.New("the engine names no image")
	}
	return id, nil
}

// mounted tells whether something is mounted at a path in this process's namespace.
func mounted(path string) bool {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	escaped := strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`).Replace(path)
	for _, line := range strings.Split(string(data), "\n") {
		if f := strings.Fields(line); len(f) > 4 && f[4] == escaped {
			return true
		}
	}
	return false
}
