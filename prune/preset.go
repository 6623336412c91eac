package prune

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed presets/*.yaml
var presets embed.FS

// Presets are the names of the policies that davit brings along.
func Presets() []string { return []string{"safe", "ci", "pressure"} }

// PresetText is a preset as a policy file.
func PresetText(name string) ([]byte, error) {
	if !slices.Contains(Presets(), name) {
		return nil, fmt.Errorf("unknown preset %q: there are %s", name, strings.Join(Presets(), ", "))
	}
	return presets.ReadFile(path.Join("presets", name+".yaml"))
}

// Preset is a policy that davit brings along.
func Preset(name string) (*Policy, error) {
	data, err := PresetText(name)
	if err != nil {
		return nil, err
	}
	return ParsePolicy("preset "+name, data)
}
