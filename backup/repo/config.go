package repo

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// FormatVersion is the repository format that this package reads and writes.
const FormatVersion = 1

const (
	kib = 1 << 10
	mib = 1 << 20
)

// Config is the content of davit/config.json.
type Config struct {
	Version int     `json:"version"`
	ID      string  `json:"id"` // 32 hexadecimal digits, random
	Chunker Chunker `json:"chunker"`
	// Encryption is nil in a clear repository.
	Encryption *Encryption `json:"encryption,omitempty"`
}

// Chunker says how file trees are cut. All lengths are bytes of plain data.
type Chunker struct {
	RunTarget int64 `json:"runTarget"` // mean length of a run of small files
	CDCMin    int64 `json:"cdcMin"`    // shortest, mean and longest chunk of a big file
	CDCAvg    int64 `json:"cdcAvg"`
	CDCMax    int64 `json:"cdcMax"`
}

// sum is the SHA-256 of the config, by which refs name it.
func (c Config) sum() (string, error) {
	data, err := json.Marshal(c)
	return DigestOf(data).Hex(), err
}

func defaultChunker() Chunker {
	return Chunker{RunTarget: 256 * kib, CDCMin: 1 * mib, CDCAvg: 4 * mib, CDCMax: 16 * mib}
}

// decodeConfig reads a config strictly: a key that this version does not know
// may mean that the data must be handled in a way this version does not know.
func decodeConfig(data []byte) (Config, error) {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return Config{}, fmt.Errorf("decode config: %w", err)
	}
	if head.Version > FormatVersion {
		return Config{}, &NewerFormatError{Version: head.Version}
	}
	var c Config
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Config{}, fmt.Errorf("decode config: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("decode config: data after the document")
	}
	if err := c.check(); err != nil {
		return Config{}, fmt.Errorf("check config: %w", err)
	}
	return c, nil
}

func (c Config) check() error {
	if c.Version != FormatVersion {
		return fmt.Errorf("unknown version %d", c.Version)
	}
	if raw, err := hex.DecodeString(c.ID); err != nil || len(raw) != 16 {
		return fmt.Errorf("repository id %q is not 32 hexadecimal digits", c.ID)
	}
	if c.Encryption != nil {
		if err := c.Encryption.check(); err != nil {
			return err
		}
	}
	return c.Chunker.check()
}

// check bounds the parameters, since buffers are made as large as they say.
func (c Chunker) check() error {
	switch {
	case c.RunTarget < 4*kib || c.RunTarget > 16*mib:
		return fmt.Errorf("run target %d is out of bounds", c.RunTarget)
	case c.CDCMin < 4*kib || c.CDCMin >= c.CDCAvg || c.CDCAvg >= c.CDCMax || c.CDCMax > 128*mib:
		return fmt.Errorf("chunk lengths %d, %d, %d are out of bounds", c.CDCMin, c.CDCAvg, c.CDCMax)
	case bits.OnesCount64(uint64(c.CDCAvg)) != 1:
		return fmt.Errorf("mean chunk length %d is no power of two", c.CDCAvg)
	}
	return nil
}
