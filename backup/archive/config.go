package archive

import (
	"encoding/json"
	"errors"
	"fmt"

	"davit/backup/repo"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// config is what this package reads of an image's config.
type config struct {
	ocispec.Platform
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	diffs []repo.ID
}

func parseConfig(doc []byte) (*config, error) {
	var c config
	if len(doc) > maxConfig {
		return nil, fmt.Errorf("config of %d bytes is too large", len(doc))
	}
	if err := json.Unmarshal(doc, &c); err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if c.RootFS.Type != "layers" {
		return nil, errors.New("read config: it has no rootfs of layers")
	}
	for _, s := range c.RootFS.DiffIDs {
		d, err := repo.ParseDigest(s)
		if err != nil {
			return nil, fmt.Errorf("read config: %w", err)
		}
		c.diffs = append(c.diffs, repo.ID(d))
	}
	return &c, nil
}

// platform is the config's platform as descriptors have it.
func (c *config) platform() *ocispec.Platform {
	if c.OS == "" && c.Architecture == "" {
		return nil
	}
	p := c.Platform
	return &p
}

// platformName is "os/arch" or "os/arch/variant".
func platformName(p *ocispec.Platform) string {
	if p == nil {
		return ""
	}
	name := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		name += "/" + p.Variant
	}
	return name
}

// samePlatform compares as engines do for their own images; a variant counts
// only where both have one.
func samePlatform(a, b *ocispec.Platform) bool {
	return a != nil && b != nil && a.OS == b.OS && a.Architecture == b.Architecture &&
		(a.Variant == b.Variant || a.Variant == "" || b.Variant == "")
}
